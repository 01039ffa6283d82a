//! Runs: turns what a pipeline does into its history: runs, their steps, and what their checks found.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection as _, FromRow, Row as _};
use uuid::Uuid;

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunTrigger {
    /// The product folder changed, or nothing was published yet.
    Start,
    /// Somebody asked for it.
    Manual,
    /// Its time had come.
    Schedule,
    /// A product it reads from published.
    Upstream,
    /// Events came in.
    Stream,
}

impl RunTrigger {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Upstream => "upstream",
            Self::Stream => "stream",
        }
    }
}

/// Where a run or step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped on demand.
    Cancelled,
}

impl RunState {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Get an input port's data.
    Pull,
    /// Build a model's table.
    Model,
    /// Check a dataset against its contract.
    Check,
    /// Make the new version the current one.
    Publish,
}

impl StepKind {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Model => "model",
            Self::Check => "check",
            Self::Publish => "publish",
        }
    }
}

/// One run of the pipeline.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Run {
    /// Id.
    pub id: Uuid,
    /// `start`, `manual`, `schedule` or `upstream`.
    pub trigger: String,
    /// Subject of who asked for it.
    pub requested_by: Option<String>,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End.
    pub ended_at: Option<DateTime<Utc>>,
    /// The version it published.
    pub version: Option<i64>,
    /// Code of its failure.
    pub error_code: Option<String>,
    /// What failed, for those who may see runs.
    pub error: Option<String>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Step {
    /// Its run.
    pub run_id: Uuid,
    /// Place in the run, from 0.
    pub position: i32,
    /// `pull`, `model`, `check` or `publish`.
    pub kind: String,
    /// Port, model or dataset.
    pub name: String,
    /// `running`, `succeeded` or `failed`.
    pub state: String,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End.
    pub ended_at: Option<DateTime<Utc>>,
    /// Rows it made or looked at.
    pub rows: Option<i64>,
    /// More, in words.
    pub detail: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct QualityResult {
    /// The run that checked.
    pub run_id: Uuid,
    /// Rule id.
    pub rule: String,
    /// Dataset.
    pub dataset: String,
    /// Field, for rules on one.
    pub field: Option<String>,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// ODCS dimension.
    pub dimension: Option<String>,
    /// `passed` or `failed`.
    pub status: String,
    /// What was expected, e.g. `= 0`.
    pub expected: String,
    /// What was measured.
    pub measured: String,
    /// Keys of a few rows that failed.
    pub sample: Value,
}

/// Runs whose process is gone would block every later one: a run holds a session lock as long as it lives, so one that
/// is `running` without its lock held was interrupted.
pub async fn close_interrupted(store: &Store) -> Result<(), StoreError> {
    let mut connection = store.control().acquire().await.map_err(StoreError::on("look for interrupted runs"))?;
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(RUN_LOCK)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::on("look for interrupted runs"))?;
    if !locked {
        return Ok(());
    }
    let closed = sqlx::query(
        "WITH closed AS (UPDATE control.runs SET state = 'failed', ended_at = clock_timestamp(), error_code = \
         'INTERRUPTED', error = 'the process ended before the run did; nothing of it was published' WHERE state = \
         'running' RETURNING id) UPDATE control.steps SET state = 'failed', ended_at = clock_timestamp() FROM closed \
         WHERE run_id = closed.id AND steps.state = 'running'",
    )
    .execute(&mut *connection)
    .await;
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(RUN_LOCK)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::on("look for interrupted runs"))?;
    closed.map(|_| ()).map_err(StoreError::on("close interrupted runs"))
}

/// The advisory lock that a run holds in its database (which is the product's own).
pub(crate) const RUN_LOCK: i64 = 0x7465_7272_616e_6501;

/// A run under way: holds the product's run lock until dropped or ended.
#[derive(Debug)]
pub struct RunRecord {
    store: Store,
    /// Its id.
    pub id: Uuid,
    lock: sqlx::pool::PoolConnection<sqlx::Postgres>,
    position: i32,
    checks: i32,
}

impl Store {
    /// Start a run's record.
    ///
    /// # Errors
    /// [`StoreError::RunInProgress`] when another one holds the lock.
    pub async fn start_run(&self, trigger: RunTrigger, by: Option<&str>) -> Result<RunRecord, StoreError> {
        let what = "start a run";
        let mut lock = self.control().acquire().await.map_err(StoreError::on(what))?;
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(RUN_LOCK)
            .fetch_one(&mut *lock)
            .await
            .map_err(StoreError::on(what))?;
        if !free {
            return Err(StoreError::RunInProgress(self.product().to_owned()));
        }
        let id = Uuid::now_v7();
        let inserted =
            sqlx::query("INSERT INTO control.runs (id, trigger, requested_by, state) VALUES ($1, $2, $3, 'running')")
                .bind(id)
                .bind(trigger.word())
                .bind(by)
                .execute(&mut *lock)
                .await;
        if let Err(error) = inserted {
            // the lock must not outlive this call on a pooled connection
            lock.close_on_drop();
            return Err(StoreError::database(what, error));
        }
        Ok(RunRecord { store: self.clone(), id, lock, position: 0, checks: 0 })
    }

