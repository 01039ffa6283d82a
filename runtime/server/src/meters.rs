//! Meters: turns a product's id into the counters of its GraphQL requests, looked up once.

use metrics::{Counter, Histogram};
use std::time::Duration;

/// What became of a request: a short list, so that the metrics' labels are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has an answer.
    Answered,
    /// The caller's token is bad.
    Unauthenticated,
    /// The request is wrong, or not allowed.
    Refused,
    /// We failed.
    Failed,
}

/// Counters and times of one product's requests.
pub struct Meters {
    requests: [Counter; 4],
    seconds: Histogram,
}

impl Meters {
    /// Register them; the process's recorder must be there.
    pub fn new(product: &str) -> Self {
        let outcomes = ["answered", "unauthenticated", "refused", "failed"];
        let requests = outcomes.map(|outcome| {
            metrics::counter!("terrane_graphql_requests_total", "server" => product.to_owned(), "outcome" => outcome)
        });
        let seconds = metrics::histogram!("terrane_graphql_request_seconds", "server" => product.to_owned());
        Self { requests, seconds }
    }

    /// Count a request that took `time`.
    pub fn request(&self, outcome: Outcome, time: Duration) {
        self.requests[outcome as usize].increment(1);
        self.seconds.record(time);
    }
}
