//! Inputs: turns batches of rows into the tables of the input layer, each batch whole or not at all.

use crate::tables::{POSITION, create_table};
use crate::{Role, Store, StoreError};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _, Transaction};
use terrane_manifest::{Dataset, Layer, Model, Product};
use terrane_sql::Sql;
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
    /// Whether it had been taken in before, by its idempotency key, and nothing was changed now.
    pub repeated: bool,
}

/// An open batch: rows go in as Postgres text COPY data, [`BatchWriter::finish`] makes them count.
#[derive(Debug)]
pub struct BatchWriter {
    transaction: Transaction<'static, Postgres>,
    dataset: String,
    statement: String,
    id: Uuid,
    buffer: Vec<u8>,
    rows: u64,
    sent: u64,
    origin: String,
    mode: BatchMode,
    from: Option<String>,
    key: Option<String>,
}

/// Rows are handed to Postgres in pieces of about this many bytes.
const PIECE: usize = 256 * 1024;

/// Make the input tables that are missing, and add the columns that the contract has gained.
pub async fn apply(owner: &PgPool, product: &Product) -> Result<(), StoreError> {
    let pipeline = Role::Pipeline.name_for(&product.id);
    let control = Role::Control.name_for(&product.id);
    for dataset in product.inputs() {
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(format('input.%I', $1::text)) AND \
             attnum > 0 AND NOT attisdropped",
        )
        .bind(&dataset.table)
        .fetch_all(owner)
        .await
        .map_err(StoreError::on("look up input tables"))?;
        let mut sql = Sql::new();
        if columns.is_empty() {
            sql.append(&create_table("input", dataset, true)).push(";\n");
        } else {
            if !columns.iter().any(|column| column == "_position") {
                sql.push("ALTER TABLE ").qualified("input", &dataset.table).push(" ADD COLUMN ").push(POSITION);
                sql.push(";\n");
            }
            for field in dataset.fields.iter().filter(|f| !columns.contains(&f.column)) {
                sql.push("ALTER TABLE ").qualified("input", &dataset.table).push(" ADD COLUMN ").ident(&field.column);
                sql.push(" ").append(&Sql::from_checked_text(field.physical.to_string())).push(";\n");
            }
        }
        sql.push("GRANT SELECT ON ").qualified("input", &dataset.table).push(" TO ").ident(&pipeline).push(";\n");
        sql.push("GRANT SELECT, INSERT, DELETE, TRUNCATE ON ").qualified("input", &dataset.table);
        sql.push(" TO ").ident(&control).push(";\n");
        sql.append(&count_generations(owner, &dataset.table).await?);
        let drives = |model: &&Model| {
            let driver = model.driver.as_ref().map(|driver| &driver.table);
            driver.is_some_and(|table| table.layer == Layer::Input && table.table == dataset.table)
        };
        for driver in product.models.iter().filter(drives).filter_map(|model| model.driver.as_ref()) {
            push_driver_indexes(&mut sql, &dataset.table, &driver.columns);
        }
        let made = owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        made.map_err(StoreError::on("make input tables"))?;
    }
    Ok(())
}

/// New rows are found by their position, and the other rows of their keys by the key.
fn push_driver_indexes(sql: &mut Sql, table: &str, key: &[String]) {
    sql.push("CREATE INDEX IF NOT EXISTS ").ident(&format!("position_of_{table}")).push(" ON ");
    sql.qualified("input", table).push(" (_position);\nCREATE INDEX IF NOT EXISTS ");
    sql.ident(&format!("{}_of_{table}", key.join("_"))).push(" ON ").qualified("input", table).push(" (");
    for (i, column) in key.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).ident(column);
    }
    sql.push(");\n");
}

/// Rows that go or change are counted, whoever does it: what was computed from them cannot be brought up to date by the
/// rows that came. Empty where the table has its trigger already: making one waits for whoever writes.
async fn count_generations(owner: &PgPool, table: &str) -> Result<Sql, StoreError> {
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(format('input.%I', $1::text)) AND tgname = \
         'count_generation')",
    )
    .bind(table)
    .fetch_one(owner)
    .await
    .map_err(StoreError::on("look up triggers of input tables"))?;
    let mut sql = Sql::new();
    if !known {
        sql.push("CREATE TRIGGER count_generation AFTER UPDATE OR DELETE OR TRUNCATE ON ").qualified("input", table);
        sql.push(" FOR EACH STATEMENT EXECUTE FUNCTION control.count_input_generation();\n");
    }
    Ok(sql)
}