    /// The newest runs.
    pub async fn runs(&self, limit: i64) -> Result<Vec<Run>, StoreError> {
        sqlx::query_as("SELECT * FROM control.runs ORDER BY started_at DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read runs"))
    }

    /// One run.
    pub async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        sqlx::query_as("SELECT * FROM control.runs WHERE id = $1")
            .bind(id)
            .fetch_optional(self.control())
            .await
            .map_err(StoreError::on("read a run"))
    }

    /// The steps of several runs, in order.
    pub async fn steps(&self, runs: &[Uuid]) -> Result<Vec<Step>, StoreError> {
        sqlx::query_as("SELECT * FROM control.steps WHERE run_id = ANY($1) ORDER BY run_id, position")
            .bind(runs)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read steps"))
    }

    /// What the checks of a run found; of the newest run that checked anything where `run` is none.
    pub async fn quality_results(&self, run: Option<Uuid>) -> Result<Vec<QualityResult>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM control.quality_results WHERE run_id = coalesce($1, (SELECT q.run_id FROM \
             control.quality_results q JOIN control.runs r ON r.id = q.run_id ORDER BY r.started_at DESC LIMIT 1)) \
             ORDER BY position",
        )
        .bind(run)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read quality results"))
    }
}

impl RunRecord {
    /// Note that a step begins; returns its position.
    pub async fn begin_step(&mut self, kind: StepKind, name: &str) -> Result<i32, StoreError> {
        let position = self.position;
        self.position += 1;
        sqlx::query(
            "INSERT INTO control.steps (run_id, position, kind, name, state) VALUES ($1, $2, $3, $4, 'running')",
        )
        .bind(self.id)
        .bind(position)
        .bind(kind.word())
        .bind(name)
        .execute(self.store.control())
        .await
        .map_err(StoreError::on("record a step"))?;
        Ok(position)
    }

    /// Note how a step ended.
    pub async fn end_step(
        &mut self,
        position: i32,
        state: RunState,
        rows: Option<u64>,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE control.steps SET state = $3, ended_at = clock_timestamp(), rows = $4, detail = $5 WHERE run_id = \
             $1 AND position = $2",
        )
        .bind(self.id)
        .bind(position)
        .bind(state.word())
        .bind(rows.map(|r| i64::try_from(r).unwrap_or(i64::MAX)))
        .bind(detail)
        .execute(self.store.control())
        .await
        .map_err(StoreError::on("record a step"))?;
        Ok(())
    }

    /// Keep what a check found.
    pub async fn record_check(&mut self, result: &QualityResult) -> Result<(), StoreError> {
        let position = self.checks;
        self.checks += 1;
        sqlx::query("INSERT INTO control.quality_results VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(self.id)
            .bind(position)
            .bind(&result.rule)
            .bind(&result.dataset)
            .bind(&result.field)
            .bind(&result.severity)
            .bind(&result.dimension)
            .bind(&result.status)
            .bind(&result.expected)
            .bind(&result.measured)
            .bind(&result.sample)
            .execute(self.store.control())
            .await
            .map_err(StoreError::on("record a check"))?;
        Ok(())
    }

    /// Close the record of a run that published nothing, and release the lock.
    pub async fn fail(self, state: RunState, code: &str, error: &str) -> Result<Run, StoreError> {
        self.end(state, Some((code, error))).await
    }

    /// Close the record of a run that published: its row got its version in the publishing transaction.
    pub async fn succeed(self) -> Result<Run, StoreError> {
        self.end(RunState::Succeeded, None).await
    }

    /// Leave the record as the end of the process would: `running`, with its lock gone.
    pub async fn abandon(self) {
        // an error only means that the connection is closed already
        let _ = self.lock.detach().close().await;
    }

    async fn end(mut self, state: RunState, error: Option<(&str, &str)>) -> Result<Run, StoreError> {
        let run = sqlx::query_as(
            "UPDATE control.runs SET state = $2, ended_at = clock_timestamp(), error_code = $3, error = $4 WHERE id = \
             $1 RETURNING *",
        )
        .bind(self.id)
        .bind(state.word())
        .bind(error.map(|(code, _)| code))
        .bind(error.map(|(_, text)| text))
        .fetch_one(&mut *self.lock)
        .await
        .map_err(StoreError::on("close a run"));
        let released = sqlx::query("SELECT pg_advisory_unlock($1) AS released")
            .bind(RUN_LOCK)
            .fetch_one(&mut *self.lock)
            .await
            .is_ok_and(|row| row.get("released"));
        if !released {
            self.lock.close_on_drop();
        }
        run
    }
}
