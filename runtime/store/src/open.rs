//! Open batches: turns a batch that is about to be written into a record that others see while its rows can't be seen yet.
//!
//! A batch may be written for minutes. Its rows have positions among those of others which are committed long before, so
//! whoever notes how far an input has come notes also which batches are not in yet, and goes on: see
//! [`crate::Store::input_state`].

use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row as _};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The first half of the advisory lock that the writer of a batch holds; the other is the batch's slot.
pub(crate) const WRITING: i32 = 0x7465_7272;
/// What is left of a writer that is gone is removed after so many seconds: one that has just begun has no lock yet.
const LEFT: f64 = 60.0;
const WHAT: &str = "open an input batch";

/// A batch whose rows are not all committed, or not all up to the position that was noted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpenBatch {
    /// Its id, which each of its rows has.
    pub batch: Uuid,
    /// All of its rows have higher positions.
    pub after: i64,
}

/// The last position that was given out in a table of the input layer (`$1`).
pub(crate) const LAST_POSITION: &str = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(format('input.%I', \
                                        $1::text), '_position')::regclass), 0)";

impl Store {
    /// Put a batch of `table` on record, for all to see, before it is begun.
    pub(crate) async fn announce_batch(&self, batch: Uuid, table: &str) -> Result<(i32, i64), StoreError> {
        sqlx::query_as(
            "INSERT INTO control.open_batches (batch, table_name, position) VALUES ($2, $1, (SELECT coalesce(\
             pg_sequence_last_value(pg_get_serial_sequence(format('input.%I', $1::text), '_position')::regclass), 0))) \
             RETURNING slot, position",
        )
        .bind(table)
        .bind(batch)
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on(WHAT))
    }

    /// Which of `batches` are being written, or have been in the meantime: not those whose writers are gone, or have
    /// written nothing yet. What writers left that are gone for a while is removed.
    pub(crate) async fn still_written(&self, batches: Vec<OpenBatch>) -> Result<Vec<OpenBatch>, StoreError> {
        if batches.is_empty() {
            return Ok(batches);
        }
        let what = "look which batches are being written";
        let ids: Vec<Uuid> = batches.iter().map(|open| open.batch).collect();
        let locked: BTreeSet<i64> = sqlx::query_scalar(
            "SELECT objid::bigint FROM pg_locks WHERE granted AND locktype = 'advisory' AND objsubid = 2 AND classid = \
             $1::bigint::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(i64::from(WRITING))
        .fetch_all(self.owner())
        .await
        .map_err(StoreError::on(what))?
        .into_iter()
        .collect();
        // read after the locks: one that was committed since is not here any more, and was written when it was noted
        let left = sqlx::query("SELECT batch, slot FROM control.open_batches WHERE batch = ANY($1)")
            .bind(ids)
            .fetch_all(self.owner())
            .await
            .map_err(StoreError::on(what))?;
        let gone: BTreeSet<Uuid> = left
            .iter()
            .filter(|row| !locked.contains(&i64::from(row.get::<i32, _>("slot"))))
            .map(|row| row.get("batch"))
            .collect();
        if !gone.is_empty() {
            sqlx::query(
                "DELETE FROM control.open_batches WHERE batch = ANY($1) AND opened_at < clock_timestamp() - \
                 make_interval(secs => $2) AND pg_try_advisory_xact_lock($3, slot)",
            )
            .bind(gone.iter().copied().collect::<Vec<_>>())
            .bind(LEFT)
            .bind(WRITING)
            .execute(self.owner())
            .await
            .map_err(StoreError::on("remove what writers left that are gone"))?;
        }
        Ok(batches.into_iter().filter(|open| !gone.contains(&open.batch)).collect())
    }
}

/// Hold the lock of the batch's slot until the transaction of `connection` ends.
pub(crate) async fn begin_writing(connection: &mut PgConnection, batch: Uuid, slot: i32) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind(WRITING)
        .bind(slot)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::on(WHAT))?;
    // who was asleep so long between these two was taken for gone
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM control.open_batches WHERE batch = $1)")
        .bind(batch)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::on(WHAT))?;
    if is_there { Ok(()) } else { Err(StoreError::Interrupted(WHAT)) }
}

/// The batch is not open any more, as soon as the transaction of `connection` is committed.
pub(crate) async fn close_batch(connection: &mut PgConnection, batch: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM control.open_batches WHERE batch = $1")
        .bind(batch)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on("close an input batch"))
}
