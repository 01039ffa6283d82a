//! The collector's client: turns batches of spans into HTTP requests, and what becomes of them into a count.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use metrics::Counter;
use opentelemetry_http::{HttpClient, HttpError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// Bytes of a collector's answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Sends batches. The exporter runs on a thread of its own, so requests are handed to the runtime.
#[derive(Debug)]
pub(super) struct CollectorClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
    outcomes: Arc<Outcomes>,
}

struct Outcomes {
    sent: Counter,
    failed: Counter,
    failing: AtomicBool,
}

impl std::fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcomes").field("failing", &self.failing).finish_non_exhaustive()
    }
}

impl CollectorClient {
    pub fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(timeout));
        let builder = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(TokioTimer::new())
            .build(builder.wrap_connector(connector));
        let counter = |outcome| metrics::counter!("terrane_trace_exports_total", "outcome" => outcome);
        let outcomes = Outcomes { sent: counter("sent"), failed: counter("failed"), failing: AtomicBool::new(false) };
        Self { client, runtime: Handle::current(), timeout, outcomes: Arc::new(outcomes) }
    }
}

impl Outcomes {
    /// Count, and log a change.
    fn note(&self, failure: Option<&str>) {
        let counter = if failure.is_some() { &self.failed } else { &self.sent };
        counter.increment(1);
        let before = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !before => {
                tracing::warn!(error, "the trace collector does not take spans; they are dropped")
            }
            None if before => tracing::info!("the trace collector takes spans again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, timeout, outcomes) = (self.client.clone(), self.timeout, Arc::clone(&self.outcomes));
        let sending = self.runtime.spawn(async move {
            let exchange = async {
                let response = client.request(request.map(Full::new)).await?;
                let (head, body) = response.into_parts();
                let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
                if !head.status.is_success() {
                    return Err(format!("the collector answered with status {}", head.status.as_u16()).into());
                }
                Ok::<_, HttpError>(Response::from_parts(head, body))
            };
            let result = match tokio::time::timeout(timeout, exchange).await {
                Ok(result) => result,
                Err(_) => Err("the collector did not answer in time".into()),
            };
            outcomes.note(result.as_ref().err().map(ToString::to_string).as_deref());
            result
        });
        sending.await?
    }
}
