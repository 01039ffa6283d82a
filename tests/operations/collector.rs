//! A collector of traces: turns OTLP requests over HTTP into the spans that a test looks at.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A span, and the service that made it.
#[derive(Debug, Clone)]
pub struct Made {
    pub service: String,
    pub span: Span,
}

/// A running collector.
pub struct Collector {
    pub base: String,
    spans: watch::Receiver<Vec<Made>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (sender, spans) = watch::channel(Vec::new());
        let router = Router::new().route("/v1/traces", post(take)).with_state(sender);
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { base, spans }
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Made> {
        self.spans.borrow().clone()
    }

    /// The spans, when they are as wanted.
    pub async fn until(&self, wanted: impl Fn(&[Made]) -> bool) -> Vec<Made> {
        let mut spans = self.spans.clone();
        let waiting = spans.wait_for(|spans| wanted(spans));
        match tokio::time::timeout(Duration::from_secs(60), waiting).await {
            Ok(spans) => spans.unwrap().clone(),
            Err(_) => panic!("the spans did not come: {:#?}", self.spans()),
        }
    }
}

async fn take(State(spans): State<watch::Sender<Vec<Made>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    spans.send_modify(|all| {
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = text(&attributes, "service.name").unwrap_or_default();
            let made = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            all.extend(made.map(|span| Made { service: service.clone(), span }));
        }
    });
    StatusCode::OK
}

impl Made {
    pub fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    pub fn text(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        match value(&self.span.attributes, key)? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
