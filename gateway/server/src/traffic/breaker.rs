//! Breakers: turns the outcomes of calls into a decision to call, not to call, or to try once.

use crate::config::BreakerConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terrane_execute::TransportError;
use tokio::time::Instant;

/// The breaker of one subgraph.
pub struct Breaker {
    name: String,
    /// Of the calls in a window, from 0 to 1.
    ratio: f64,
    least: u32,
    window: Duration,
    open: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Calls go through, and are counted.
    Closed { since: Instant, calls: u32, failures: u32 },
    /// None goes through before `until`.
    Open { until: Instant },
    /// One is on its way to see.
    HalfOpen,
}

/// A call that was let through. Given up without an end, it says nothing.
pub struct Attempt {
    breaker: Arc<Breaker>,
    probe: bool,
    ended: bool,
}

impl Breaker {
    pub fn new(subgraph: &str, config: &BreakerConfig) -> Self {
        let seconds = |given: f64, usual: u64| Duration::try_from_secs_f64(given).unwrap_or(Duration::from_secs(usual));
        Self {
            ratio: f64::from(config.failure_percent) / 100.0,
            least: config.calls.max(1),
            window: seconds(config.window_seconds, 10),
            open: seconds(config.open_seconds, 5),
            state: Mutex::new(State::Closed { since: Instant::now(), calls: 0, failures: 0 }),
            name: subgraph.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let a call through.
    ///
    /// # Errors
    /// [`TransportError::CircuitOpen`] while none is.
    pub fn enter(self: &Arc<Self>) -> Result<Attempt, TransportError> {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => Ok(Attempt { breaker: Arc::clone(self), probe: false, ended: false }),
            State::Open { until } if Instant::now() >= until => {
                *state = State::HalfOpen;
                Ok(Attempt { breaker: Arc::clone(self), probe: true, ended: false })
            }
            State::Open { .. } | State::HalfOpen => {
                let (subgraph, why) = (self.name.clone(), "circuit_open");
                metrics::counter!("terrane_subgraph_refused_total", "subgraph" => subgraph, "why" => why).increment(1);
                Err(TransportError::CircuitOpen)
            }
        }
    }

    fn trip(&self, state: &mut State, why: &str) {
        tracing::warn!(subgraph = self.name, why, "the subgraph is not called for a while");
        *state = State::Open { until: Instant::now() + self.open };
        metrics::counter!("terrane_subgraph_breaker_opened_total", "subgraph" => self.name.clone()).increment(1);
        metrics::gauge!("terrane_subgraph_breaker_open", "subgraph" => self.name.clone()).set(1);
    }

    fn count(&self, well: bool) {
        let mut state = self.state();
        let now = Instant::now();
        // what began before it opened says nothing new
        let State::Closed { since, calls, failures } = &mut *state else { return };
        if now.duration_since(*since) > self.window {
            (*since, *calls, *failures) = (now, 0, 0);
        }
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(!well));
        if !well && *calls >= self.least && f64::from(*failures) >= self.ratio * f64::from(*calls) {
            self.trip(&mut state, "too many calls of it fail");
        }
    }

    fn probed(&self, well: bool) {
        let mut state = self.state();
        if well {
            tracing::info!(subgraph = self.name, "the subgraph is called again");
            *state = State::Closed { since: Instant::now(), calls: 0, failures: 0 };
            metrics::gauge!("terrane_subgraph_breaker_open", "subgraph" => self.name.clone()).set(0);
        } else {
            self.trip(&mut state, "it is not well yet");
        }
    }
}

impl Attempt {
    /// How the call went.
    pub fn end(mut self, well: bool) {
        self.ended = true;
        if self.probe { self.breaker.probed(well) } else { self.breaker.count(well) }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.probe && !self.ended {
            // nobody waited for it: the next call is the one to see
            *self.breaker.state() = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn breaker() -> Arc<Breaker> {
        let config = BreakerConfig { calls: 4, window_seconds: 10.0, open_seconds: 5.0, failure_percent: 50.0 };
        Arc::new(Breaker::new("a", &config))
    }

    fn call(breaker: &Arc<Breaker>, well: bool) -> bool {
        breaker.enter().map(|attempt| attempt.end(well)).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_tries_once_and_closes() {
        let breaker = breaker();
        assert!(call(&breaker, true) && call(&breaker, false) && call(&breaker, true), "too few to tell");
        assert!(call(&breaker, false));
        assert!(!call(&breaker, true), "two of four have failed");
        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = breaker.enter().unwrap();
        assert!(!call(&breaker, true), "one is on its way");
        probe.end(false);
        assert!(!call(&breaker, true));
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(breaker.enter().unwrap());
        assert!(call(&breaker, true), "a probe that was given up leaves the place to the next");
        assert!((0..3).all(|_| call(&breaker, true)));
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_are_forgotten() {
        let breaker = breaker();
        assert!((0..3).all(|_| call(&breaker, false)));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!((0..3).all(|_| call(&breaker, false)), "a new window has begun");
        assert!(call(&breaker, false));
        assert!(!call(&breaker, false));
    }
}
