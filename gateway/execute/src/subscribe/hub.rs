//! The hub: turns equal questions to event sources into one stream each, whose events all consumers get.

use super::queue::{End, Overflow, Pushed, Queue};
use super::source::{Signal, SourceClient, open};
use super::{Event, SourceError};
use crate::transport::{Headers, compared};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Uri};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How consumers are served.
#[derive(Debug, Clone, Copy)]
pub struct HubOptions {
    /// Events that wait for one consumer at most.
    pub queue_events: usize,
    /// What becomes of a consumer for which more would wait.
    pub overflow: Overflow,
    /// Equal questions share a stream.
    pub share: bool,
    /// How often in a row a stream that broke is opened again.
    pub reconnects: u32,
    /// How long to wait before the first time; twice as long before each further one.
    pub reconnect_delay: Duration,
    /// The longest wait.
    pub reconnect_delay_most: Duration,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            queue_events: 64,
            overflow: Overflow::End,
            share: true,
            reconnects: 5,
            reconnect_delay: Duration::from_millis(200),
            reconnect_delay_most: Duration::from_secs(10),
        }
    }
}

/// What a stream of events depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    subgraph: String,
    uri: Uri,
    body: Bytes,
    headers: Headers,
}

/// Keeps the streams of all subscriptions; one for a gateway, whatever becomes of its graph. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub {
    options: HubOptions,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    upstreams: Mutex<FxHashMap<Question, Arc<Upstream>>>,
    /// The number of the last event.
    events: AtomicU64,
}

/// One stream, and who gets its events.
#[derive(Debug)]
struct Upstream {
    question: Question,
    state: Mutex<Consumers>,
    /// The last consumer went.
    left: Notify,
}

#[derive(Debug, Default)]
struct Consumers {
    queues: Vec<Arc<Queue>>,
    /// Nobody joins any more.
    over: bool,
}

/// Gets the events of a stream. The stream ends with its last consumer.
#[derive(Debug)]
pub struct Consumer {
    queue: Arc<Queue>,
    upstream: Arc<Upstream>,
    hub: Arc<Inner>,
}

impl Hub {
    /// A hub without streams.
    pub fn new(options: HubOptions) -> Self {
        Self { options, inner: Arc::new(Inner { upstreams: Mutex::default(), events: AtomicU64::default() }) }
    }

    /// The same hub, which serves who comes from now on otherwise.
    #[must_use]
    pub fn with_options(&self, options: HubOptions) -> Self {
        Self { options, inner: Arc::clone(&self.inner) }
    }

    /// Get the events of a subgraph: of a stream that is there already for the same body and headers, or of a new one.
    /// Whether it can be opened shows in the first event.
    pub fn subscribe(&self, client: &SourceClient, body: &Bytes, headers: &HeaderMap) -> Consumer {
        let (hub, options) = (&self.inner, self.options);
        let queue = Arc::new(Queue::new(options.queue_events, options.overflow));
        let headers = compared(headers);
        let question = Question { subgraph: client.name.clone(), uri: client.uri.clone(), body: body.clone(), headers };
        let mut upstreams = hub.lock();
        let known = upstreams.get(&question).filter(|_| options.share);
        if let Some(upstream) = known.filter(|upstream| upstream.join(&queue)) {
            return Consumer { queue, upstream: Arc::clone(upstream), hub: Arc::clone(hub) };
        }
        let state = Mutex::new(Consumers { queues: vec![Arc::clone(&queue)], over: false });
        let upstream = Arc::new(Upstream { question: question.clone(), state, left: Notify::new() });
        if options.share {
            upstreams.insert(question, Arc::clone(&upstream));
        }
        drop(upstreams);
        metrics::gauge!("terrane_subscription_upstreams").increment(1);
        tokio::spawn(Arc::clone(hub).run(Arc::clone(&upstream), client.clone(), options));
        Consumer { queue, upstream, hub: Arc::clone(hub) }
    }

    /// How many streams are shared now.
    pub fn upstreams(&self) -> usize {
        self.inner.lock().len()
    }
}

impl Consumer {
    /// The next event; an error is the last that comes. None when the source ended by itself.
    pub async fn next(&self) -> Option<Result<Event, SourceError>> {
        self.queue.next().await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.upstream.leave(&self.queue);
        self.hub.forget(&self.upstream);
    }
}

