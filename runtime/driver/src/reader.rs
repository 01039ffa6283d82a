//! Readers: turns a statement with its values into rows, by way of the queue and its lanes.

use crate::message::{bind_and_execute, statement_name};
use crate::queue::{Limits, Queue, Request};
use crate::replicas::Targets;
use crate::{DriverError, Replicas, Rows, Target, lane};
use bytes::BytesMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use terrane_query::Bind;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Statements that take no longer than this travel together.
const QUICK_MICROS: u32 = 1000;
/// Larger messages do not travel with others.
const QUICK_BYTES: usize = 8 * 1024;

/// How a product's database is read.
#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// The primary.
    pub primary: Target,
    /// Streaming replicas, if reads may go to them.
    pub replicas: Option<Replicas>,
    /// Connections for statements.
    pub connections: usize,
    /// Statements of a kind (quick, slow) that may wait; more are refused.
    pub waiting: usize,
    /// How long a slow statement may wait for a connection.
    pub wait: Duration,
    /// A server that says nothing for this long is given up; longer than its `statement_timeout`.
    pub silence: Duration,
    /// The largest answer, in bytes.
    pub largest_answer: usize,
}

impl ReaderOptions {
    /// Defaults for the server of `primary`, whose sessions have a `statement_timeout` of `limit`.
    pub fn new(primary: Target, limit: Duration) -> Self {
        Self {
            primary,
            replicas: None,
            connections: 16,
            waiting: 1000,
            wait: Duration::from_secs(10),
            silence: limit + Duration::from_secs(5),
            largest_answer: 256 * 1024 * 1024,
        }
    }
}

/// A statement to run.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Tells the statement's text from all others of this process.
    pub id: u64,
    /// The text.
    pub text: &'a Arc<str>,
    /// The values of `$1…`.
    pub binds: &'a [Bind],
    /// How long the statement takes, in microseconds: kept here from one run to the next. 0: not known.
    pub pace: &'a AtomicU32,
    /// Whether a replica's rows, which may be a little old, will not do.
    pub primary: bool,
}

impl Ask<'_> {
    /// The name of the prepared statement.
    pub fn name(&self) -> String {
        statement_name(self.id)
    }
}

/// Runs statements. Cheap to clone; the last one dropped closes the connections.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Closing>,
}

struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.replicas.close();
    }
}

/// What the lanes share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) replicas: Targets,
    pub(crate) options: ReaderOptions,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("primary", &self.inner.0.options.primary).finish_non_exhaustive()
    }
}

impl Reader {
    /// Start the lanes, which connect when they are first needed. Must be called within a tokio runtime.
    pub fn start(options: ReaderOptions) -> Self {
        let lanes = options.connections.max(1);
        // more processes than cores would only take turns; what waits meanwhile travels together
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let quick = cores.clamp(1, lanes.div_ceil(2));
        let limits = Limits { quick, slow: (lanes - quick).max(1), waiting: options.waiting };
        let replicas = Targets::new(options.primary.clone(), options.replicas.as_ref());
        let shared = Arc::new(Shared { queue: Queue::new(lanes, limits), replicas, options });
        for number in 0..lanes {
            tokio::spawn(lane::run(Arc::clone(&shared), number));
        }
        shared.replicas.watch();
        Self { inner: Arc::new(Closing(shared)) }
    }

    /// Run a statement. Dropping the future cancels a slow one.
    ///
    /// # Errors
    /// [`DriverError`]; `Busy` where too many wait.
    pub async fn fetch(&self, ask: &Ask<'_>) -> Result<Rows, DriverError> {
        let shared = &self.inner.0;
        let mut message = BytesMut::with_capacity(128);
        bind_and_execute(&statement_name(ask.id), ask.binds, 0, &mut message)?;
        let pace = ask.pace.load(Ordering::Relaxed);
        let quick = !ask.primary && pace != 0 && pace <= QUICK_MICROS && message.len() <= QUICK_BYTES;
        let (reply, mut answer) = oneshot::channel();
        let started = Arc::new(AtomicBool::new(false));
        shared.queue.submit(Request {
            id: ask.id,
            text: Arc::clone(ask.text),
            message,
            quick,
            primary: ask.primary,
            reply,
            started: Arc::clone(&started),
            attempts: 0,
        })?;
        let answer = if quick {
            answer.await
        } else {
            match timeout(shared.options.wait, &mut answer).await {
                Ok(answer) => answer,
                Err(_) if started.load(Ordering::Acquire) => answer.await,
                Err(_) => return Err(DriverError::Busy),
            }
        };
        let answer = answer.map_err(|_| DriverError::Closed)??;
        ask.pace.store(paced(pace, answer.took), Ordering::Relaxed);
        Ok(answer.rows)
    }

    /// How many quick and slow statements wait for a connection.
    pub fn waiting(&self) -> [usize; 2] {
        self.inner.0.queue.waiting()
    }
}

/// What a statement is taken to need: close to the shortest time lately seen, because on a busy machine most of what is
/// measured is the others; but a run that took very much longer counts at once.
fn paced(before: u32, took: Duration) -> u32 {
    let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
    if before == 0 || took < before {
        return took;
    }
    before.saturating_add((took - before) / 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_shortest_times() {
        let micros = Duration::from_micros;
        assert_eq!(paced(0, micros(2000)), 2000);
        assert_eq!(paced(2000, micros(300)), 300);
        assert!(paced(300, micros(400)) < 310);
        assert!(paced(300, Duration::from_secs(1)) > QUICK_MICROS);
    }
}
