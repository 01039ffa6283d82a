//! Meters: turns what the gateway does into counters and times, looked up once.

use metrics::{Counter, Gauge};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use terrane_telemetry::Histogram;
use terrane_telemetry::meters::{HttpMeters, OperationMeters, now, number};

/// What became of an operation.
const OUTCOMES: [&str; 6] = ["answered", "refused", "unauthenticated", "limited", "unavailable", "other"];

/// Counters and times of the requests, and of the graph.
pub struct Meters {
    pub http: HttpMeters,
    pub operations: OperationMeters,
    refreshes: [Counter; 3],
    compose_seconds: Histogram,
    composed: Gauge,
    loaded: Gauge,
    version: Gauge,
    problems: Gauge,
}

/// What a look at the sources led to.
#[derive(Debug, Clone, Copy)]
pub enum Refreshed {
    /// Another graph is served.
    Changed,
    /// The same graph is served, and it is what the sources compose to.
    Same,
    /// Something is wrong with the sources.
    Failed,
}

impl Meters {
    /// Look them up; the process's recorder must be there.
    pub fn new() -> Self {
        let refresh = |outcome| metrics::counter!("terrane_graph_refreshes_total", "outcome" => outcome);
        Self {
            http: HttpMeters::new("gateway"),
            operations: OperationMeters::new("gateway", &OUTCOMES),
            refreshes: ["changed", "same", "failed"].map(refresh),
            compose_seconds: Histogram::seconds("terrane_compose_seconds", None),
            composed: metrics::gauge!("terrane_graph_composed_timestamp_seconds"),
            loaded: metrics::gauge!("terrane_graph_loaded_timestamp_seconds"),
            version: metrics::gauge!("terrane_graph_version"),
            problems: metrics::gauge!("terrane_graph_problems"),
        }
    }

    /// Composing took so long.
    pub fn composed(&self, time: Duration) {
        self.compose_seconds.record(time);
    }

    /// The sources were looked at.
    pub fn refreshed(&self, refreshed: Refreshed, problems: usize) {
        self.refreshes[refreshed as usize].increment(1);
        self.problems.set(number(problems as u64));
        if !matches!(refreshed, Refreshed::Failed) {
            self.composed.set(now());
        }
    }

    /// A graph with this text is served from now on. Gateways that serve the same have the same version: the first 48
    /// bits of the text's SHA-256.
    pub fn loaded(&self, sdl: &str) {
        self.loaded.set(now());
        let digest: [u8; 32] = Sha256::digest(sdl.as_bytes()).into();
        self.version.set(number(digest[..6].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))));
    }
}
