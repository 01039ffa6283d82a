//! Batches: turns pieces of COPY data into rows of an input dataset, all of them or none, with their record.

use crate::open::{begin_writing, close_batch};
use crate::rejects::{Reject, write_rejects};
use crate::{Store, StoreError};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _, Transaction};
use terrane_manifest::Dataset;
use terrane_sql::Sql;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What a batch does to the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchMode {
    /// It is the whole dataset: earlier rows go.
    Replace,
    /// It is added to what is there.
    Append,
}

impl BatchMode {
    /// The word in records and query strings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Append => "append",
        }
    }
}

/// A batch that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id, also on each of its rows.
    pub id: Uuid,
    /// Rows in it.
    pub rows: u64,
    /// Rows that were set aside.
    pub rejected: u64,
    /// Whether it had been taken in before, by its idempotency key, and nothing was changed now.
    pub repeated: bool,
}

/// What is known of a batch before its rows.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Where the rows go.
    pub dataset: &'a Dataset,
    /// Where they come from, for the record.
    pub origin: &'a str,
    /// What happens to earlier rows.
    pub mode: BatchMode,
    /// Who sends them.
    pub from: Option<&'a str>,
    /// Idempotency key: the same twice is taken in once.
    pub key: Option<&'a str>,
}

/// What is known of a batch after its rows; kept in the transaction that makes them count.
#[derive(Debug, Default)]
pub struct Closing<'a> {
    /// Rows that were sent.
    pub rows: u64,
    /// Rows that were set aside.
    pub rejected: u64,
    /// What is kept of those.
    pub rejects: &'a [Reject],
    /// The input port whose source has been read, and how far.
    pub source: Option<(&'a str, &'a Value)>,
}

/// Pieces of COPY data that wait for Postgres at most.
const PIECES: usize = 3;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What goes to the task that speaks with Postgres.
#[derive(Debug)]
enum Piece {
    /// The rows that follow have other columns.
    Statement(String),
    /// Rows.
    Rows(Vec<u8>),
}

/// An open batch: rows go in as pieces of binary COPY data, [`BatchWriter::finish`] makes them count. Dropping it
/// leaves nothing.
#[derive(Debug)]
pub struct BatchWriter {
    store: Store,
    id: Uuid,
    after: i64,
    dataset: String,
    table: String,
    origin: String,
    mode: BatchMode,
    from: Option<String>,
    key: Option<String>,
    pieces: mpsc::Sender<Piece>,
    emptied: mpsc::Receiver<Vec<u8>>,
    carrier: JoinHandle<Result<Transaction<'static, Postgres>, sqlx::Error>>,
}

impl Store {
    /// Open a batch; [`BatchWriter::start`] says what its rows are.
    ///
    /// # Errors
    /// [`StoreError::Database`]; `Ok(Err(batch))` where the key names a batch that was taken in before.
    pub async fn open_batch(&self, incoming: &Incoming<'_>) -> Result<Result<BatchWriter, Batch>, StoreError> {
        let what = "open an input batch";
        let (id, table) = (Uuid::now_v7(), &incoming.dataset.table);
        let (slot, after) = self.announce_batch(id, table).await?;
        let mut transaction = self.batches().begin().await.map_err(StoreError::on(what))?;
        begin_writing(&mut transaction, id, slot).await?;
        if let Some(key) = incoming.key
            && let Some(known) = known_batch(&mut transaction, &incoming.dataset.name, key).await?
        {
            close_batch(&mut transaction, id).await?;
            transaction.commit().await.map_err(StoreError::on(what))?;
            return Ok(Err(known));
        }
        if incoming.mode == BatchMode::Replace {
            let mut sql = Sql::lit("DELETE FROM ");
            sql.qualified("input", table);
            let emptied = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
            emptied.map_err(StoreError::on(what))?;
        }
        let (pieces, received) = mpsc::channel(PIECES);
        let (returned, emptied) = mpsc::channel(PIECES + 1);
        Ok(Ok(BatchWriter {
            store: self.clone(),
            id,
            after,
            dataset: incoming.dataset.name.clone(),
            table: table.clone(),
            origin: incoming.origin.to_owned(),
            mode: incoming.mode,
            from: incoming.from.map(str::to_owned),
            key: incoming.key.map(str::to_owned),
            pieces,
            emptied,
            carrier: tokio::spawn(carry(transaction, received, returned)),
        }))
    }

