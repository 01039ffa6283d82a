//! Exporting: turns settings into a tracer whose spans are sent to a collector in batches (OTLP over HTTP, protobuf).

use super::client::CollectorClient;
use super::settings::TraceSettings;
use super::{TRACER, Tracer};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use std::time::Duration;

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// Until a batch that is not full is sent.
const DELAY: Duration = Duration::from_secs(1);
/// For the last batch.
const FLUSH: Duration = Duration::from_secs(5);

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The address is wrong.
    #[error("the address of the collector, `{0}`: write one as http://collector:4318")]
    Endpoint(String),
    /// The exporter cannot be made.
    #[error("export traces: {0}")]
    Exporter(String),
    /// There is one already.
    #[error("this process exports traces already")]
    Twice,
}

/// Traces being exported.
#[derive(Debug)]
pub struct Exporting(SdkTracerProvider);

/// Export traces from now on; nothing where the settings have no endpoint. What goes wrong with the collector is logged
/// and counted, and changes nothing else. Must be called within a tokio runtime, which sends the batches.
///
/// # Errors
/// [`TraceError`].
pub fn start(settings: &TraceSettings) -> Result<Option<Exporting>, TraceError> {
    let Some(endpoint) = &settings.endpoint else { return Ok(None) };
    let parsed = endpoint.parse::<http::Uri>().ok();
    if !parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
        return Err(TraceError::Endpoint(endpoint.clone()));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient::new(settings.timeout))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.iter().cloned().collect())
        .build()
        .map_err(|error| TraceError::Exporter(error.to_string()))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue)
        .with_max_export_batch_size(BATCH.min(settings.queue))
        .with_scheduled_delay(DELAY)
        .build();
    let ratio = Sampler::TraceIdRatioBased(settings.sampling.ratio);
    let sampler = if settings.sampling.parent_based { Sampler::ParentBased(Box::new(ratio)) } else { ratio };
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_resource(resource)
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .build();
    let tracer = Tracer { tracer: provider.tracer("terrane"), parent_based: settings.sampling.parent_based };
    TRACER.set(tracer).map_err(|_| TraceError::Twice)?;
    Ok(Some(Exporting(provider)))
}

impl Exporting {
    /// Send what waits, within a few seconds, and stop.
    pub async fn end(self) {
        let ending = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH));
        if let Ok(Err(error)) = ending.await {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}
