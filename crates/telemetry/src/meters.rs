//! Meters: turns the name of a server into the counters and times of its requests, looked up once. A count is then one
//! atomic operation.

use crate::Histogram;
use http::StatusCode;
use metrics::{Counter, Gauge};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The values of the label `status`.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1
}

/// HTTP requests.
pub struct HttpMeters {
    requests: [Counter; 5],
    seconds: Histogram,
    under_way: Gauge,
}

impl HttpMeters {
    /// Look them up; the process's recorder must be there.
    pub fn new(server: &str) -> Self {
        let owned = || server.to_owned();
        Self {
            requests: CLASSES.map(
                |status| metrics::counter!("terrane_http_requests_total", "server" => owned(), "status" => status),
            ),
            seconds: Histogram::seconds("terrane_http_request_seconds", Some(("server", server))),
            under_way: metrics::gauge!("terrane_http_requests_under_way", "server" => owned()),
        }
    }

    /// A request begins.
    pub fn begin(&self) -> UnderWay<'_> {
        self.under_way.increment(1.0);
        UnderWay { meters: self, started: Instant::now() }
    }
}

/// A request under way.
pub struct UnderWay<'m> {
    meters: &'m HttpMeters,
    started: Instant,
}

impl UnderWay<'_> {
    /// Its response is there.
    pub fn end(self, status: StatusCode) {
        self.meters.requests[class(status)].increment(1);
        self.meters.seconds.record(self.started.elapsed());
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.meters.under_way.decrement(1.0);
    }
}

/// GraphQL operations, by what became of them.
pub struct OperationMeters {
    outcomes: &'static [&'static str],
    operations: Vec<[Counter; 5]>,
    seconds: Histogram,
}

impl OperationMeters {
    /// Look them up. `outcomes` are the values of the label `outcome`; the last one stands for any other.
    pub fn new(server: &str, outcomes: &'static [&'static str]) -> Self {
        let counters = |outcome: &'static str| {
            CLASSES.map(|status| {
                let server = server.to_owned();
                metrics::counter!("terrane_graphql_requests_total",
                    "server" => server, "outcome" => outcome, "status" => status)
            })
        };
        Self {
            outcomes,
            operations: outcomes.iter().copied().map(counters).collect(),
            seconds: Histogram::seconds("terrane_graphql_request_seconds", Some(("server", server))),
        }
    }

    /// An operation that was asked for at `started` has its reply.
    pub fn count(&self, outcome: &str, status: StatusCode, started: Instant) {
        let known = self.outcomes.iter().position(|known| *known == outcome);
        if let Some(counters) = self.operations.get(known.unwrap_or(self.outcomes.len() - 1)) {
            counters[class(status)].increment(1);
        }
        self.seconds.record(started.elapsed());
    }
}

/// A cache of plans, and what plans cost.
pub struct PlanMeters {
    hits: Counter,
    misses: Counter,
    seconds: Histogram,
    entries: Gauge,
    bytes: Gauge,
}

impl PlanMeters {
    /// Look them up.
    pub fn new(server: &str) -> Self {
        let owned = || server.to_owned();
        Self {
            hits: metrics::counter!("terrane_plan_cache_hits_total", "server" => owned()),
            misses: metrics::counter!("terrane_plan_cache_misses_total", "server" => owned()),
            seconds: Histogram::seconds("terrane_plan_seconds", Some(("server", server))),
            entries: metrics::gauge!("terrane_plan_cache_entries", "server" => owned()),
            bytes: metrics::gauge!("terrane_plan_cache_bytes", "server" => owned()),
        }
    }

    /// A plan was known.
    pub fn hit(&self) {
        self.hits.increment(1);
    }

    /// A plan was made, or tried in vain, since `started`.
    pub fn miss(&self, started: Instant) {
        self.misses.increment(1);
        self.seconds.record(started.elapsed());
    }

    /// How large the cache is.
    pub fn measure(&self, entries: u64, bytes: u64) {
        self.entries.set(number(entries));
        self.bytes.set(number(bytes));
    }
}

/// A number as gauges have it.
#[allow(clippy::cast_precision_loss, reason = "what is counted does not need all digits")]
pub fn number(value: u64) -> f64 {
    value as f64
}

/// Now, as gauges have it: seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
