//! Meters: turns a product's id into the counters of what it does, looked up once.

use crate::levels::Level;
use metrics::{Counter, Gauge};
use std::time::{Duration, Instant};
use terrane_driver::{DriverError, Rows};
use terrane_store::{Run, Version};
use terrane_stream::events::Written;
use terrane_telemetry::Histogram;
use terrane_telemetry::meters::{HttpMeters, OperationMeters, PlanMeters, number};

/// What became of an operation: a short list, so that the metrics' labels are bounded.
const OUTCOMES: [&str; 4] = ["answered", "unauthenticated", "refused", "failed"];
/// What became of a statement.
const STATEMENTS: [&str; 5] = ["answered", "timeout", "busy", "too_large", "failed"];

/// Counters and times of one product.
pub struct Meters {
    pub http: HttpMeters,
    pub operations: OperationMeters,
    pub plans: PlanMeters,
    statements: [Counter; 5],
    statement_seconds: Histogram,
    rows: Counter,
    bytes: Counter,
    waiting: [Gauge; 2],
    runs: [Counter; 3],
    run_seconds: Histogram,
    version: Gauge,
    published: Gauge,
    events: [Counter; 3],
    refused: Counter,
    held: [Gauge; 2],
    streams: Gauge,
    product: String,
}

impl Meters {
    /// Register them; the process's recorder must be there.
    pub fn new(product: &str) -> Self {
        let server = || product.to_owned();
        Self {
            http: HttpMeters::new(product),
            operations: OperationMeters::new(product, &OUTCOMES),
            plans: PlanMeters::new(product),
            statements: STATEMENTS.map(
                |outcome| metrics::counter!("terrane_statements_total", "server" => server(), "outcome" => outcome),
            ),
            statement_seconds: Histogram::seconds("terrane_statement_seconds", Some(("server", product))),
            rows: metrics::counter!("terrane_statement_rows_total", "server" => server()),
            bytes: metrics::counter!("terrane_statement_received_bytes_total", "server" => server()),
            waiting: ["quick", "slow"]
                .map(|kind| metrics::gauge!("terrane_statements_waiting", "server" => server(), "kind" => kind)),
            runs: ["succeeded", "failed", "refused"]
                .map(|outcome| metrics::counter!("terrane_runs_total", "server" => server(), "outcome" => outcome)),
            run_seconds: Histogram::seconds("terrane_run_seconds", Some(("server", product))),
            version: metrics::gauge!("terrane_published_version", "server" => server()),
            published: metrics::gauge!("terrane_published_timestamp_seconds", "server" => server()),
            events: ["accepted", "duplicate", "late"]
                .map(|outcome| metrics::counter!("terrane_events_total", "server" => server(), "outcome" => outcome)),
            refused: metrics::counter!("terrane_events_refusals_total", "server" => server()),
            held: ["terrane_events_unpublished", "terrane_events_held"]
                .map(|name| metrics::gauge!(name, "server" => server())),
            streams: metrics::gauge!("terrane_streams_open", "server" => server()),
            product: server(),
        }
    }

    /// A statement that was sent at `started` has its answer; a word for what became of it.
    pub fn statement(&self, answer: &Result<Rows, DriverError>, started: Instant) -> &'static str {
        let outcome = match answer {
            Ok(_) => 0,
            Err(DriverError::Timeout) => 1,
            Err(DriverError::Busy) => 2,
            Err(DriverError::TooLarge(_)) => 3,
            Err(_) => 4,
        };
        if let Ok(rows) = answer {
            self.bytes.increment(rows.len() as u64);
        }
        self.statements[outcome].increment(1);
        self.statement_seconds.record(started.elapsed());
        STATEMENTS[outcome]
    }

    /// So many rows were read.
    pub fn rows(&self, count: u64) {
        self.rows.increment(count);
    }

    /// A run has ended, or there was none.
    pub fn run(&self, run: Option<&Run>, time: Duration) {
        let outcome = match run {
            Some(run) if run.version.is_some() => 0,
            Some(_) => 1,
            None => 2,
        };
        self.runs[outcome].increment(1);
        self.run_seconds.record(time);
    }

    /// Events were stored.
    pub fn events(&self, written: &Written) {
        for (counter, count) in self.events.iter().zip([written.accepted, written.duplicates, written.late]) {
            counter.increment(count as u64);
        }
    }

    /// Stored events were not published, for they would break the contract.
    pub fn events_refused(&self) {
        self.refused.increment(1);
    }

    /// So many events are stored and not published; whether something keeps them from it.
    pub fn unpublished(&self, left: u64, held: bool) {
        self.held[0].set(number(left));
        self.held[1].set(if held { 1.0 } else { 0.0 });
    }

    /// How service levels are kept; there are as many as the contracts have.
    pub(crate) fn levels(&self, levels: &[Level]) {
        let gauge = |name: &'static str, level: &Level| metrics::gauge!(name, "server" => self.product.clone(), "level" => level.key.clone());
        for level in levels {
            let met = level.met.map_or(f64::NAN, |met| if met { 1.0 } else { 0.0 });
            gauge("terrane_service_level_met", level).set(met);
            gauge("terrane_service_level_measured", level).set(level.measured.unwrap_or(f64::NAN));
            if let Some(budget) = level.budget {
                gauge("terrane_error_budget_left", level).set(budget);
            }
        }
    }

    /// So many streams are open.
    pub fn streams(&self, open: usize) {
        self.streams.set(number(open as u64));
    }

    /// The version that readers see, and the statements that wait.
    pub fn measure(&self, version: Option<&Version>, waiting: [usize; 2]) {
        if let Some(version) = version {
            self.version.set(number(version.version.unsigned_abs()));
            self.published.set(number(version.published_at.timestamp().unsigned_abs()));
        }
        for (gauge, count) in self.waiting.iter().zip(waiting) {
            gauge.set(number(count as u64));
        }
    }
}
