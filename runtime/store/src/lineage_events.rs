//! Lineage events: turns events of runs into records that are shown, and sent on in order, each at least once.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, Transaction};
use uuid::Uuid;

/// Events that are kept; earlier ones are dropped, sent or not.
const KEPT: i64 = 10_000;

/// A kept event.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct LineageEvent {
    /// Place among all.
    pub position: i64,
    /// The run that it is about.
    pub run_id: Uuid,
    /// `START`, `COMPLETE`, `FAIL` or `ABORT`.
    pub event_type: String,
    /// The event (OpenLineage 2-0-2).
    pub event: Value,
    /// When it was kept.
    pub at: DateTime<Utc>,
    /// When somebody took it.
    pub sent_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Keep an event; one of a run and type that is kept already is not kept twice.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn keep_lineage_event(&self, run: Uuid, event_type: &str, event: &Value) -> Result<(), StoreError> {
        let what = "keep a lineage event";
        sqlx::query(
            "INSERT INTO control.lineage_events (run_id, event_type, event) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(run)
        .bind(event_type)
        .bind(event)
        .execute(self.control())
        .await
        .map_err(StoreError::on(what))?;
        sqlx::query(
            "DELETE FROM control.lineage_events WHERE position <= (SELECT max(position) FROM control.lineage_events) - $1",
        )
        .bind(KEPT)
        .execute(self.control())
        .await
        .map(|_| ())
        .map_err(StoreError::on(what))
    }

    /// The newest events, of one run or of all.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn lineage_events(&self, run: Option<Uuid>, limit: i64) -> Result<Vec<LineageEvent>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM control.lineage_events WHERE run_id = coalesce($1, run_id) ORDER BY position DESC LIMIT $2",
        )
        .bind(run)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read lineage events"))
    }

    /// The oldest event that nobody has taken yet. Of several processes one gets it, until it has said what became of it,
    /// so that events stay in order.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn next_lineage_event(&self) -> Result<Option<Sending>, StoreError> {
        let what = "look for lineage events to send";
        let mut transaction = self.control().begin().await.map_err(StoreError::on(what))?;
        let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended('terrane lineage', 0))")
            .fetch_one(&mut *transaction)
            .await
            .map_err(StoreError::on(what))?;
        if !mine {
            return Ok(None);
        }
        let next =
            sqlx::query_as("SELECT * FROM control.lineage_events WHERE sent_at IS NULL ORDER BY position LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::on(what))?;
        Ok(next.map(|event| Sending { transaction, event }))
    }

    /// The database as OpenLineage names it: `postgres://HOST:PORT` and the database's name.
    pub fn lineage_namespace(&self) -> (String, String) {
        let login = self.login();
        let namespace = format!("postgres://{}:{}", login.get_host(), login.get_port());
        (namespace, login.get_database().unwrap_or_default().to_owned())
    }
}

/// An event that this process may send. Dropped, it stays the next one.
#[derive(Debug)]
pub struct Sending {
    transaction: Transaction<'static, Postgres>,
    /// What to send.
    pub event: LineageEvent,
}

impl Sending {
    /// Note that somebody has taken it.
    ///
    /// # Errors
    /// [`StoreError::Database`]; it is sent again then.
    pub async fn taken(mut self) -> Result<(), StoreError> {
        let what = "note that a lineage event was taken";
        sqlx::query("UPDATE control.lineage_events SET sent_at = clock_timestamp() WHERE position = $1")
            .bind(self.event.position)
            .execute(&mut *self.transaction)
            .await
            .map_err(StoreError::on(what))?;
        self.transaction.commit().await.map_err(StoreError::on(what))
    }
}
