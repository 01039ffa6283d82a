//! Telemetry: turns what a process does into log lines, metrics and traces.
//!
//! What belongs to a request — its id, its trace — goes along with the task that works for it ([`along`]): log lines have
//! both, and requests to others carry them on.
//!
//! What leaves the process — log lines, `/metrics`, spans to a collector — needs the feature `export`: a library that only
//! notes what it does builds without it.

#![cfg_attr(not(feature = "export"), allow(dead_code, reason = "who exports reads what others note"))]

pub mod along;
mod histogram;
mod labels;
#[cfg(feature = "export")]
mod logging;
pub mod meters;
#[cfg(feature = "export")]
mod metrics;
pub mod trace;

pub use along::{Along, Names};
pub use histogram::Histogram;
pub use labels::bounded;
#[cfg(feature = "export")]
pub use logging::{LogFormat, init_logging};
#[cfg(feature = "export")]
pub use metrics::{MetricsHandle, init_metrics};
