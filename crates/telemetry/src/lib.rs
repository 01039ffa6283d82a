//! Telemetry: turns what a process does into log lines, metrics and traces.
//!
//! What belongs to a request — its id, its trace — goes along with the task that works for it ([`along`]): log lines have
//! both, and requests to others carry them on.

pub mod along;
mod histogram;
mod logging;
pub mod meters;
mod metrics;
pub mod trace;

pub use along::{Along, Names};
pub use histogram::Histogram;
pub use logging::{LogFormat, init_logging};
pub use metrics::{MetricsHandle, bounded, init_metrics};
