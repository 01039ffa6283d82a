//! Sources: turns how far an input port's source has been read into a record that is kept with the rows, and what is on record
//! of pulls and batches into what is known of a source.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, Transaction};
use uuid::Uuid;

/// Keep `state` with the batch that the transaction makes count.
pub(crate) async fn write_state(
    transaction: &mut Transaction<'_, Postgres>,
    port: &str,
    batch: Uuid,
    state: &Value,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO control.sources (port, batch, state) VALUES ($1, $2, $3) ON CONFLICT (port) DO UPDATE SET batch = \
         excluded.batch, state = excluded.state, updated_at = transaction_timestamp()",
    )
    .bind(port)
    .bind(batch)
    .bind(state)
    .execute(&mut **transaction)
    .await
    .map(|_| ())
    .map_err(StoreError::on("record how far a source was read"))
}

impl Store {
    /// How far the source of `port` has been read into `dataset`; none where it has to be read from its start: it never
    /// was, the contract was another one then, or its rows are gone, because somebody else has replaced them since.
    /// `alone`: they must be the only ones.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn source_position(
        &self,
        port: &str,
        dataset: &str,
        contract: &str,
        alone: bool,
    ) -> Result<Option<Value>, StoreError> {
        let position: Option<Option<Value>> = sqlx::query_scalar(
            "SELECT s.state -> 'position' FROM control.sources s JOIN control.batches b ON b.id = s.batch WHERE s.port = $1 \
             AND b.dataset = $2 AND s.state ->> 'contract' = $3 AND NOT EXISTS (SELECT FROM control.batches later WHERE \
             later.dataset = $2 AND later.id <> b.id AND later.received_at >= b.received_at AND ($4 OR later.mode = \
             'replace'))",
        )
        .bind(port)
        .bind(dataset)
        .bind(contract)
        .bind(alone)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("read how far a source was read"))?;
        Ok(position.flatten())
    }
}

/// Where the pulls of an input port have got to.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct SourceRecord {
    /// The port.
    pub port: String,
    /// What is remembered of the source: `position`, by its connector.
    pub state: Value,
    /// Since when it stands there.
    pub updated_at: DateTime<Utc>,
}

/// The newest pull of an input port.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct PullRecord {
    /// The port.
    pub port: String,
    /// Its run.
    pub run_id: Uuid,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Rows that came in.
    pub rows: Option<i64>,
    /// Bytes that were read.
    pub bytes: Option<i64>,
    /// What is worth telling of it.
    pub detail: Option<String>,
}

/// How a source differed from the contract when rows were taken from it last.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct DriftRecord {
    /// The port.
    pub port: String,
    /// The run that noticed.
    pub run_id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// In words, without values.
    pub found: String,
}

/// A batch of an input dataset, on record.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct BatchRecord {
    /// Its id.
    pub id: Uuid,
    /// Its dataset.
    pub dataset: String,
    /// Where it came from.
    pub origin: String,
    /// `replace` or `append`.
    pub mode: String,
    /// Rows in it.
    pub rows: i64,
    /// Rows that were set aside.
    pub rejected: i64,
    /// When.
    pub received_at: DateTime<Utc>,
    /// Who sent it.
    pub received_from: Option<String>,
}

impl Store {
    /// Where the pulls of all input ports have got to.
    ///
    /// # Errors
    /// [`StoreError::Database`], as of all below.
    pub async fn source_records(&self) -> Result<Vec<SourceRecord>, StoreError> {
        sqlx::query_as("SELECT port, state, updated_at FROM control.sources ORDER BY port")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read how far sources were read"))
    }

    /// The newest pull of each input port.
    pub async fn newest_pulls(&self) -> Result<Vec<PullRecord>, StoreError> {
        sqlx::query_as(
            "SELECT DISTINCT ON (name) name AS port, run_id, state, started_at, ended_at, rows, bytes, detail FROM \
             control.steps WHERE kind = 'pull' ORDER BY name, started_at DESC",
        )
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the newest pulls"))
    }

    /// The differences that hold: of each port, those that were noticed when rows were taken last. `rule` and the port's name
    /// are the name of the check.
    pub async fn drift(&self, rule: &str) -> Result<Vec<DriftRecord>, StoreError> {
        sqlx::query_as(
            "WITH taken AS (SELECT DISTINCT ON (name) name, run_id, started_at FROM control.steps WHERE kind = 'pull' AND \
             state = 'succeeded' AND rows > 0 ORDER BY name, started_at DESC) SELECT t.name AS port, t.run_id, t.started_at \
             AS at, q.measured AS found FROM taken t JOIN control.quality_results q ON q.run_id = t.run_id AND q.rule = $1 || \
             '-' || t.name",
        )
        .bind(rule)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read how sources differ"))
    }

    /// The newest batches of an input dataset.
    pub async fn newest_batches(&self, dataset: &str, limit: i64) -> Result<Vec<BatchRecord>, StoreError> {
        sqlx::query_as(
            "SELECT id, dataset, origin, mode, rows, rejected, received_at, received_from FROM control.batches WHERE \
             dataset = $1 ORDER BY received_at DESC, id DESC LIMIT $2",
        )
        .bind(dataset)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the newest batches"))
    }

    /// How many batches are being written now, by table of the input layer.
    pub async fn batches_being_written(&self) -> Result<Vec<(String, i64)>, StoreError> {
        sqlx::query_as("SELECT table_name, count(*) FROM control.open_batches GROUP BY table_name")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("count open batches"))
    }
}