impl Upstream {
    fn lock(&self) -> MutexGuard<'_, Consumers> {
        self.state.lock().expect("nothing panics while it is held")
    }

    fn join(&self, queue: &Arc<Queue>) -> bool {
        let mut state = self.lock();
        if !state.over {
            state.queues.push(Arc::clone(queue));
        }
        !state.over
    }

    fn leave(&self, queue: &Arc<Queue>) {
        let mut state = self.lock();
        state.queues.retain(|other| !Arc::ptr_eq(other, queue));
        if state.queues.is_empty() {
            state.over = true;
            self.left.notify_one();
        }
    }

    /// Give an event to every consumer; who is too slow gets no more.
    fn give(&self, event: &Event) {
        let mut state = self.lock();
        state.queues.retain(|queue| {
            let behaviour = match queue.push(event.clone()) {
                Pushed::Waits => return true,
                Pushed::Skipped => "skipped",
                Pushed::Overflowed => "ended",
            };
            let subgraph = self.question.subgraph.clone();
            metrics::counter!("terrane_subscription_slow_consumers_total", "subgraph" => subgraph, "behaviour" => behaviour)
                .increment(1);
            behaviour == "skipped"
        });
        if state.queues.is_empty() {
            state.over = true;
            self.left.notify_one();
        }
    }

    fn end(&self, end: &End) {
        let mut state = self.lock();
        state.over = true;
        state.queues.drain(..).for_each(|queue| queue.end(end.clone()));
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<Question, Arc<Upstream>>> {
        self.upstreams.lock().expect("nothing panics while it is held")
    }

    /// Let nobody join any more: events from the start on would be missed.
    fn close(&self, upstream: &Arc<Upstream>) {
        let mut upstreams = self.lock();
        if upstreams.get(&upstream.question).is_some_and(|known| Arc::ptr_eq(known, upstream)) {
            upstreams.remove(&upstream.question);
        }
    }

    /// Take an upstream that is over off the list.
    fn forget(&self, upstream: &Arc<Upstream>) {
        if !upstream.lock().over {
            return;
        }
        self.close(upstream);
    }

    async fn run(self: Arc<Self>, upstream: Arc<Upstream>, client: SourceClient, options: HubOptions) {
        let end = tokio::select! {
            biased;
            () = upstream.left.notified() => End::Complete,
            end = self.pump(&upstream, &client, &options) => end,
        };
        if let End::Failed(error) = &end {
            tracing::warn!(subgraph = client.name, %error, "a stream of events ended");
        }
        upstream.end(&end);
        self.forget(&upstream);
        metrics::gauge!("terrane_subscription_upstreams").decrement(1);
    }

    /// Pass events on until the stream ends, or breaks and can't be opened again.
    async fn pump(&self, upstream: &Arc<Upstream>, client: &SourceClient, options: &HubOptions) -> End {
        let (mut opened, mut failures, mut seen) = (false, 0, None);
        loop {
            let (body, headers) = (upstream.question.body.clone(), &upstream.question.headers);
            let error = match open(client, body, headers, seen.as_ref()).await {
                Err(error) => error,
                Ok(mut signals) => {
                    opened = true;
                    loop {
                        match signals.next().await {
                            Some(Ok(Signal::Positioned)) => self.close(upstream),
                            Some(Ok(Signal::Id(id))) => seen = Some(id),
                            Some(Ok(Signal::Event(body))) => {
                                failures = 0;
                                self.give(upstream, body);
                            }
                            Some(Ok(Signal::Last(body))) => {
                                self.give(upstream, body);
                                return End::Complete;
                            }
                            Some(Ok(Signal::Complete)) => return End::Complete,
                            Some(Err(error)) => break error,
                            None => break SourceError::Interrupted("it ended without saying so".to_owned()),
                        }
                    }
                }
            };
            // The first time, the client learns at once that nobody is there.
            if !opened || !error.may_pass() {
                return End::Failed(error);
            }
            if failures >= options.reconnects {
                return End::Failed(SourceError::Interrupted(error.to_string()));
            }
            tracing::debug!(subgraph = client.name, %error, failures, "a stream of events is opened again");
            metrics::counter!("terrane_subscription_reconnects_total", "subgraph" => client.name.clone()).increment(1);
            let delay = options.reconnect_delay.saturating_mul(1 << failures.min(16));
            tokio::time::sleep(delay.min(options.reconnect_delay_most)).await;
            failures += 1;
        }
    }

    fn give(&self, upstream: &Upstream, body: Bytes) {
        let number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::counter!("terrane_subscription_events_total", "subgraph" => upstream.question.subgraph.clone())
            .increment(1);
        upstream.give(&Event { number, body });
    }
}
