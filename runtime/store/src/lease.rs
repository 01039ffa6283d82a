//! Leases: turns "this process runs the pipeline now" into a lock and a heartbeat that every other process can judge.
//!
//! A run holds a session lock of the product's database as long as its process lives, and says once a second that it
//! goes on. A run whose lock is free belongs to a process that is gone; one that has said nothing for [`LEASE`] belongs to
//! a process that hangs or cannot reach the database. Either way another process ends what it has open, closes its
//! record, and may begin the next run; the record that was closed is also what keeps the old process from publishing.

use crate::record::RunRecord;
use crate::run_lock::RunLock;
use crate::runs::{Run, RunTrigger};
use crate::{Store, StoreError};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The code of a run whose process ended before it did.
const INTERRUPTED: &str = "RUN_INTERRUPTED";
/// How often a run says that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A run that has said nothing for so long is taken for dead.
pub const LEASE: Duration = Duration::from_secs(6);
/// Whoever publishes a micro-batch has the lock for a moment only: it is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Until the connections of a dead run are gone.
const ENDING: Duration = Duration::from_secs(5);

/// Why a run must stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Somebody cancelled it.
    Cancelled(Option<String>),
    /// Its record is no longer this process's: another one took it for dead.
    Lost,
}

/// What connections of a run are called, so that others can find and end them.
pub(crate) fn name_of(run: Uuid) -> String {
    format!("terrane run {run}")
}

/// Name a connection, so that others can find it.
pub(crate) async fn name(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT set_config('application_name', $1, false)").bind(name).execute(connection).await.map(|_| ())
}

/// Says that a run goes on, until it is dropped.
#[derive(Debug)]
pub struct Heartbeat {
    task: tokio::task::JoinHandle<Stop>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    pub(crate) fn start(store: Store, run: Uuid, holder: Uuid) -> Self {
        Self { task: tokio::spawn(async move { beat(&store, run, holder).await }) }
    }

    /// Returns when the run must stop.
    pub async fn stopped(&mut self) -> Stop {
        // the task ends by itself only, and without a panic
        (&mut self.task).await.unwrap_or(Stop::Lost)
    }
}

async fn beat(store: &Store, run: Uuid, holder: Uuid) -> Stop {
    let mut heard = Instant::now();
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let beat = sqlx::query_as::<_, (bool, Option<String>)>(
            "WITH beat AS (UPDATE control.heartbeats SET at = clock_timestamp() WHERE run_id = $1) SELECT \
             cancel_requested_at IS NOT NULL, cancelled_by FROM control.runs WHERE id = $1 AND holder = $2 AND state = \
             'running'",
        )
        .bind(run)
        .bind(holder)
        .fetch_optional(store.control());
        match tokio::time::timeout(LEASE, beat).await {
            Ok(Ok(Some((true, by)))) => return Stop::Cancelled(by),
            Ok(Ok(Some((false, _)))) => heard = Instant::now(),
            Ok(Ok(None)) => return Stop::Lost,
            // the database may come back; others judge by the same time
            Ok(Err(_)) | Err(_) if heard.elapsed() < LEASE => {}
            Ok(Err(_)) | Err(_) => return Stop::Lost,
        }
    }
}