    /// Keep what is wrong with rows of a batch that was refused before it was opened.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_refusal(
        &self,
        batch: Uuid,
        incoming: &Incoming<'_>,
        rejects: &[Reject],
    ) -> Result<(), StoreError> {
        let mut transaction = self.control().begin().await.map_err(StoreError::on("record bad rows"))?;
        write_rejects(&mut transaction, batch, &incoming.dataset.name, incoming.origin, true, rejects).await?;
        transaction.commit().await.map_err(StoreError::on("record bad rows"))
    }
}

/// Two batches of one key at once: the second waits here for the first.
async fn known_batch(
    transaction: &mut Transaction<'static, Postgres>,
    dataset: &str,
    key: &str,
) -> Result<Option<Batch>, StoreError> {
    let what = "look for an earlier batch";
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 0))")
        .bind(dataset)
        .bind(key)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    let known =
        sqlx::query("SELECT id, rows, rejected FROM control.batches WHERE dataset = $1 AND idempotency_key = $2")
            .bind(dataset)
            .bind(key)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(StoreError::on(what))?;
    Ok(known.map(|row| Batch {
        id: row.get("id"),
        rows: row.get::<i64, _>("rows").unsigned_abs(),
        rejected: row.get::<i64, _>("rejected").unsigned_abs(),
        repeated: true,
    }))
}

/// One COPY over all rows of the same columns; the transaction comes back still open. A task of its own, so that the next
/// rows are made while Postgres takes these.
async fn carry(
    mut transaction: Transaction<'static, Postgres>,
    mut pieces: mpsc::Receiver<Piece>,
    returned: mpsc::Sender<Vec<u8>>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut next = pieces.recv().await;
    loop {
        let statement = match next {
            None => return Ok(transaction),
            Some(Piece::Rows(_)) => return Err(sqlx::Error::Protocol("rows before their columns".to_owned())),
            Some(Piece::Statement(statement)) => statement,
        };
        next = pieces.recv().await;
        if !matches!(next, Some(Piece::Rows(_))) {
            continue;
        }
        let mut copy = transaction.copy_in_raw(&statement).await?;
        copy.send(SIGNATURE).await?;
        while let Some(Piece::Rows(mut rows)) = next {
            copy.send(rows.as_slice()).await?;
            rows.clear();
            // a buffer more or less is no matter
            let _ = returned.try_send(rows);
            next = pieces.recv().await;
        }
        copy.finish().await?;
    }
}

impl BatchWriter {
    /// The batch's id, which each of its rows ends with.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The rows that follow have values for `columns` in that order, and after them the batch's id.
    ///
    /// # Errors
    /// As [`BatchWriter::finish`].
    pub async fn start(&mut self, columns: &[&str]) -> Result<(), StoreError> {
        let mut copy = Sql::lit("COPY ");
        copy.qualified("input", &self.table).push(" (");
        for column in columns {
            copy.ident(column).push(", ");
        }
        copy.push("_batch) FROM STDIN WITH (FORMAT binary)");
        self.hand_over(Piece::Statement(copy.into_string())).await
    }

    /// Hand a piece of whole rows to Postgres; an empty buffer comes back. Waits where Postgres is slower.
    ///
    /// # Errors
    /// As [`BatchWriter::finish`].
    pub async fn send(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let capacity = piece.capacity();
        self.hand_over(Piece::Rows(piece)).await?;
        Ok(self.emptied.try_recv().unwrap_or_else(|_| Vec::with_capacity(capacity)))
    }

