//! Meters: turns subgraphs into the counters of what they are asked, looked up once.

use crate::transport::{Answered, Received, TransportError};
use metrics::{Counter, Gauge};
use std::time::Instant;
use terrane_telemetry::{Histogram, bounded};

/// What became of a request to a subgraph: the values of the label `outcome`.
const OUTCOMES: [&str; 8] =
    ["answered", "http_error", "unreachable", "timeout", "too_large", "overloaded", "circuit_open", "cancelled"];
const CANCELLED: usize = OUTCOMES.len() - 1;

/// Counters of one subgraph.
pub(crate) struct SubgraphMeters {
    requests: [Counter; 8],
    joined: Counter,
    under_way: Gauge,
    seconds: Histogram,
    sent: Counter,
    received: Counter,
}

impl SubgraphMeters {
    pub fn new(subgraph: &str) -> Self {
        let subgraph = bounded(subgraph);
        let label = || subgraph.clone();
        Self {
            requests: OUTCOMES.map(|outcome| {
                metrics::counter!("terrane_subgraph_requests_total", "subgraph" => label(), "outcome" => outcome)
            }),
            joined: metrics::counter!("terrane_subgraph_requests_joined_total", "subgraph" => label()),
            under_way: metrics::gauge!("terrane_subgraph_requests_under_way", "subgraph" => label()),
            seconds: Histogram::seconds("terrane_subgraph_request_seconds", Some(("subgraph", &subgraph))),
            sent: metrics::counter!("terrane_subgraph_sent_bytes_total", "subgraph" => label()),
            received: metrics::counter!("terrane_subgraph_received_bytes_total", "subgraph" => label()),
        }
    }

    /// A request of so many bytes goes out.
    pub fn ask(&self, bytes: usize) -> Asked<'_> {
        self.sent.increment(bytes as u64);
        self.under_way.increment(1.0);
        Asked { meters: self, started: Instant::now(), outcome: CANCELLED }
    }

    /// A request was not sent, for an equal one is under way.
    pub fn joined(&self) {
        self.joined.increment(1);
    }
}

impl std::fmt::Debug for SubgraphMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubgraphMeters").finish_non_exhaustive()
    }
}

/// A request under way; dropped before it has an outcome, it was cancelled.
pub(crate) struct Asked<'m> {
    meters: &'m SubgraphMeters,
    started: Instant,
    outcome: usize,
}

impl Asked<'_> {
    /// The request has its outcome; a word for it.
    pub fn end(mut self, answered: &Answered) -> &'static str {
        self.outcome = match answered {
            Ok(Received { status, body, .. }) => {
                self.meters.received.increment(body.len() as u64);
                usize::from(!status.is_success())
            }
            Err(TransportError::Unreachable(_)) => 2,
            Err(TransportError::Timeout(_)) => 3,
            Err(TransportError::TooLarge(_)) => 4,
            Err(TransportError::Overloaded) => 5,
            Err(TransportError::CircuitOpen) => 6,
        };
        OUTCOMES[self.outcome]
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.meters.under_way.decrement(1.0);
        self.meters.requests[self.outcome].increment(1);
        self.meters.seconds.record(self.started.elapsed());
    }
}
