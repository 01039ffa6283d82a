//! Sources: turns how far an input port's source has been read into a record that is kept with the rows.

use crate::{Store, StoreError};
use serde_json::Value;
use sqlx::{Postgres, Transaction};
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
