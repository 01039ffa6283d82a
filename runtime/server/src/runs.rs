//! Runs: turns requests to run into queued runs, and queued runs into carried out ones, one at a time.
//!
//! The queue is in the product's database: any process that serves the product puts runs into it, and one of them carries
//! each out.

use crate::service::ProductService;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terrane_pipeline::{PipelineError, RunRequest};
use terrane_store::{LEASE, Run, RunRecord, RunTrigger, StoreError};
use terrane_telemetry::along::{self, Along};
use terrane_telemetry::trace;
use tokio::sync::Notify;
use uuid::Uuid;

/// Requests that a run was queued by, for what it does on their behalf.
const KEPT_ASKED: u64 = 100;
/// How often the queue is looked at when nobody says that something is in it.
const QUEUE_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether kept versions have become too old.
const RETENTION_PAUSE: Duration = Duration::from_secs(60);
/// How often a run that another process may carry out is looked at by whoever waits for it.
const RUN_PAUSE: Duration = Duration::from_millis(100);

/// What this process knows of the queue.
pub(crate) struct RunQueue {
    /// Something was put into it.
    queued: Arc<Notify>,
    /// The requests that asked for runs.
    asked: Cache<Uuid, Along>,
}

impl Default for RunQueue {
    fn default() -> Self {
        Self { queued: Arc::default(), asked: Cache::new(KEPT_ASKED) }
    }
}

impl ProductService {
    /// Run the pipeline: the first run of a start at once, any other when its turn comes. Returns when it has ended, in
    /// whichever process; or while it waits, where this process is about to end.
    ///
    /// # Errors
    /// [`PipelineError`] when there is no record of a run; a failed run is a run.
    pub async fn run(&self, request: &RunRequest) -> Result<Run, PipelineError> {
        if request.trigger == RunTrigger::Start {
            return match self.pipeline().begin(request).await {
                Ok(record) => self.carry_out(record).await,
                Err(error) => {
                    self.meters().run(None, Duration::ZERO);
                    Err(error)
                }
            };
        }
        let run = self.queue(request).await?;
        self.ended(run).await
    }

    /// Put a run into the queue that pulls the input port `port` and no other, and where `wait`, return when it has ended.
    ///
    /// # Errors
    /// [`PipelineError`] when there is no record of a run.
    pub(crate) async fn pull(&self, port: &str, by: Option<&str>, wait: bool) -> Result<Run, PipelineError> {
        let run = self.pipeline().queue_pull(port, by).await?;
        self.queued(&run);
        if wait { self.ended(run).await } else { Ok(run) }
    }

    /// A queued run when it has ended, or as it waits where this process is about to end.
    async fn ended(&self, mut run: Run) -> Result<Run, PipelineError> {
        while !run.has_ended() {
            if run.state == "queued" && self.is_stopping() {
                break;
            }
            tokio::time::sleep(RUN_PAUSE).await;
            run = self.store().run(run.id).await?.ok_or(StoreError::NoSuchRun(run.id))?;
        }
        Ok(run)
    }

    /// Put a run into the queue.
    ///
    /// # Errors
    /// [`PipelineError`] where the queue cannot be written.
    pub async fn queue(&self, request: &RunRequest) -> Result<Run, PipelineError> {
        let run = self.pipeline().queue(request).await?;
        self.queued(&run);
        Ok(run)
    }

    /// A run was put into the queue on behalf of the request that is answered.
    fn queued(&self, run: &Run) {
        if let Some(along) = along::current() {
            self.runs().asked.insert(run.id, along);
        }
        self.runs().queued.notify_one();
    }

    /// Carry out what is queued, until nothing is due.
    async fn run_queued(&self) -> Result<(), PipelineError> {
        while let Some(record) = self.pipeline().next().await? {
            self.carry_out(record).await?;
        }
        Ok(())
    }

    /// Carry out a run that has begun, on behalf of the request that asked for it, where that was of this process.
    async fn carry_out(&self, record: RunRecord) -> Result<Run, PipelineError> {
        let asked = self.runs().asked.remove(&record.id).or_else(along::current);
        let traced = async {
            let (started, mut span) = (Instant::now(), trace::begin("pipeline run"));
            if span.is_recording() {
                span.set("terrane.product", self.product().id.clone());
                span.set("terrane.run.trigger", record.run.trigger.clone());
            }
            let along = span.trace().map(along::under).or_else(along::current);
            // a run is large between its waits: kept aside, it fits the stack of whoever carries it out
            let run = along::with(along, Box::pin(self.pipeline().carry_out(record))).await;
            self.meters().run(run.as_ref().ok(), started.elapsed());
            match &run {
                Ok(run) => {
                    span.set("terrane.run.id", run.id.to_string());
                    if let Some(version) = run.version {
                        span.set("terrane.version", version);
                    } else {
                        span.fail("run_failed");
                    }
                }
                Err(_) => span.fail("no_run"),
            }
            run
        };
        along::with(asked, Box::pin(traced)).await
    }

    /// Cancel a run; one under way is waited for until its process has heard of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cancel(&self, id: Uuid, by: Option<&str>) -> Result<Run, StoreError> {
        let mut run = self.store().cancel_run(id, by).await?;
        let asked = Instant::now();
        while !run.has_ended() && asked.elapsed() < LEASE {
            tokio::time::sleep(RUN_PAUSE).await;
            run = self.store().run(id).await?.ok_or(StoreError::NoSuchRun(id))?;
        }
        Ok(run)
    }

    /// Drop the versions that have become too old to keep.
    async fn drop_old_versions(&self) {
        let product = self.product();
        match self.store().apply_retention(product.retention).await {
            Ok(dropped) if dropped.is_empty() => {}
            Ok(dropped) => tracing::info!(product = %product.id, ?dropped, "versions are kept no longer"),
            Err(error) => tracing::warn!(product = %product.id, %error, "no versions were dropped"),
        }
    }
}

/// Look after the queue of runs as long as the product is served: carry out what is due, and close what died.
pub(crate) fn attend(service: &ProductService) {
    let (queued, service) = (service.runs().queued.clone(), service.downgrade());
    tokio::spawn(async move {
        let mut tidied = Instant::now();
        loop {
            // either way the queue is looked at: another process may have put something into it, or have ended
            let _ = tokio::time::timeout(QUEUE_PAUSE, queued.notified()).await;
            let Some(service) = service.upgrade() else { return };
            if service.is_stopping() {
                return;
            }
            // a task of its own: a run that panics must not be the last one
            let running = service.clone();
            let id = &service.product().id;
            match tokio::spawn(async move { running.run_queued().await }).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(product = %id, %error, "the queue of runs cannot be looked at now"),
                Err(error) => tracing::error!(product = %id, %error, "a run ended the task that it was in"),
            }
            if tidied.elapsed() > RETENTION_PAUSE && service.product().retention.age.is_some() {
                tidied = Instant::now();
                service.drop_old_versions().await;
            }
        }
    });
}
