//! Settings of telemetry: turns the `telemetry` section into where traces go, and which of them are sampled.

use http::{HeaderName, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use terrane_telemetry::trace::{Sampling, TraceSettings};

/// What the gateway tells of itself. What is not set is taken from the environment variables of the OpenTelemetry
/// specification. A change takes effect at the next start.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The name under which spans are shown; `OTEL_SERVICE_NAME`, or `terrane-gateway`.
    pub service_name: Option<String>,
    /// Traces.
    pub traces: TracesConfig,
}

/// Where traces go, and which of them are sampled.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// The collector, as `http://collector:4318`: it is asked at `/v1/traces` (OTLP over HTTP, protobuf). Without it,
    /// here or in `OTEL_EXPORTER_OTLP_ENDPOINT`, nothing is traced.
    pub endpoint: Option<String>,
    /// Headers that the collector asks for.
    pub headers: BTreeMap<String, String>,
    /// The part of all traces that is sampled, from 0 to 1; a caller whose request is part of a trace has decided that
    /// already.
    pub ratio: Option<f64>,
    /// Spans that wait to be sent; more are dropped.
    pub queue: Option<usize>,
    /// Seconds that the collector may take for a batch of them.
    pub timeout_seconds: Option<u64>,
}

impl TelemetryConfig {
    /// What is wrong with it: the key's path and the reason.
    pub(super) fn wrong(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let traces = &self.traces;
        let is_http = |text: &String| {
            let uri: Option<Uri> = text.parse().ok();
            uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        };
        if traces.endpoint.as_ref().is_some_and(|endpoint| !is_http(endpoint)) {
            wrong.push(("telemetry.traces.endpoint".to_owned(), "write one as http://collector:4318".to_owned()));
        }
        if traces.ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            wrong.push(("telemetry.traces.ratio".to_owned(), "write a number from 0 to 1".to_owned()));
        }
        if traces.queue.is_some_and(|queue| !(1..=1_000_000).contains(&queue)) {
            wrong.push(("telemetry.traces.queue".to_owned(), "write a number from 1 to 1000000".to_owned()));
        }
        if traces.timeout_seconds == Some(0) {
            wrong.push(("telemetry.traces.timeout_seconds".to_owned(), "write 1 or more".to_owned()));
        }
        for (name, value) in &traces.headers {
            if name.parse::<HeaderName>().is_err() || value.parse::<HeaderValue>().is_err() {
                wrong.push((format!("telemetry.traces.headers.{name}"), "this is no header".to_owned()));
            }
        }
        wrong
    }

    /// These settings over those of the environment.
    ///
    /// # Errors
    /// What is wrong with the environment.
    pub fn settings(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<TraceSettings, String> {
        let mut settings = TraceSettings::from_environment("terrane-gateway", variable)?;
        let traces = &self.traces;
        if let Some(endpoint) = &traces.endpoint {
            settings.endpoint = Some(TraceSettings::endpoint_of(endpoint));
        }
        if let Some(ratio) = traces.ratio {
            settings.sampling = Sampling { parent_based: true, ratio };
        }
        if let Some(name) = &self.service_name {
            settings.service_name.clone_from(name);
        }
        settings.queue = traces.queue.unwrap_or(settings.queue);
        settings.timeout = traces.timeout_seconds.map_or(settings.timeout, Duration::from_secs);
        settings.headers.extend(traces.headers.clone());
        Ok(settings)
    }
}
