//! Subscriptions of the standard ports: turns a run's id into its progress, for as long as it goes on.

use super::PortsContext;
use super::guard::{OBSERVE, internal, refused, require};
use super::records::Run;
use async_graphql::{Context, Result, Subscription as Subscribable};
use futures_util::Stream;
use futures_util::stream;
use std::time::Duration;
use terrane_store as store;
use uuid::Uuid;

/// How often a run is looked at: it may be carried out by another process.
const PAUSE: Duration = Duration::from_millis(250);

/// The standard ports' subscriptions.
#[derive(Debug, Clone, Copy)]
pub struct Subscription;

#[Subscribable]
impl Subscription {
    /// A run as it is now, and again whenever something of it has changed, until it has ended. A client that comes again
    /// misses nothing: the first answer is what has become of the run meanwhile.
    async fn run_progress(&self, ctx: &Context<'_>, id: String) -> Result<impl Stream<Item = Result<Run>> + use<>> {
        let context = require(ctx, OBSERVE)?.clone();
        let id: Uuid = id.parse().map_err(|_| refused("BAD_USER_INPUT", "`id` is no UUID"))?;
        if context.service.store().run(id).await.map_err(internal)?.is_none() {
            return Err(refused("NO_SUCH_RUN", format!("there is no run {id}")));
        }
        Ok(stream::unfold(Some(Progress { context, id, told: None }), |progress| async move {
            let mut progress = progress?;
            match progress.next().await {
                Ok(run) if run.has_ended() => Some((Ok(Run::from(run)), None)),
                Ok(run) => Some((Ok(Run::from(run)), Some(progress))),
                Err(error) => Some((Err(internal(error)), None)),
            }
        }))
    }
}

/// What a subscriber has been told of a run.
struct Progress {
    context: PortsContext,
    id: Uuid,
    told: Option<(store::Run, Vec<store::Step>)>,
}

impl Progress {
    /// The run, as soon as it or its steps are not what was told.
    async fn next(&mut self) -> std::result::Result<store::Run, store::StoreError> {
        loop {
            let store = self.context.service.store();
            let run = store.run(self.id).await?.ok_or(store::StoreError::NoSuchRun(self.id))?;
            let now = (run, store.steps(&[self.id]).await?);
            if self.told.as_ref() != Some(&now) {
                return Ok(self.told.insert(now).0.clone());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
