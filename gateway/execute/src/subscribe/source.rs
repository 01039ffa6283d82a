//! Sources: turns the question to a subgraph into a stream of signals, whatever the protocol.

use super::multipart::MultipartReader;
use super::sse::SseReader;
use super::{SourceError, WireReader, websocket};
use crate::transport::{Headers, StreamBody, StreamTransport, TransportError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// What was seen of a stream of events that is opened again (HTML standard, section 9.2).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A subgraph's word that a stream begins where its question says, and not now.
const POSITIONED: HeaderName = HeaderName::from_static("x-stream-positioned");

/// How a subgraph sends events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// A POST request whose response is SSE or multipart, as the subgraph likes.
    #[default]
    Http,
    /// A POST request answered with `text/event-stream` (GraphQL over SSE, distinct connections mode).
    Sse,
    /// A POST request answered with `multipart/mixed; subscriptionSpec=1.0`.
    Multipart,
    /// A WebSocket with the sub-protocol `graphql-transport-ws`.
    WebSocket,
}

/// Lets the opening of a stream through, or says why not now, as the guard of the subgraph's calls has it; what it gives is told whether
/// the subgraph was well.
pub type Gate = Arc<dyn Fn() -> Result<Box<dyn FnOnce(bool) + Send>, TransportError> + Send + Sync>;

/// How the events of a subgraph are asked for.
#[derive(Clone)]
pub struct SourceClient {
    /// The subgraph's name.
    pub name: String,
    /// Where requests go. For a WebSocket, `http:` is read as `ws:`.
    pub uri: http::Uri,
    /// How it sends events.
    pub protocol: Protocol,
    /// What carries requests.
    pub transport: StreamTransport,
    /// How long opening a stream may take.
    pub timeout: Duration,
    /// Between two signs of life on a WebSocket.
    pub heartbeat: Duration,
    /// Bytes of one event at most.
    pub event_bytes: usize,
    /// Whether it may be asked now.
    pub gate: Option<Gate>,
}

impl std::fmt::Debug for SourceClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SourceClient");
        shown
            .field("name", &self.name)
            .field("uri", &self.uri)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// The stream begins where its question says: who asks the same later is no longer in time.
    Positioned,
    /// What the stream can be opened again after: the next event has this id.
    Id(Bytes),
    /// An event.
    Event(Bytes),
    /// The last event: an error of the whole operation.
    Last(Bytes),
    /// The end. A stream that ends without it was interrupted.
    Complete,
}

/// What a stream says, as it comes.
pub(super) type Signals = BoxStream<'static, Result<Signal, SourceError>>;

/// Open a stream; after the event with the id `seen`, where the protocol has ids.
pub(super) async fn open(
    client: &SourceClient,
    body: Bytes,
    headers: &Headers,
    seen: Option<&Bytes>,
) -> Result<Signals, SourceError> {
    let opening = async {
        match client.protocol {
            Protocol::WebSocket => websocket::open(client, &body, headers).await.map(|signals| (signals, true)),
            Protocol::Http | Protocol::Sse | Protocol::Multipart => open_http(client, body, headers, seen).await,
        }
    };
    let attempt = client.gate.as_ref().map(|enter| enter()).transpose()?;
    let timed = tokio::time::timeout(client.timeout, opening).await;
    let opened = timed.unwrap_or(Err(SourceError::Timeout(client.timeout)));
    if let Some(end) = attempt {
        end(opened.as_ref().map_or_else(|error| !error.is_unwell(), |(_, well)| *well));
    }
    opened.map(|(signals, _)| signals)
}

/// The headers that go along: the caller's, but for those that say what the request is.
pub(super) fn forward(forwarded: &Headers, headers: &mut HeaderMap) {
    let own = |name: &http::HeaderName| {
        let ours = [CONTENT_TYPE, CONTENT_LENGTH, ACCEPT, HOST, LAST_EVENT_ID, CONNECTION, UPGRADE];
        ours.contains(name)
    };
    for (name, value) in forwarded.iter().filter(|(name, _)| !own(name)) {
        headers.append(name, value.clone());
    }
}

/// The stream, and whether the subgraph was well: one that refuses politely may not be.
async fn open_http(
    client: &SourceClient,
    body: Bytes,
    forwarded: &Headers,
    seen: Option<&Bytes>,
) -> Result<(Signals, bool), SourceError> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = client.uri.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accepted = match client.protocol {
        Protocol::Sse => "text/event-stream",
        Protocol::Multipart => "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json;q=0.5",
        _ => {
            "text/event-stream, multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\";q=0.9, application/json;q=0.5"
        }
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accepted));
    forward(forwarded, headers);
    if let Some(seen) = seen.and_then(|id| HeaderValue::from_bytes(id).ok()) {
        headers.insert(LAST_EVENT_ID, seen);
    }
    let response = client.transport.clone().oneshot(request).await?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let reader: Box<dyn WireReader> = match &essence[..] {
        "text/event-stream" => Box::new(SseReader::new(client.event_bytes)),
        "multipart/mixed" => Box::new(MultipartReader::new(content_type, client.event_bytes)),
        _ => {
            let well = !SourceError::Status(response.status().as_u16()).is_unwell();
            return no_stream(response, client.event_bytes).await.map(|signals| (signals, well));
        }
    };
    if !response.status().is_success() {
        return Err(SourceError::Status(response.status().as_u16()));
    }
    let positioned = response.headers().contains_key(POSITIONED).then_some(Ok(Signal::Positioned));
    Ok((stream::iter(positioned).chain(signals(response.into_body(), reader)).boxed(), true))
}

/// A subgraph that refuses says why in a plain response; that is the one event.
async fn no_stream(response: Response<StreamBody>, limit: usize) -> Result<Signals, SourceError> {
    let (status, is_error) = (response.status(), !response.status().is_success());
    let body = Limited::new(response.into_body(), limit).collect().await;
    let body = body.map_err(|_| SourceError::Status(status.as_u16()))?.to_bytes();
    let says_errors = serde_json::from_slice::<serde_json::Value>(&body)
        .is_ok_and(|value| value.get("errors").is_some_and(serde_json::Value::is_array));
    match says_errors {
        true => Ok(stream::iter([Ok(Signal::Last(body))]).boxed()),
        false if is_error => Err(SourceError::Status(status.as_u16())),
        false => Err(SourceError::Invalid("it is neither text/event-stream nor multipart/mixed".to_owned())),
    }
}

fn signals(body: StreamBody, reader: Box<dyn WireReader>) -> impl stream::Stream<Item = Result<Signal, SourceError>> {
    let state = Some((body, reader, VecDeque::new()));
    stream::unfold(state, |state| async move {
        let (mut body, mut reader, mut waiting) = state?;
        loop {
            if let Some(signal) = waiting.pop_front() {
                return Some((Ok(signal), Some((body, reader, waiting))));
            }
            let chunk = match body.frame().await? {
                Ok(frame) => frame.into_data(),
                Err(error) => return Some((Err(SourceError::Interrupted(error.to_string())), None)),
            };
            let Ok(chunk) = chunk else { continue };
            if let Err(error) = reader.read(&chunk, &mut waiting) {
                return Some((Err(error), None));
            }
        }
    })
}
