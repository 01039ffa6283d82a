//! Telemetry: turns configuration into log output, metrics and request ids.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Text on a terminal, JSON elsewhere; `TERRANE_LOG_FORMAT` decides where it is set.
    pub fn from_environment() -> Self {
        match std::env::var("TERRANE_LOG_FORMAT").as_deref() {
            Ok("json") => Self::Json,
            Ok(_) => Self::Text,
            Err(_) if std::io::stderr().is_terminal() => Self::Text,
            Err(_) => Self::Json,
        }
    }
}

/// Send log lines to standard error. `default` is the filter where `TERRANE_LOG` is not set, e.g. `info`. A second call
/// changes nothing.
pub fn init_logging(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_env("TERRANE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if set.is_err() {
        tracing::debug!("logging is set up already");
    }
}

/// Collect metrics of this process; the handle renders them for `GET /metrics` in Prometheus's text format.
///
/// # Errors
/// [`BuildError`] when a recorder is installed already or the buckets are wrong.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])?
        .install_recorder()
}

pub use metrics_exporter_prometheus::PrometheusHandle as MetricsHandle;
