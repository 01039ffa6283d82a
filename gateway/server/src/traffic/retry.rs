//! Repetition: turns the failure of a query's call into another call, within a budget and before the deadline.

use super::{Called, Deadline, is_unavailable};
use crate::config::RetryConfig;
use bytes::Bytes;
use http::Request;
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::TransportError;
use terrane_execute::transport::AtMostOnce;
use tokio::time::Sleep;
use tower::retry::Policy;
use tower::retry::backoff::{Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff as _};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::util::rng::HasherRng;

/// For how long calls add to the budget.
const BUDGET: Duration = Duration::from_secs(10);

/// The repetitions that one call may have; a clone begins anew.
#[derive(Clone)]
pub struct Repetition {
    left: u32,
    backoff: ExponentialBackoff<HasherRng>,
    budget: Arc<TpsBudget>,
    subgraph: Arc<str>,
}

impl Repetition {
    pub fn new(subgraph: &str, config: &RetryConfig) -> Self {
        let first = Duration::from_millis(config.backoff_millis.max(1));
        let most = Duration::from_millis(config.backoff_most_millis).max(first);
        let maker = ExponentialBackoffMaker::new(first, most, 0.5, HasherRng::default());
        let backoff =
            maker.map_or_else(|_| ExponentialBackoffMaker::default().make_backoff(), |mut m| m.make_backoff());
        // what the budget takes; more is a mistake that is cut
        let share = (config.budget_percent / 100.0).clamp(0.0, 1_000.0);
        Self {
            left: config.attempts,
            backoff,
            budget: Arc::new(TpsBudget::new(BUDGET, config.budget_per_second, share)),
            subgraph: subgraph.into(),
        }
    }
}

impl Policy<Request<Bytes>, http::Response<Bytes>, TransportError> for Repetition {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request<Bytes>, called: &mut Called) -> Option<Sleep> {
        let worth = match called {
            Ok(response) => is_unavailable(response.status()),
            Err(TransportError::Unreachable(_)) => true,
            Err(_) => false,
        };
        if !worth {
            self.budget.deposit();
            return None;
        }
        if self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        let wait = self.backoff.next_backoff();
        // an answer after the deadline is of no use to anybody
        if request.extensions().get::<Deadline>().is_some_and(|deadline| wait.deadline() >= deadline.0) {
            return None;
        }
        metrics::counter!("terrane_subgraph_retries_total", "subgraph" => self.subgraph.to_string()).increment(1);
        Some(wait)
    }

    fn clone_request(&mut self, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        let repeatable = self.left > 0 && request.extensions().get::<AtMostOnce>().is_none();
        repeatable.then(|| request.clone())
    }
}
