//! Metrics: turns what is counted in this process into Prometheus's text format.

use crate::histogram;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use std::time::Duration;

/// Buckets of the histograms of others: ours are [`crate::Histogram`].
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: [f64; 9] = [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Between two times that what histograms were told is put into their buckets: until then, each value is kept.
const UPKEEP: Duration = Duration::from_secs(5);

/// What this process counts.
#[derive(Clone)]
pub struct MetricsHandle {
    prometheus: PrometheusHandle,
    process: Collector,
}

/// Collect metrics of this process; the handle renders them for `GET /metrics`.
///
/// # Errors
/// [`BuildError`] when a recorder is installed already or the buckets are wrong.
pub fn init_metrics() -> Result<MetricsHandle, BuildError> {
    let prometheus = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .install_recorder()?;
    let process = Collector::default();
    process.describe();
    Ok(MetricsHandle { prometheus, process })
}

impl MetricsHandle {
    /// Everything, in Prometheus's text format (version 0.0.4).
    pub fn render(&self) -> String {
        self.process.collect();
        let mut out = self.prometheus.render();
        histogram::render(&mut out);
        out
    }

    /// Keep histograms small, for ever, whether somebody scrapes or not.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.prometheus.run_upkeep();
        }
    }
}
