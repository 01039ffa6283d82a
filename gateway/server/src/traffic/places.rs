//! Places: turns a bound of calls at once into a place for each, a short wait for one, or a refusal.

use crate::config::ConcurrencyConfig;
use metrics::{Counter, Gauge};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terrane_execute::TransportError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one subgraph.
pub struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    refused: Counter,
    queue: Gauge,
}

/// One who waits; counted until it goes.
struct Waiting<'a>(&'a Places);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.queue.decrement(1);
    }
}

impl Places {
    pub fn new(subgraph: &str, config: &ConcurrencyConfig) -> Self {
        let name = subgraph.to_owned();
        Self {
            free: Arc::new(Semaphore::new(config.calls.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting: config.waiting,
            refused: metrics::counter!("terrane_subgraph_refused_total", "subgraph" => name.clone(), "why" => "overloaded"),
            queue: metrics::gauge!("terrane_subgraph_calls_waiting", "subgraph" => name),
        }
    }

    /// A place, at once or when one is free.
    ///
    /// # Errors
    /// [`TransportError::Overloaded`] where too many wait already.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(place);
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.most_waiting {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.refused.increment(1);
            return Err(TransportError::Overloaded);
        }
        self.queue.increment(1);
        let _waiting = Waiting(self);
        Arc::clone(&self.free).acquire_owned().await.map_err(|_| TransportError::Overloaded)
    }
}
