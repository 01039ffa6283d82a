//! Intake: turns events that were stored into what they change of the published datasets: a run each time that some came.

use crate::service::ProductService;
use sqlx::postgres::PgListener;
use std::time::Duration;
use terrane_pipeline::{Applied, PipelineError, RunRequest};
use terrane_store::{EVENTS_CHANNEL, RunTrigger, StoreError};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A wake-up may be lost with its connection, and another process' run may have failed: then there is a look so often.
const LOOK: Duration = Duration::from_secs(5);
/// Between two attempts while another run is under way, or the database is away.
const RETRY: Duration = Duration::from_millis(300);
/// A run that has failed is tried again after this long, or when more events come.
const AGAIN: Duration = Duration::from_secs(30);

/// How long events are gathered after a publish; none where the product takes none.
pub(super) fn gather(service: &ProductService) -> Option<Duration> {
    let ports = service.product().input_ports.iter();
    let taking = ports.filter(|port| !port.connector.is_pulled());
    taking.map(|port| port.events.clone().unwrap_or_default().gather).min()
}

/// Publish what events change, for ever. Any number of processes may do so: one runs at a time, and the others see that
/// nothing is left to do.
pub(super) async fn publish_events(service: ProductService, gather: Duration) {
    loop {
        if let Err(error) = follow(&service, gather).await {
            tracing::warn!(%error, "events can't be published; it is tried again");
        }
        sleep(RETRY).await;
    }
}

/// Bring new rows into the published version: in place, or by a run where that can't be. Whether they are in it now.
async fn bring_in(service: &ProductService) -> Result<bool, PipelineError> {
    let reason = match service.apply_changes().await {
        Ok(Applied::Nothing | Applied::Published(_)) => return Ok(true),
        Ok(Applied::NeedsRun(reason)) => reason.to_owned(),
        Err(error @ PipelineError::Store(_)) => return Err(error),
        // a run has a record, and says there which rows are wrong
        Err(error) => error.to_string(),
    };
    tracing::debug!(reason, "events are published by a run");
    let run = service.run(&RunRequest { trigger: RunTrigger::Stream, by: None, pull: false }).await?;
    if run.version.is_none() {
        tracing::warn!(error = run.error, "the events could not be published; it is tried again");
    }
    Ok(run.version.is_some())
}

async fn follow(service: &ProductService, gather: Duration) -> Result<(), PipelineError> {
    let store = service.store();
    let what = "listen to events";
    let mut listener = PgListener::connect_with(store.control()).await.map_err(StoreError::on(what))?;
    listener.listen(EVENTS_CHANNEL).await.map_err(StoreError::on(what))?;
    // an event after a quiet time does not wait for others
    let mut due = Instant::now();
    loop {
        let mut wait = LOOK;
        // the first version is made by the start of the product
        if store.events_left().await? > 0 && !service.is_stale().await? {
            sleep_until(due).await;
            due = Instant::now() + gather;
            // what comes while the run is under way is published by the next one
            let accepted = store.events_accepted().await?;
            match bring_in(service).await {
                Ok(true) => {
                    store.events_published(accepted).await?;
                    continue;
                }
                Ok(false) => wait = AGAIN,
                Err(PipelineError::Store(StoreError::RunInProgress(_))) => wait = RETRY,
                Err(error) => return Err(error),
            }
        }
        if let Ok(Err(error)) = timeout(wait, listener.try_recv()).await {
            return Err(StoreError::database(what, error).into());
        }
    }
}