impl Store {
    /// Open a batch for `dataset`, with rows of `columns` (ODCS field names' columns) in that order.
    ///
    /// # Errors
    /// [`StoreError::Database`]; `Ok(Err(batch))` where `key` names a batch that was taken in before.
    pub async fn open_batch(
        &self,
        dataset: &Dataset,
        columns: &[&str],
        origin: &str,
        mode: BatchMode,
        from: Option<&str>,
        key: Option<&str>,
    ) -> Result<Result<BatchWriter, Batch>, StoreError> {
        let what = "open an input batch";
        let mut transaction = self.control().begin().await.map_err(StoreError::on(what))?;
        if let Some(key) = key {
            // two posts of one key at once: the second waits here for the first
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 0))")
                .bind(&dataset.name)
                .bind(key)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::on(what))?;
            let known = sqlx::query("SELECT id, rows FROM control.batches WHERE dataset = $1 AND idempotency_key = $2")
                .bind(&dataset.name)
                .bind(key)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::on(what))?;
            if let Some(row) = known {
                let rows: i64 = row.get("rows");
                return Ok(Err(Batch { id: row.get("id"), rows: rows.unsigned_abs(), repeated: true }));
            }
        }
        if mode == BatchMode::Replace {
            let mut sql = Sql::lit("DELETE FROM ");
            sql.qualified("input", &dataset.table);
            let emptied = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
            emptied.map_err(StoreError::on(what))?;
        }
        let mut copy = Sql::lit("COPY ");
        copy.qualified("input", &dataset.table).push(" (");
        for column in columns {
            copy.ident(column).push(", ");
        }
        copy.push("_batch) FROM STDIN");
        Ok(Ok(BatchWriter {
            transaction,
            dataset: dataset.name.clone(),
            statement: copy.into_string(),
            id: Uuid::now_v7(),
            buffer: Vec::with_capacity(PIECE + 4096),
            rows: 0,
            sent: 0,
            origin: origin.to_owned(),
            mode,
            from: from.map(str::to_owned),
            key: key.map(str::to_owned),
        }))
    }
}

impl BatchWriter {
    /// Append one row: a value per column, `None` for NULL, each in Postgres's text form.
    pub fn push_row<'a>(&mut self, values: impl IntoIterator<Item = Option<&'a str>>) {
        for value in values {
            match value {
                None => self.buffer.extend_from_slice(b"\\N"),
                Some(text) => escape_copy(text, &mut self.buffer),
            }
            self.buffer.push(b'\t');
        }
        self.buffer.extend_from_slice(self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        self.buffer.push(b'\n');
        self.rows += 1;
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether enough rows have gathered to be worth sending with [`BatchWriter::send`].
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= PIECE
    }

    /// Hand what has gathered to Postgres.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] with Postgres's own place and reason, when a value does not fit its column.
    pub async fn send(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let before = self.sent;
        let refused = |error| bad_row(error, before);
        let mut copy = self.transaction.copy_in_raw(&self.statement).await.map_err(refused)?;
        copy.send(self.buffer.as_slice()).await.map_err(refused)?;
        copy.finish().await.map_err(refused)?;
        self.buffer.clear();
        self.sent = self.rows;
        Ok(())
    }

    /// Send the rest, record the batch and commit both.
    ///
    /// # Errors
    /// As [`BatchWriter::send`]; nothing of the batch stays then.
    pub async fn finish(mut self) -> Result<Batch, StoreError> {
        self.send().await?;
        let what = "record an input batch";
        sqlx::query(
            "INSERT INTO control.batches (id, dataset, origin, mode, rows, received_from, idempotency_key) VALUES \
             ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.id)
        .bind(&self.dataset)
        .bind(&self.origin)
        .bind(self.mode.word())
        .bind(i64::try_from(self.rows).unwrap_or(i64::MAX))
        .bind(&self.from)
        .bind(&self.key)
        .execute(&mut *self.transaction)
        .await
        .map_err(StoreError::on(what))?;
        self.transaction.commit().await.map_err(StoreError::on(what))?;
        Ok(Batch { id: self.id, rows: self.rows, repeated: false })
    }
}

/// COPY's text format: tab, newline, carriage return and backslash are escaped.
fn escape_copy(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            other => out.push(other),
        }
    }
}

/// Errors about the data are the sender's and may be shown, with the row counted from the batch's start (`before` rows
/// went in earlier pieces); the others stay ours.
fn bad_row(error: sqlx::Error, before: u64) -> StoreError {
    let sqlx::Error::Database(inner) = &error else { return StoreError::database("copy input rows", error) };
    if !inner.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) {
        return StoreError::database("copy input rows", error);
    }
    let context = inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|e| e.r#where());
    let place = context.and_then(copy_place).map(|(line, column)| match column {
        Some(column) => format!("row {}, column `{column}`: ", before + line),
        None => format!("row {}: ", before + line),
    });
    StoreError::BadRow(format!("{}{}", place.unwrap_or_default(), inner.message()))
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
    fn copy_text_cannot_end_a_field_or_row() {
        let mut out = Vec::new();
        escape_copy("a\tb\\N\nc\r", &mut out);
        assert_eq!(out, b"a\\tb\\\\N\\nc\\r");
    }

    #[test]
    fn places_of_bad_values_are_read() {
        assert_eq!(copy_place("COPY t, line 3, column c: \"x\""), Some((3, Some("c"))));
        assert_eq!(copy_place("COPY t, line 12: \"x\""), Some((12, None)));
        assert_eq!(copy_place("SQL statement"), None);
    }
}
