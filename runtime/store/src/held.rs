//! Held events: turns what keeps stored events from being published into one record, for all processes of the product.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::time::Duration;
use uuid::Uuid;

/// Why stored events are not published now.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct HeldEvents {
    /// Since when.
    pub since: DateTime<Utc>,
    /// The run that says more: its checks, its cause.
    pub run_id: Option<Uuid>,
    /// What refused them: the same as long as the same rules are broken.
    pub cause: String,
    /// What the outcome depended on besides the events, when it was tried last.
    pub circumstances: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Seconds until it is tried again, where nothing changes before.
    due_in: f64,
}

impl HeldEvents {
    /// How long it is until events are tried again that nothing else has changed for; zero where the time has come.
    pub fn due_in(&self) -> Duration {
        Duration::try_from_secs_f64(self.due_in).unwrap_or_default()
    }
}

impl Store {
    /// Why stored events are not published; none where nothing keeps them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn events_held(&self) -> Result<Option<HeldEvents>, StoreError> {
        sqlx::query_as(
            "SELECT since, run_id, cause, circumstances, attempts, greatest(0, extract(epoch FROM due_at - \
             clock_timestamp()))::float8 AS due_in FROM control.events_held",
        )
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("read why events are held"))
    }

    /// What decides besides new events whether stored ones can be published: what was put in, which input rows went or were
    /// changed, which version is current. The same words as long as all of that is the same.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn circumstances(&self) -> Result<String, StoreError> {
        sqlx::query_scalar(
            "SELECT format('models %s, rules %s, version %s, inputs %s', (SELECT max(position) FROM control.put_models), \
             (SELECT max(position) FROM control.put_rules), (SELECT version FROM control.versions WHERE state = \
             'current'), (SELECT string_agg(table_name || ' ' || generation, ', ' ORDER BY table_name) FROM \
             control.input_generations))",
        )
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("look what has changed"))
    }

    /// Note that events were refused for `cause` under `circumstances`, and are tried again after `delay`. `run` is on
    /// record as the one that says more; without one, the run that is on record stays.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn hold_events(
        &self,
        run: Option<Uuid>,
        cause: &str,
        circumstances: &str,
        delay: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO control.events_held AS h (run_id, cause, circumstances, due_at) VALUES ($1, $2, $3, \
             clock_timestamp() + make_interval(secs => $4)) ON CONFLICT (only_one) DO UPDATE SET run_id = \
             coalesce(excluded.run_id, h.run_id), cause = excluded.cause, circumstances = excluded.circumstances, \
             attempts = h.attempts + 1, due_at = excluded.due_at",
        )
        .bind(run)
        .bind(cause)
        .bind(circumstances)
        .bind(delay.as_secs_f64())
        .execute(self.control())
        .await
        .map(|_| ())
        .map_err(StoreError::on("keep why events are held"))
    }

    /// Events are published again. Whether they were held.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn release_events(&self) -> Result<bool, StoreError> {
        let released = sqlx::query("DELETE FROM control.events_held").execute(self.owner()).await;
        released.map(|done| done.rows_affected() > 0).map_err(StoreError::on("forget why events were held"))
    }
}
