//! Streaming: turns requests of clients that take a stream into sockets and bodies that last.
//!
//! `websocket` speaks `graphql-transport-ws`, `sse` GraphQL over server-sent events (a stream for each operation), `changes`
//! the plain change feed of a dataset, `notices` the feed of what happens to the product.

pub mod changes;
pub mod notices;
mod sse;
mod websocket;

pub use terrane_websocket::is_upgrade;
pub use websocket::upgrade;

use crate::as_of;
use crate::audit;
use crate::service::ProductService;
use crate::streams::{HEARTBEAT, Session, bounded, start};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use std::convert::Infallible;
use terrane_graphql::exchange::refuse;
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, interval_at};

/// Where an `EventSource` that comes again says what it has seen (HTML standard, section 9.2).
const LAST_EVENT_ID: &str = "last-event-id";
/// Tells a gateway that a stream begins where its request says: it is no stream for who asks the same later.
const POSITIONED: HeaderName = HeaderName::from_static("x-stream-positioned");
/// A comment: proxies and clients see that the stream is alive, and that it has begun.
const COMMENT: &[u8] = b":\n\n";

/// Whether a request asks for server-sent events. Some clients say everything that they take with each operation: one that takes
/// a plain response as well gets events for what may be a subscription only.
pub fn wants_events(headers: &HeaderMap, request: &[u8]) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut kinds = accept.split(',').filter_map(|range| range.split(';').next());
    let takes = kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"));
    let word = b"subscription";
    takes && (!takes_json(headers) || request.windows(word.len()).any(|some| some == word))
}

/// A GraphQL request for a stream.
pub async fn graphql(
    service: &ProductService,
    headers: &HeaderMap,
    request: &Request,
    mutations: bool,
) -> Response<Body> {
    let session = match Session::open(service, headers).await {
        Ok(session) => session,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return refusal(StatusCode::UNAUTHORIZED, &[error]);
        }
    };
    if let Some(message) = as_of::refuse_stream(headers) {
        return refusal(StatusCode::BAD_REQUEST, &[GraphqlError::new("BAD_USER_INPUT", message)]);
    }
    let Some(place) = service.streams().place() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, &[too_many()]);
    };
    let seen = match last_event_id(headers) {
        Ok(seen) => seen,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &[error]),
    };
    match start(service, &session.caller, request, mutations, seen).await {
        Ok(started) => {
            let outputs = bounded(started.outputs, &session, service.streams().stopped());
            let mut response = streamed(sse::frames(outputs), place);
            if started.positioned {
                response.headers_mut().insert(POSITIONED, HeaderValue::from_static("1"));
            }
            response
        }
        Err(errors) if takes_json(headers) => refusal(StatusCode::OK, &errors),
        // a stream with the errors: a browser's `EventSource` sees nothing of another response
        Err(errors) => {
            audit::note(|draft| draft.errors(&errors));
            streamed(stream::iter(sse::refusal(&errors)), place)
        }
    }
}

/// Whether the client takes a plain response as well.
fn takes_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["application/json", "application/graphql-response+json"].iter().any(|kind| accept.contains(kind))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, GraphqlError> {
    let text = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    text.filter(|text| !text.trim().is_empty()).map(terrane_query::position).transpose()
}

fn too_many() -> GraphqlError {
    GraphqlError::new(
        "TOO_MANY_STREAMS",
        "too many streams are open at this product; ask again later, or at another one",
    )
}

/// Frames with signs of life while nothing else is sent.
fn alive(frames: BoxStream<'static, Bytes>) -> impl Stream<Item = Bytes> + Send {
    let state = (frames, interval_at(Instant::now() + HEARTBEAT, HEARTBEAT));
    stream::unfold(state, |(mut frames, mut beats)| async move {
        tokio::select! {
            frame = frames.next() => {
                beats.reset();
                Some((frame?, (frames, beats)))
            }
            _ = beats.tick() => Some((Bytes::from_static(COMMENT), (frames, beats))),
        }
    })
}

/// A response of frames. It keeps its place until it ends.
fn streamed(frames: impl Stream<Item = Bytes> + Send + 'static, place: OwnedSemaphorePermit) -> Response<Body> {
    let frames = stream::iter([Bytes::from_static(COMMENT)]).chain(alive(frames.boxed()));
    let frames = frames.map(move |frame| {
        let _ = &place;
        Ok::<_, Infallible>(frame)
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // proxies in front would hold events back
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn refusal(status: StatusCode, errors: &[GraphqlError]) -> Response<Body> {
    audit::note(|draft| draft.errors(errors));
    refuse(status, ResponseMedia::Json, errors).map(Body::from)
}
