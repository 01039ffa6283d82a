//! Subscriptions: turns operations of clients with a long connection into streams of responses.
//!
//! [`Session`] is who asks over such a connection; [`start`] runs an operation of it, whatever the wire protocol. What
//! clients speak is in `http/streaming`, what subgraphs speak in `terrane_execute::subscribe`.

mod clients;
mod logged;
mod operation;
mod session;

pub(crate) use clients::source_clients;
pub(crate) use operation::start;
pub(crate) use session::{Session, with_payload};
pub(crate) use terrane_websocket::{Output, Outputs};

use crate::config::SubscriptionsConfig;
use crate::gateway::Inner;
use crate::http::Reservations;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use terrane_execute::HttpStreams;
use terrane_execute::subscribe::Hub;
use terrane_graphql::GraphqlError;
use tokio::sync::{Notify, watch};

/// What streams need of a gateway.
pub(crate) struct Subscriptions {
    pub config: SubscriptionsConfig,
    pub hub: Hub,
    shared: Arc<Shared>,
}

/// What the streams of a gateway, and of those that take its place, share.
pub(crate) struct Shared {
    pub streams: HttpStreams,
    pub reservations: Reservations,
    /// Counts the graphs that were served.
    pub graphs: watch::Sender<u64>,
    /// Everything ends.
    pub stopping: watch::Sender<bool>,
    /// The gateway that took another's place last.
    latest: Mutex<Weak<Inner>>,
    open: Arc<AtomicUsize>,
    sockets: Arc<AtomicUsize>,
    /// Streams and sockets whose end is waited for.
    ended: Arc<Notify>,
}

impl Deref for Subscriptions {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// One place of a limited number, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    ended: Arc<Notify>,
    gauge: metrics::Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
        self.gauge.decrement(1);
        self.ended.notify_waiters();
    }
}

impl Subscriptions {
    /// Of a gateway; `before` are those of the gateway whose place it takes.
    pub fn new(config: SubscriptionsConfig, before: Option<&Self>) -> Self {
        if let Some(before) = before {
            let hub = before.hub.with_options(config.hub_options());
            return Self { config, hub, shared: Arc::clone(&before.shared) };
        }
        let shared = Shared {
            streams: HttpStreams::new(),
            reservations: Reservations::default(),
            graphs: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            latest: Mutex::default(),
            open: Arc::default(),
            sockets: Arc::default(),
            ended: Arc::default(),
        };
        Self { config, hub: Hub::new(config.hub_options()), shared: Arc::new(shared) }
    }

    /// The graph changed: subscriptions look at the new one.
    pub fn changed(&self) {
        self.graphs.send_modify(|number| *number += 1);
    }

    /// From now on `gateway` is the one.
    pub fn take_over(&self, gateway: &Arc<Inner>) {
        *self.latest.lock().expect("nothing panics while it is held") = Arc::downgrade(gateway);
        self.changed();
    }

    /// The gateway that took another's place last.
    pub fn latest(&self) -> Option<Arc<Inner>> {
        self.latest.lock().expect("nothing panics while it is held").upgrade()
    }

    fn take(&self, taken: &Arc<AtomicUsize>, most: usize, gauge: metrics::Gauge) -> Option<Place> {
        let less = |now: usize| (now < most).then_some(now + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).ok()?;
        gauge.increment(1);
        Some(Place { taken: Arc::clone(taken), ended: Arc::clone(&self.ended), gauge })
    }

    /// A place for a subscription.
    pub fn place(&self) -> Result<Place, GraphqlError> {
        let gauge = metrics::gauge!("terrane_subscriptions_open");
        self.take(&self.open, self.config.subscriptions, gauge).ok_or_else(|| {
            let message = "as many subscriptions as this gateway serves are open; try again later";
            GraphqlError::new("TOO_MANY_SUBSCRIPTIONS", message)
        })
    }

    /// A place for a socket of a client; none when there are too many, or everything ends.
    pub fn socket(&self, protocol: &'static str) -> Option<Place> {
        if *self.stopping.borrow() {
            return None;
        }
        let gauge = metrics::gauge!("terrane_sockets_open", "protocol" => protocol);
        self.take(&self.sockets, self.config.sockets, gauge)
    }

    /// End every stream and socket, after saying so to its client.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Wait until all have ended, but no longer than `limit`.
    pub async fn ended(&self, limit: Duration) {
        let all = async {
            loop {
                let notified = self.ended.notified();
                if self.open.load(Ordering::Acquire) == 0 && self.sockets.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("some streams did not end in time");
        }
    }
}

/// Wait until everything ends.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the gateway is gone, which is the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
