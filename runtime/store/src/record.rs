//! Records: turns what a run under way does into its steps, results, log and end.

use crate::lease::{Heartbeat, name, name_of};
use crate::quality::bind_result;
use crate::run_lock::RunLock;
use crate::runs::{QualityResult, Run, RunState, StepKind};
use crate::{Store, StoreError};
use uuid::Uuid;

/// Lines of a run's log; what comes after them is only counted.
const LONGEST_LOG: i32 = 1000;
/// Characters of a line.
const LONGEST_LINE: usize = 2000;

/// A run under way: holds the product's run lock until dropped or ended.
#[derive(Debug)]
pub struct RunRecord {
    store: Store,
    /// Its id.
    pub id: Uuid,
    /// It, as it began.
    pub run: Run,
    holder: Uuid,
    lock: RunLock,
    position: i32,
    checks: i32,
    lines: i32,
}

/// What a step made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepOutcome {
    /// Rows it made or looked at.
    pub rows: Option<u64>,
    /// Bytes of what it made.
    pub bytes: Option<u64>,
    /// More, in words.
    pub detail: Option<String>,
}

/// How urgent a line of a run's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What goes on.
    Info,
    /// What may need somebody.
    Warning,
    /// What ended it.
    Error,
}

impl RunRecord {
    /// Take the run that `lock` was got for: from now on this process's connections to the layers are the run's.
    pub(crate) async fn hold(store: Store, run: Run, holder: Uuid, mut lock: RunLock) -> Result<Self, StoreError> {
        name(&mut lock, &name_of(run.id)).await.map_err(StoreError::on("start a run"))?;
        store.set_running(Some(run.id));
        Ok(Self { store, id: run.id, run, holder, lock, position: 0, checks: 0, lines: 0 })
    }

    /// Say that the run goes on, until what this returns is dropped.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat::start(self.store.clone(), self.id, self.holder)
    }

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
    pub async fn end_step(&mut self, position: i32, state: RunState, outcome: &StepOutcome) -> Result<(), StoreError> {
        let number = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        sqlx::query(
            "UPDATE control.steps SET state = $3, ended_at = clock_timestamp(), rows = $4, detail = $5, bytes = $6 \
             WHERE run_id = $1 AND position = $2",
        )
        .bind(self.id)
        .bind(position)
        .bind(state.word())
        .bind(number(outcome.rows))
        .bind(&outcome.detail)
        .bind(number(outcome.bytes))
        .execute(self.store.control())
        .await
        .map_err(StoreError::on("record a step"))?;
        Ok(())
    }

    /// Write a line into the run's log, which is bounded: what does not fit is not kept.
    pub async fn log(&mut self, level: LogLevel, message: &str) -> Result<(), StoreError> {
        if self.lines >= LONGEST_LOG {
            return Ok(());
        }
        let position = self.lines;
        self.lines += 1;
        let text: String = if self.lines == LONGEST_LOG {
            "the log is full; later lines are not kept".to_owned()
        } else {
            message.chars().take(LONGEST_LINE).collect()
        };
        sqlx::query("INSERT INTO control.run_log (run_id, position, level, message) VALUES ($1, $2, $3, $4)")
            .bind(self.id)
            .bind(position)
            .bind(level.word())
            .bind(text)
            .execute(self.store.control())
            .await
            .map_err(StoreError::on("write a run's log"))?;
        Ok(())
    }

    /// Keep what a check found.
    pub async fn record_check(&mut self, result: &QualityResult) -> Result<(), StoreError> {
        let position = self.checks;
        self.checks += 1;
        let insert =
            sqlx::query("INSERT INTO control.quality_results VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
        bind_result(insert.bind(self.id).bind(position), result)
            .execute(self.store.control())
            .await
            .map_err(StoreError::on("record a check"))?;
        Ok(())
    }

    /// Close the record of a run that published nothing, and release the lock. Where it has published in the moment in
    /// which it was stopped, it has succeeded.
    pub async fn fail(self, state: RunState, code: &str, error: &str) -> Result<Run, StoreError> {
        self.end(state, Some((code, error))).await
    }

    /// Close the record of a run that published: its row got its version in the publishing transaction.
    pub async fn succeed(self) -> Result<Run, StoreError> {
        self.end(RunState::Succeeded, None).await
    }

    /// Leave the record as the end of the process would: `running`, with its lock gone.
    pub async fn abandon(mut self) {
        self.store.set_running(None);
        self.let_go().await;
    }

    /// End the statements of a run that is being stopped, so that its tables are free.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn end_statements(&mut self) -> Result<(), StoreError> {
        let own = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *self.lock).await;
        self.store.end_connections(self.id, own.map_err(StoreError::on("look up a connection's id"))?).await
    }

    async fn let_go(&mut self) {
        // a connection that keeps the name of a run ends with it
        if name(&mut self.lock, &format!("terrane {}", self.store.product())).await.is_ok() {
            self.lock.release().await;
        }
    }

    async fn end(mut self, state: RunState, error: Option<(&str, &str)>) -> Result<Run, StoreError> {
        let what = "close a run";
        self.store.set_running(None);
        let ended: Result<Option<Run>, _> = sqlx::query_as(
            "WITH ended AS (UPDATE control.runs SET state = CASE WHEN version IS NULL THEN $2 ELSE 'succeeded' END, \
             ended_at = clock_timestamp(), error_code = CASE WHEN version IS NULL THEN $3 END, error = CASE WHEN \
             version IS NULL THEN $4 END WHERE id = $1 AND holder = $5 AND state = 'running' RETURNING *), steps AS \
             (UPDATE control.steps SET state = ended.state, ended_at = clock_timestamp() FROM ended WHERE run_id = \
             ended.id AND steps.state = 'running') SELECT * FROM ended",
        )
        .bind(self.id)
        .bind(state.word())
        .bind(error.map(|(code, _)| code))
        .bind(error.map(|(_, text)| text))
        .bind(self.holder)
        .fetch_optional(&mut *self.lock)
        .await;
        self.let_go().await;
        match ended.map_err(StoreError::on(what))? {
            Some(run) => Ok(run),
            // another process took it for dead, and closed it
            None => self.store.run(self.id).await?.ok_or(StoreError::NoSuchRun(self.id)),
        }
    }
}

impl LogLevel {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
