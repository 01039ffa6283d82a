//! Runs: turns what a pipeline does into its history: runs, their steps, and what their checks found.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use std::time::Duration;
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
    /// Waits for its turn.
    Queued,
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
            Self::Queued => "queued",
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
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// Start; while it is queued, when it was asked for.
    pub started_at: DateTime<Utc>,
    /// End.
    pub ended_at: Option<DateTime<Utc>>,
    /// The version it published.
    pub version: Option<i64>,
    /// Code of its failure.
    pub error_code: Option<String>,
    /// What failed, for those who may see runs.
    pub error: Option<String>,
    /// Whether it pulls the inputs first.
    pub pull: bool,
    /// Which attempt it is, from 1.
    pub attempt: i32,
    /// The run that it tries again.
    pub retry_of: Option<Uuid>,
    /// When it was asked for, where it had to wait.
    pub queued_at: Option<DateTime<Utc>>,
    /// Before this it does not begin.
    pub due_at: Option<DateTime<Utc>>,
    /// Who asked to cancel it.
    pub cancelled_by: Option<String>,
    /// The one input port that it pulls; none: it pulls all, where it pulls.
    pub only_port: Option<String>,
}

impl Run {
    /// Whether it will not change any more.
    pub fn has_ended(&self) -> bool {
        self.state != "queued" && self.state != "running"
    }
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
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End.
    pub ended_at: Option<DateTime<Utc>>,
    /// Rows it made or looked at.
    pub rows: Option<i64>,
    /// Bytes of what it made, on disk.
    pub bytes: Option<i64>,
    /// More, in words.
    pub detail: Option<String>,
}

/// One line of what a run says while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LogLine {
    /// Place in the log, from 0.
    pub position: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// What it said.
    pub message: String,
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

impl Store {
    /// The newest runs.
    pub async fn runs(&self, limit: i64) -> Result<Vec<Run>, StoreError> {
        sqlx::query_as("SELECT * FROM control.runs ORDER BY started_at DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read runs"))
    }

    /// When the last run began that pulled all its inputs and succeeded.
    pub async fn last_success(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        sqlx::query_scalar(
            "SELECT max(started_at) FROM control.runs WHERE state = 'succeeded' AND pull AND only_port IS NULL",
        )
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("read when the last run was"))
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

    /// What a run said, from place `after` on (from the start where it is none), at most `limit` lines.
    pub async fn run_log(&self, run: Uuid, after: Option<i32>, limit: i64) -> Result<Vec<LogLine>, StoreError> {
        sqlx::query_as(
            "SELECT position, at, level, message FROM control.run_log WHERE run_id = $1 AND position > $2 ORDER BY \
             position LIMIT $3",
        )
        .bind(run)
        .bind(after.unwrap_or(-1))
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read a run's log"))
    }

    /// Remove at most `count` records of runs that ended longer ago than `age`. Those that published a version stay, and the
    /// attempts before one that stays. How many were removed.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn prune_runs(&self, age: Duration, count: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query(
            "DELETE FROM control.runs WHERE id IN (SELECT id FROM control.runs AS run WHERE ended_at < clock_timestamp() - \
             make_interval(secs => $1) AND NOT EXISTS (SELECT FROM control.versions WHERE run_id = run.id) AND NOT EXISTS \
             (SELECT FROM control.runs AS later WHERE later.retry_of = run.id) ORDER BY ended_at LIMIT $2)",
        )
        .bind(age.as_secs_f64())
        .bind(count)
        .execute(self.owner())
        .await
        .map_err(StoreError::on("remove records of runs"))?;
        Ok(removed.rows_affected())
    }
}