    async fn hand_over(&mut self, piece: Piece) -> Result<(), StoreError> {
        if self.pieces.send(piece).await.is_ok() {
            return Ok(());
        }
        Err(match (&mut self.carrier).await {
            Ok(Err(error)) => bad_row(error),
            _ => StoreError::Interrupted("copy input rows"),
        })
    }

    /// Record the batch and its rejects, and commit them with its rows.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] with Postgres's own place and reason, when a value does not fit its column; nothing of the
    /// batch stays then.
    pub async fn finish(self, closing: &Closing<'_>) -> Result<Batch, StoreError> {
        let Self { id, after, dataset, table, origin, mode, from, key, pieces, carrier, .. } = self;
        drop(pieces);
        let mut transaction = match carrier.await {
            Ok(carried) => carried.map_err(bad_row)?,
            Err(_) => return Err(StoreError::Interrupted("copy input rows")),
        };
        let what = "record an input batch";
        sqlx::query(
            "INSERT INTO control.batches (id, dataset, origin, mode, rows, rejected, received_from, idempotency_key, \
             after_position, up_to_position) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce(pg_sequence_last_value(\
             pg_get_serial_sequence(format('input.%I', $10::text), '_position')::regclass), 0))",
        )
        .bind(id)
        .bind(&dataset)
        .bind(&origin)
        .bind(mode.word())
        .bind(i64::try_from(closing.rows).unwrap_or(i64::MAX))
        .bind(i64::try_from(closing.rejected).unwrap_or(i64::MAX))
        .bind(&from)
        .bind(&key)
        .bind(after)
        .bind(&table)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
        close_batch(&mut transaction, id).await?;
        write_rejects(&mut transaction, id, &dataset, &origin, false, closing.rejects).await?;
        if let Some((port, state)) = closing.source {
            crate::sources::write_state(&mut transaction, port, id, state).await?;
        }
        transaction.commit().await.map_err(StoreError::on(what))?;
        Ok(Batch { id, rows: closing.rows, rejected: closing.rejected, repeated: false })
    }

    /// Leave nothing of the batch but what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError::Database`] when even that cannot be kept.
    pub async fn refuse(self, rejects: &[Reject]) -> Result<(), StoreError> {
        let Self { store, id, dataset, origin, pieces, carrier, .. } = self;
        drop(pieces);
        // whatever it says, its transaction ends here, before the next one begins
        if let Ok(Ok(transaction)) = carrier.await {
            transaction.rollback().await.map_err(StoreError::on("refuse an input batch"))?;
        }
        let what = "record bad rows";
        let mut transaction = store.control().begin().await.map_err(StoreError::on(what))?;
        close_batch(&mut transaction, id).await?;
        write_rejects(&mut transaction, id, &dataset, &origin, true, rejects).await?;
        transaction.commit().await.map_err(StoreError::on(what))
    }
}

/// Errors about the data are the sender's and may be shown, with the row counted from the start of those with the same columns; the others
/// stay ours.
fn bad_row(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(inner) = &error else { return StoreError::database("copy input rows", error) };
    if !inner.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) {
        return StoreError::database("copy input rows", error);
    }
    let context = inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|e| e.r#where());
    let (row, column) = context.and_then(copy_place).map_or((None, None), |(line, column)| (Some(line), column));
    StoreError::BadRow { row, column: column.map(str::to_owned), reason: inner.message().to_owned() }
}

/// `COPY t, line 3, column c: "x"` → 3 and `c`.
fn copy_place(context: &str) -> Option<(u64, Option<&str>)> {
    let (_, rest) = context.split_once(", line ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let column = rest[digits..].strip_prefix(", column ").and_then(|c| c.split(':').next());
    Some((rest[..digits].parse().ok()?, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_bad_values_are_read() {
        assert_eq!(copy_place("COPY t, line 3, column c: \"x\""), Some((3, Some("c"))));
        assert_eq!(copy_place("COPY t, line 12: \"x\""), Some((12, None)));
        assert_eq!(copy_place("SQL statement"), None);
    }
}
