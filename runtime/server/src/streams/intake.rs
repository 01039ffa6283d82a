//! Intake: turns events that were stored into what they change of the published datasets, or into a record of what keeps
//! them from it.

use crate::service::ProductService;
use sqlx::postgres::PgListener;
use std::collections::BTreeSet;
use std::time::Duration;
use terrane_pipeline::{Applied, PipelineError, RunRequest};
use terrane_store::{EVENTS_CHANNEL, HeldEvents, RunTrigger, StoreError};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

/// A wake-up may be lost with its connection, and another process' run may have failed: then there is a look so often.
const LOOK: Duration = Duration::from_secs(5);
/// Between two attempts while another run is under way, or the database is away.
const RETRY: Duration = Duration::from_millis(300);
/// While events are held, it is looked so often whether what keeps them is gone.
const LOOK_HELD: Duration = Duration::from_secs(1);
/// What was refused is tried again after this long, and later each time: in place, which leaves no record, …
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// … and by a run, which leaves one.
const RUN_AGAIN: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(900)];
/// What the product was made of before something was put in: so many are known.
const MOST_CONTENTS: usize = 1000;

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

/// What became of an attempt.
enum Brought {
    /// The events are in the published version.
    In,
    /// They were refused.
    Refused {
        /// For what.
        cause: String,
        /// The run that says more, where this attempt has made one.
        run: Option<Uuid>,
        /// How long to wait at first, and at most.
        again: [Duration; 2],
    },
}

/// Bring new rows into the published version: in place, or by a run where that can't be. What was refused before for the
/// same cause makes no other run: the one that is on record says it all.
async fn bring_in(service: &ProductService, held: Option<&HeldEvents>) -> Result<Brought, PipelineError> {
    let (cause, reason, again) = match service.apply_changes().await {
        Ok(Applied::Nothing | Applied::Published(_)) => return Ok(Brought::In),
        Ok(Applied::NeedsRun(reason)) => (format!("NEEDS_RUN: {reason}"), reason.to_owned(), RUN_AGAIN),
        Err(error @ PipelineError::Store(_)) => return Err(error),
        // a run has a record, and says there which rows are wrong
        Err(error) => (error.cause(), error.to_string(), AGAIN),
    };
    if again == AGAIN && held.is_some_and(|held| held.cause == cause) {
        return Ok(Brought::Refused { cause, run: None, again });
    }
    tracing::debug!(reason, "events are published by a run");
    let run = service.run(&RunRequest { trigger: RunTrigger::Stream, by: None, pull: false }).await?;
    if run.version.is_some() {
        return Ok(Brought::In);
    }
    if !run.has_ended() {
        // this process is about to end, and the run waits for another one
        return Err(StoreError::RunInProgress(service.product().id.clone()).into());
    }
    let (product, code, error) = (&service.product().id, &run.error_code, &run.error);
    tracing::warn!(%product, run = %run.id, code, error, "events are held: they can't be published");
    Ok(Brought::Refused { cause, run: Some(run.id), again })
}

/// What decides whether events are published, and may have changed since they were refused.
struct Looked {
    circumstances: String,
    /// Whether what is published is of this product, though something was put in since.
    is_own: bool,
}

/// Look at it. `contents` are those that this process has seen its product to have: another content is that of another
/// folder, which a process of a newer deployment has published, or the start of this one publishes.
async fn look(service: &ProductService, contents: &mut BTreeSet<String>) -> Result<Looked, PipelineError> {
    let content = match service.pipeline().content().await {
        Ok(content) => content,
        // a run says on record that what was put in does not fit
        Err(error @ PipelineError::Put { .. }) => error.cause(),
        Err(error) => return Err(error),
    };
    if contents.len() >= MOST_CONTENTS {
        contents.clear();
    }
    let current = service.store().current_version().await?;
    let circumstances = format!("{content}, {}", service.store().circumstances().await?);
    contents.insert(content);
    Ok(Looked { circumstances, is_own: current.is_some_and(|version| contents.contains(&version.content)) })
}

/// Publish what is left, or note why not; how long to wait before the next look.
async fn publish_left(
    service: &ProductService,
    gather: Duration,
    due: &mut Instant,
    contents: &mut BTreeSet<String>,
) -> Result<Duration, PipelineError> {
    let store = service.store();
    let looked = look(service, contents).await?;
    // the first version of a folder is made by the start of the product
    if store.events_left().await? <= 0 || !looked.is_own {
        return Ok(LOOK);
    }
    let held = store.events_held().await?;
    if let Some(held) = &held
        && held.circumstances == looked.circumstances
        && !held.due_in().is_zero()
    {
        return Ok(held.due_in().min(LOOK_HELD));
    }
    sleep_until(*due).await;
    *due = Instant::now() + gather;
    // what comes while the run is under way is published by the next one
    let accepted = store.events_accepted().await?;
    match bring_in(service, held.as_ref()).await {
        Ok(Brought::In) => {
            store.events_published(accepted).await?;
            if store.release_events().await? {
                tracing::info!(product = %service.product().id, "events are published again");
            }
            Ok(Duration::ZERO)
        }
        Ok(Brought::Refused { cause, run, again: [first, most] }) => {
            service.meters().events_refused();
            // a cause that is a new one does not start anew: causes may take turns
            let attempts = held.map_or(0, |held| held.attempts.clamp(0, 10));
            let delay = (first * 2_u32.pow(attempts.unsigned_abs())).min(most);
            store.hold_events(run, &cause, &looked.circumstances, delay).await?;
            Ok(delay.min(LOOK_HELD))
        }
        Err(PipelineError::Store(StoreError::RunInProgress(_))) => Ok(RETRY),
        Err(error) => Err(error),
    }
}

async fn follow(service: &ProductService, gather: Duration) -> Result<(), PipelineError> {
    let what = "listen to events";
    let mut listener = PgListener::connect_with(service.store().control()).await.map_err(StoreError::on(what))?;
    listener.listen(EVENTS_CHANNEL).await.map_err(StoreError::on(what))?;
    let mut contents = BTreeSet::new();
    // an event after a quiet time does not wait for others
    let mut due = Instant::now();
    loop {
        let wait = publish_left(service, gather, &mut due, &mut contents).await?;
        let until = Instant::now() + wait;
        // more events make no difference to those that are held, or that wait for a run to end
        let wakes = wait >= LOOK;
        while let Ok(heard) = timeout_at(until, listener.try_recv()).await {
            heard.map_err(|error| StoreError::database(what, error))?;
            if wakes {
                break;
            }
        }
    }
}
