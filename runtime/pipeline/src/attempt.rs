//! Attempts: turns a request to run, or a queued run, into one that is carried out, cancelled, or tried again later.

use crate::openlineage::{Ended, event_type, run_event};
use crate::{Pipeline, PipelineError, RunRequest};
use std::time::Duration;
use terrane_store::{CANCELLED, LogLevel, Run, RunRecord, RunState, RunTrigger, Stop, StoreError, WantedRun};

impl Pipeline {
    /// Run all stages now. The record of a failed run is returned as a run, not as an error: it tells its cause.
    ///
    /// # Errors
    /// [`PipelineError::Store`] when there is no record: another run is under way, or the database is away.
    pub async fn run(&self, request: &RunRequest) -> Result<Run, PipelineError> {
        let record = self.begin(request).await?;
        self.carry_out(record).await
    }

    /// Begin a run now, for [`Pipeline::carry_out`].
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    pub async fn begin(&self, request: &RunRequest) -> Result<RunRecord, PipelineError> {
        self.close_dead().await?;
        Ok(self.store.start_run(request.trigger, request.by.as_deref(), request.pull).await?)
    }

    /// Put a run into the queue, from which [`Pipeline::next`] of any process takes it.
    ///
    /// # Errors
    /// [`PipelineError::Store`].
    pub async fn queue(&self, request: &RunRequest) -> Result<Run, PipelineError> {
        let wanted =
            WantedRun { trigger: request.trigger, by: request.by.clone(), pull: request.pull, only_port: None };
        Ok(self.store.queue_run(&wanted).await?)
    }

    /// As [`Pipeline::queue`], a run by hand that pulls the input port `port`, and no other.
    ///
    /// # Errors
    /// As [`Pipeline::queue`].
    pub async fn queue_pull(&self, port: &str, by: Option<&str>) -> Result<Run, PipelineError> {
        let (by, only_port) = (by.map(str::to_owned), Some(port.to_owned()));
        let wanted = WantedRun { trigger: RunTrigger::Manual, by, pull: true, only_port };
        Ok(self.store.queue_run(&wanted).await?)
    }

    /// Close a run whose process is gone, and begin the next queued one, if its time has come.
    ///
    /// # Errors
    /// [`PipelineError::Store`].
    pub async fn next(&self) -> Result<Option<RunRecord>, PipelineError> {
        self.close_dead().await?;
        Ok(self.store.start_queued().await?)
    }

    async fn close_dead(&self) -> Result<(), PipelineError> {
        let Some(closed) = self.store.close_dead_run().await? else { return Ok(()) };
        tracing::warn!(product = %self.product.id, run = %closed.id, state = closed.state, "closed a run whose process is gone");
        if closed.version.is_none() {
            self.try_again(&closed).await?;
        }
        self.tell(&closed).await;
        Ok(())
    }

    /// Carry out a run that has begun. A failed one is returned as a run.
    ///
    /// # Errors
    /// [`PipelineError::Store`] where its end cannot be recorded; whoever looks after the queue closes it later.
    pub async fn carry_out(&self, mut record: RunRecord) -> Result<Run, PipelineError> {
        let (id, product) = (record.id, &self.product.id);
        tracing::info!(%product, run = %id, "run started");
        self.tell(&record.run).await;
        let mut heartbeat = record.heartbeat();
        let ended = tokio::select! {
            // boxed: what all stages keep between their waits is too much for a thread's stack
            done = Box::pin(async { self.amended().await?.stages(&mut record).await }) => Ok(done),
            stop = heartbeat.stopped() => Err(stop),
        };
        let ended = match ended {
            // the publish saw it first: the heartbeat tells whether it was cancelled or lost
            Ok(Err(PipelineError::Store(StoreError::LeaseLost))) => Err(heartbeat.stopped().await),
            other => other,
        };
        drop(heartbeat);
        let run = match ended {
            Ok(Ok(())) => record.succeed().await?,
            Ok(Err(error)) => {
                tracing::warn!(%product, run = %id, %error, "run failed");
                let text = error.public_text();
                // the log is beside the cause, which the record has anyway
                let _ = record.log(LogLevel::Error, &text).await;
                let run = record.fail(RunState::Failed, error.code(), &text).await?;
                if run.state == "failed" && error.may_pass() {
                    self.try_again(&run).await?;
                }
                run
            }
            Err(Stop::Cancelled(by)) => {
                let text = format!("cancelled by {}", by.as_deref().unwrap_or("somebody without a name"));
                tracing::info!(%product, run = %id, "run cancelled");
                record.end_statements().await?;
                let _ = record.log(LogLevel::Warning, &text).await;
                record.fail(RunState::Cancelled, CANCELLED, &text).await?
            }
            Err(Stop::Lost) => {
                tracing::warn!(%product, run = %id, "the run was taken for dead by another process");
                let error = StoreError::LeaseLost;
                record.fail(RunState::Failed, error.code(), &error.to_string()).await?
            }
        };
        if run.version.is_some() && run.only_port.is_none() {
            self.store.drop_retries("a later run has published").await?;
        }
        self.tell(&run).await;
        Ok(run)
    }

    /// Keep the lineage event of a run as it is now. A run does not fail because it cannot be told of.
    async fn tell(&self, run: &Run) {
        if let Err(error) = Box::pin(self.keep_event(run)).await {
            tracing::warn!(product = %self.product.id, run = %run.id, %error, "no lineage event was kept");
        }
    }

    async fn keep_event(&self, run: &Run) -> Result<(), StoreError> {
        let store = &self.store;
        let (steps, checks) = match run.has_ended() {
            true => (store.steps(&[run.id]).await?, store.quality_results(Some(run.id)).await?),
            false => (Vec::new(), Vec::new()),
        };
        let version = match run.version {
            // events may have taken its place already
            Some(number) => store.version(number).await?,
            None => None,
        };
        let (namespace, database) = store.lineage_namespace();
        let about = Ended {
            product: &self.product,
            database: (&namespace, &database),
            run,
            steps: &steps,
            checks: &checks,
            version: version.as_ref(),
        };
        store.keep_lineage_event(run.id, event_type(run), &run_event(&about)).await
    }

    /// Queue another attempt, where the product declares one. The first run of a start is tried again by whoever starts.
    async fn try_again(&self, failed: &Run) -> Result<(), PipelineError> {
        let attempt = u32::try_from(failed.attempt).unwrap_or(u32::MAX);
        let Some(delay) = self.product.retry.after(attempt) else { return Ok(()) };
        // whoever pulls one port by hand sees what comes of it
        if failed.trigger == RunTrigger::Start.word() || failed.only_port.is_some() {
            return Ok(());
        }
        let next = self.store.queue_retry(failed, spread(delay, failed.id.as_u128())).await?;
        tracing::info!(product = %self.product.id, run = %failed.id, next = %next.id, ?delay, "the run is tried again");
        Ok(())
    }
}

/// Up to a tenth more: products that failed together are not tried again together.
fn spread(delay: Duration, seed: u128) -> Duration {
    let share = f64::from(u32::try_from(seed % 1000).unwrap_or(0)) / 10_000.0;
    delay.mul_f64(1.0 + share)
}