impl Store {
    /// Begin a run now, in this process.
    ///
    /// # Errors
    /// [`StoreError::RunInProgress`] when one is under way.
    pub async fn start_run(&self, trigger: RunTrigger, by: Option<&str>, pull: bool) -> Result<RunRecord, StoreError> {
        let what = "start a run";
        let Some(mut lock) = self.run_lock().await? else {
            return Err(StoreError::RunInProgress(self.product().to_owned()));
        };
        let (id, holder) = (Uuid::now_v7(), Uuid::new_v4());
        let inserted = sqlx::query_as(
            "WITH run AS (INSERT INTO control.runs (id, trigger, requested_by, state, pull, holder) VALUES ($1, $2, $3, \
             'running', $4, $5) RETURNING *), beat AS (INSERT INTO control.heartbeats (run_id) SELECT id FROM run) \
             SELECT * FROM run",
        )
        .bind(id)
        .bind(trigger.word())
        .bind(by)
        .bind(pull)
        .bind(holder)
        .fetch_one(&mut *lock)
        .await;
        match inserted {
            Ok(run) => RunRecord::hold(self.clone(), run, holder, lock).await,
            // its process is gone, and nobody has closed it yet
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "23505") => {
                Err(StoreError::RunInProgress(self.product().to_owned()))
            }
            Err(error) => Err(StoreError::database(what, error)),
        }
    }

    /// Begin the queued run that has waited longest and is due; none where there is none, or another run is under way, or
    /// other contracts are in force now than this process serves: a process that serves those begins it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn start_queued(&self) -> Result<Option<RunRecord>, StoreError> {
        let what = "start a queued run";
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM control.runs WHERE state = 'queued' AND due_at <= clock_timestamp()) AND NOT \
             EXISTS (SELECT FROM control.runs WHERE state = 'running') AND NOT EXISTS (SELECT FROM metadata.applied WHERE \
             position > $1)",
        )
        .bind(self.contracts())
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on(what))?;
        if !waiting {
            return Ok(None);
        }
        let Some(mut lock) = self.run_lock().await? else { return Ok(None) };
        let holder = Uuid::new_v4();
        let started = sqlx::query_as(
            "WITH run AS (UPDATE control.runs SET state = 'running', started_at = clock_timestamp(), holder = $1 WHERE \
             id = (SELECT id FROM control.runs WHERE state = 'queued' AND due_at <= clock_timestamp() ORDER BY due_at, \
             id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *), beat AS (INSERT INTO control.heartbeats (run_id) SELECT \
             id FROM run) SELECT * FROM run",
        )
        .bind(holder)
        .fetch_optional(&mut *lock)
        .await;
        match started {
            Ok(Some(run)) => Ok(Some(RunRecord::hold(self.clone(), run, holder, lock).await?)),
            Ok(None) => Ok(None),
            Err(error) => Err(StoreError::database(what, error)),
        }
    }

    /// The run lock; none where another session has it.
    async fn run_lock(&self) -> Result<Option<RunLock>, StoreError> {
        let started = Instant::now();
        let mut lock = RunLock::connect(self.control()).await?;
        loop {
            if lock.try_take().await? {
                return Ok(Some(lock));
            }
            let running: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM control.runs WHERE state = 'running')")
                .fetch_one(&mut *lock)
                .await
                .map_err(StoreError::on("take the run lock"))?;
            if running || started.elapsed() > LOCK_PATIENCE {
                return Ok(None);
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    /// Close the run whose process is gone or silent, if there is one; returns its record as it is then. What it had
    /// published stays published: then it has succeeded.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn close_dead_run(&self) -> Result<Option<Run>, StoreError> {
        let what = "look for interrupted runs";
        let running: Option<(Uuid, bool)> = sqlx::query_as(
            "SELECT id, coalesce(at, started_at) < clock_timestamp() - make_interval(secs => $1) FROM control.runs LEFT \
             JOIN control.heartbeats ON run_id = id WHERE state = 'running'",
        )
        .bind(LEASE.as_secs_f64())
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on(what))?;
        let Some((id, silent)) = running else { return Ok(None) };
        let mut lock = RunLock::connect(self.control()).await?;
        if !lock.try_take().await? && !silent {
            return Ok(None);
        }
        self.end_connections(id, connection_id(&mut lock).await?).await?;
        let closed = sqlx::query_as(
            "WITH closed AS (UPDATE control.runs SET state = CASE WHEN version IS NULL THEN 'failed' ELSE 'succeeded' \
             END, ended_at = clock_timestamp(), error_code = CASE WHEN version IS NULL THEN $2 END, error = \
             CASE WHEN version IS NULL THEN 'the process ended before the run did; nothing of it was published' END \
             WHERE id = $1 AND state = 'running' RETURNING *), steps AS (UPDATE control.steps SET state = closed.state, \
             ended_at = clock_timestamp() FROM closed WHERE run_id = closed.id AND steps.state = 'running') SELECT * \
             FROM closed",
        )
        .bind(id)
        .bind(INTERRUPTED)
        .fetch_optional(&mut *lock)
        .await
        .map_err(StoreError::on("close an interrupted run"))?;
        Ok(closed)
    }

    /// End the connections that a run has open: a statement goes on in the server when nobody waits for it any more.
    pub(crate) async fn end_connections(&self, run: Uuid, but: i32) -> Result<(), StoreError> {
        let what = "end the connections of a run";
        // only the user that logged in may end its connections, and not the roles that they act as
        let mut connection = self.login().connect().await.map_err(StoreError::on(what))?;
        sqlx::query(
            "SELECT pg_terminate_backend(pid, $3) FROM pg_stat_activity WHERE application_name = $1 AND pid <> $2 AND \
             pid <> pg_backend_pid() AND datname = current_database()",
        )
        .bind(name_of(run))
        .bind(but)
        .bind(i64::try_from(ENDING.as_millis()).unwrap_or(i64::MAX))
        .execute(&mut connection)
        .await
        .map_err(StoreError::on(what))?;
        connection.close().await.map_err(StoreError::on(what))
    }
}

async fn connection_id(connection: &mut PgConnection) -> Result<i32, StoreError> {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
        .map_err(StoreError::on("look up a connection's id"))
}
