//! Queue: turns requests to run, to try again and to cancel into queued and cancelled runs.

use crate::runs::{Run, RunTrigger};
use crate::{Store, StoreError};
use std::time::Duration;
use uuid::Uuid;

/// The code of an attempt that is not made.
const NOT_NEEDED: &str = "RETRY_NOT_NEEDED";
/// The code of a run that somebody cancelled.
pub const CANCELLED: &str = "RUN_CANCELLED";

/// A run that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRun {
    /// Why.
    pub trigger: RunTrigger,
    /// Subject of who asked.
    pub by: Option<String>,
    /// Whether it pulls the inputs first.
    pub pull: bool,
    /// The one input port that it pulls; none: all of them.
    pub only_port: Option<String>,
}

impl Store {
    /// Put a run into the queue. One that waits already and was asked for by the same trigger serves for both: it has
    /// not begun, so it will see all that is there now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn queue_run(&self, wanted: &WantedRun) -> Result<Run, StoreError> {
        let what = "queue a run";
        let mut transaction = self.control().begin().await.map_err(StoreError::on(what))?;
        // two requests at once must find each other's run
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('terrane queue', 0))")
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::on(what))?;
        let waiting: Option<Run> = sqlx::query_as(
            "SELECT * FROM control.runs WHERE state = 'queued' AND trigger = $1 AND pull = $2 AND only_port IS NOT DISTINCT FROM \
             $3 AND retry_of IS NULL",
        )
        .bind(wanted.trigger.word())
        .bind(wanted.pull)
        .bind(&wanted.only_port)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
        if let Some(run) = waiting {
            return Ok(run);
        }
        let run = sqlx::query_as(
            "INSERT INTO control.runs (id, trigger, requested_by, state, pull, only_port, queued_at, due_at) VALUES ($1, \
             $2, $3, 'queued', $4, $5, clock_timestamp(), clock_timestamp()) RETURNING *",
        )
        .bind(Uuid::now_v7())
        .bind(wanted.trigger.word())
        .bind(&wanted.by)
        .bind(wanted.pull)
        .bind(&wanted.only_port)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
        transaction.commit().await.map_err(StoreError::on(what))?;
        Ok(run)
    }

    /// Queue another attempt of a run that failed, after `delay`. It takes the place of one that waits.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn queue_retry(&self, failed: &Run, delay: Duration) -> Result<Run, StoreError> {
        self.drop_retries("a later run failed, and is tried again in its place").await?;
        sqlx::query_as(
            "INSERT INTO control.runs (id, trigger, requested_by, state, pull, attempt, retry_of, queued_at, due_at) \
             VALUES ($1, $2, $3, 'queued', $4, $5, $6, clock_timestamp(), clock_timestamp() + make_interval(secs => \
             $7)) RETURNING *",
        )
        .bind(Uuid::now_v7())
        .bind(&failed.trigger)
        .bind(&failed.requested_by)
        .bind(failed.pull)
        .bind(failed.attempt + 1)
        .bind(failed.id)
        .bind(delay.as_secs_f64())
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("queue another attempt of a run"))
    }

    /// A run has succeeded: nothing needs to be tried again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn drop_retries(&self, reason: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE control.runs SET state = 'cancelled', ended_at = clock_timestamp(), error_code = $2, error = \
             $1 WHERE state = 'queued' AND retry_of IS NOT NULL",
        )
        .bind(reason)
        .bind(NOT_NEEDED)
        .execute(self.control())
        .await
        .map(|_| ())
        .map_err(StoreError::on("take attempts out of the queue"))
    }

    /// Cancel a run: one that waits is cancelled then, one under way as soon as its process hears of it, which this waits
    /// for no longer than a moment.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`]; [`StoreError::RunEnded`] where there is nothing to cancel.
    pub async fn cancel_run(&self, id: Uuid, by: Option<&str>) -> Result<Run, StoreError> {
        let cancelled: Option<Run> = sqlx::query_as(
            "UPDATE control.runs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), \
             cancelled_by = coalesce(cancelled_by, $2), state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state \
             END, ended_at = CASE state WHEN 'queued' THEN clock_timestamp() END, error_code = CASE state WHEN \
             'queued' THEN $3 END, error = CASE state WHEN 'queued' THEN 'cancelled before it began' END WHERE \
             id = $1 AND state IN ('queued', 'running') RETURNING *",
        )
        .bind(id)
        .bind(by)
        .bind(CANCELLED)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("cancel a run"))?;
        match cancelled {
            Some(run) => Ok(run),
            None => match self.run(id).await? {
                Some(run) => Err(StoreError::RunEnded(run.state)),
                None => Err(StoreError::NoSuchRun(id)),
            },
        }
    }
}
