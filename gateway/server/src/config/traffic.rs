//! Traffic settings: how many requests at once, and how calls of subgraphs are bounded, repeated and given up.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Requests of clients and calls of subgraphs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrafficConfig {
    /// Operations that run at the same time; more are refused at once (503, `retry-after`). 0 is without bound.
    pub in_flight: usize,
    /// Calls of every subgraph.
    pub all: CallConfig,
    /// Calls of some subgraphs, by name; what is said here replaces what `all` says.
    pub subgraphs: BTreeMap<String, CallConfig>,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self { in_flight: 10_000, all: CallConfig::default(), subgraphs: BTreeMap::new() }
    }
}

/// How a subgraph is called. What is left out is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallConfig {
    /// Seconds until an answer is given up, with all repetitions; `limits.subgraph_timeout_seconds` where nothing is said.
    pub timeout_seconds: Option<f64>,
    /// At most so many calls at once.
    pub concurrency: Option<ConcurrencyConfig>,
    /// Repetition of queries that failed.
    pub retries: Option<RetryConfig>,
    /// No calls for a while after many have failed.
    pub breaker: Option<BreakerConfig>,
}

impl CallConfig {
    /// Whether anything but a time limit is on.
    pub fn is_guarded(&self) -> bool {
        self.concurrency.is_some() || self.retries.is_some() || self.breaker.is_some()
    }
}

impl TrafficConfig {
    /// How the subgraph `name` is called.
    pub fn of(&self, name: &str) -> CallConfig {
        let own = self.subgraphs.get(name).copied().unwrap_or_default();
        CallConfig {
            timeout_seconds: own.timeout_seconds.or(self.all.timeout_seconds),
            concurrency: own.concurrency.or(self.all.concurrency),
            retries: own.retries.or(self.all.retries),
            breaker: own.breaker.or(self.all.breaker),
        }
    }
}

/// At most so many calls at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConcurrencyConfig {
    /// Calls at once.
    pub calls: usize,
    /// Calls that wait for their turn; more fail at once.
    pub waiting: usize,
}

impl Default for ConcurrencyConfig {
    fn default() -> Self {
        Self { calls: 256, waiting: 1_024 }
    }
}

/// Repetition of queries after a broken connection or a status of 502, 503 or 504. Mutations are sent once.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Repetitions of one call at most.
    pub attempts: u32,
    /// Milliseconds before the first one; then twice as long each time, more or less by chance.
    pub backoff_millis: u64,
    /// Milliseconds between two at most.
    pub backoff_most_millis: u64,
    /// Repetitions are at most so many per cent of calls, so that a subgraph in trouble is not drowned …
    pub budget_percent: f32,
    /// … and so many a second besides.
    pub budget_per_second: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 2,
            backoff_millis: 20,
            backoff_most_millis: 1_000,
            budget_percent: 20.0,
            budget_per_second: 10,
        }
    }
}

/// When a subgraph is not called for a while.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Of the calls in a window, so many per cent have failed …
    pub failure_percent: f32,
    /// … and there were at least so many.
    pub calls: u32,
    /// Seconds of a window.
    pub window_seconds: f64,
    /// Seconds until one call is let through to see whether it is well again.
    pub open_seconds: f64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failure_percent: 50.0, calls: 20, window_seconds: 10.0, open_seconds: 5.0 }
    }
}
