//! Places: turns a bound of calls at once into a place for each, a short wait for one, or a refusal.

use crate::config::ConcurrencyConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terrane_execute::TransportError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one subgraph.
pub struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    subgraph: String,
}

/// One who waits; counted until it goes.
struct Waiting<'a>(&'a Places);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        metrics::gauge!("terrane_subgraph_calls_waiting", "subgraph" => self.0.subgraph.clone()).decrement(1);
    }
}

impl Places {
    pub fn new(subgraph: &str, config: &ConcurrencyConfig) -> Self {
        Self {
            free: Arc::new(Semaphore::new(config.calls.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting: config.waiting,
            subgraph: subgraph.to_owned(),
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
            let (subgraph, why) = (self.subgraph.clone(), "overloaded");
            metrics::counter!("terrane_subgraph_refused_total", "subgraph" => subgraph, "why" => why).increment(1);
            return Err(TransportError::Overloaded);
        }
        metrics::gauge!("terrane_subgraph_calls_waiting", "subgraph" => self.subgraph.clone()).increment(1);
        let _waiting = Waiting(self);
        Arc::clone(&self.free).acquire_owned().await.map_err(|_| TransportError::Overloaded)
    }
}
