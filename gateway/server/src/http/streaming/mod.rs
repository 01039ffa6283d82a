//! Streaming: turns requests of clients that take a stream into sockets and bodies that last.
//!
//! `websocket` speaks `graphql-transport-ws`, `sse` GraphQL over server-sent events in both of its modes (`reserved` is
//! the one with a single connection), `multipart` Apollo's protocol for subscriptions over HTTP.

mod multipart;
mod reserved;
mod sse;
mod websocket;

pub(crate) use reserved::Reservations;
pub(super) use reserved::{complete, reserve};
pub(super) use terrane_websocket::is_upgrade;
pub(super) use websocket::upgrade;

use super::graphql::{Asked, respond_to};
use super::incoming::{self, Bounds};
use crate::gateway::Gateway;
use crate::subscriptions::{Output, Outputs, Session};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reserved::TOKEN;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use terrane_graphql::error::request_error_body;
use terrane_graphql::exchange::refuse;
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};
use tokio::time::{Instant, interval_at};

/// From where a client asks, as far as that counts.
type Address = Option<IpAddr>;

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/event-stream` with the outputs of one operation.
    Sse,
    /// `multipart/mixed; subscriptionSpec=1.0`.
    Multipart,
    /// A part in a stream that was reserved.
    Reserved,
}

/// The form of stream that a request asks for; none for a plain response.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    if headers.contains_key(TOKEN) {
        return Some(Form::Reserved);
    }
    let accept = headers.get(header::ACCEPT)?.as_bytes();
    // Nearly every request ends here: these letters are in `event-stream` and `subscriptionSpec`, and in no type of a plain
    // response.
    if !accept.iter().any(|byte| matches!(byte, b'v' | b'V' | b'S')) {
        return None;
    }
    str::from_utf8(accept).ok()?.split(',').find_map(|range| {
        let mut pieces = range.split(';').map(str::trim);
        let name = pieces.next()?;
        if name.eq_ignore_ascii_case("text/event-stream") {
            return Some(Form::Sse);
        }
        let spoken = |piece: &str| {
            piece
                .split_once('=')
                .is_some_and(|(name, value)| name == "subscriptionSpec" && value.trim_matches('"') == "1.0")
        };
        (name.eq_ignore_ascii_case("multipart/mixed") && pieces.any(spoken)).then_some(Form::Multipart)
    })
}

/// A POST request for a stream.
pub(super) async fn post(
    gateway: &Gateway,
    form: Form,
    headers: &HeaderMap,
    address: Address,
    body: Body,
) -> Response<Body> {
    let (front, limits) = (&gateway.inner.settings.front, &gateway.inner.settings.limits);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let error = GraphqlError::new("UNSUPPORTED_MEDIA_TYPE", "send the request as application/json");
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[error]);
    }
    let compressed = front.compression.requests;
    let bounds = Bounds { bytes: limits.body_bytes, time: front.body_timeout, compressed };
    let body = match incoming::read(headers, body, bounds).await {
        Ok(body) => body,
        Err((status, error)) => return refusal(status, &[error]),
    };
    match Request::from_json(&body) {
        Ok(request) => answer(gateway, form, headers, address, request, true).await,
        Err(error) => bad_request(&error.to_string()),
    }
}

/// A GET request for a stream: queries and subscriptions only.
pub(super) async fn get(
    gateway: &Gateway,
    form: Form,
    headers: &HeaderMap,
    address: Address,
    parts: &[(String, String)],
) -> Response<Body> {
    if let Err(error) = gateway.inner.settings.front.csrf.check(headers) {
        return refusal(StatusCode::BAD_REQUEST, &[error]);
    }
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
    let token = token.or_else(|| parts.iter().find(|(name, _)| name == "token").map(|(_, value)| value.as_str()));
    if let Some(token) = token {
        return reserved::open(gateway, token);
    }
    match Request::from_parts(parts.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
        Ok(request) => answer(gateway, form, headers, address, request, false).await,
        Err(error) => bad_request(&error.to_string()),
    }
}

async fn answer(
    gateway: &Gateway,
    form: Form,
    headers: &HeaderMap,
    address: Address,
    mut request: Request,
    mutations: bool,
) -> Response<Body> {
    if form != Form::Reserved && takes_json(headers) && !may_subscribe(gateway, &mut request) {
        let media = super::graphql::media(headers);
        return respond_to(&Asked { gateway, headers, media, mutations, address }, &mut request).await;
    }
    if !gateway.inner.subscriptions.config.enabled {
        let error =
            GraphqlError::new("UNSUPPORTED_OPERATION", "this gateway serves no streams; ask for a plain response");
        return refusal(StatusCode::NOT_ACCEPTABLE, &[error]);
    }
    if form == Form::Reserved {
        return reserved::start(gateway, headers, request).await;
    }
    let session = match Session::open(gateway, headers, address).await {
        Ok(session) => Arc::new(session),
        Err(error) => return refusal(StatusCode::UNAUTHORIZED, &[error]),
    };
    let outputs = crate::subscriptions::start(gateway.clone(), session, request, mutations).await;
    match (form, outputs) {
        (Form::Multipart, Ok(outputs)) => multipart::respond(gateway, outputs),
        (Form::Multipart, Err(errors)) => refusal(StatusCode::OK, &errors),
        (_, Ok(outputs)) => sse::respond(gateway, outputs),
        // A stream with the errors: browsers' EventSource sees nothing of another response.
        (_, Err(errors)) => sse::respond(gateway, stream::iter([Output::Failed(errors)]).boxed()),
    }
}

/// Whether the client takes a plain response as well: some say everything that they take with each operation.
fn takes_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["application/json", "application/graphql-response+json"].iter().any(|kind| accept.contains(kind))
}

/// Whether the operation may be a subscription. A document that is not known is none: its response is an error.
fn may_subscribe(gateway: &Gateway, request: &mut Request) -> bool {
    let resolved = gateway.inner.settings.front.documents.resolve(request);
    resolved.is_ok() && request.query.as_deref().is_some_and(|text| text.contains("subscription"))
}

/// How outputs become bytes.
trait Framing: Send + 'static {
    /// Says that the stream is alive.
    const HEARTBEAT: &'static [u8];
    fn next(body: &[u8]) -> Vec<u8>;
    fn failed(errors: &[GraphqlError]) -> Vec<u8>;
    fn complete() -> Vec<u8>;
}

/// The bytes of a stream, with signs of life while nothing else is sent.
fn frames<F: Framing>(
    gateway: &Gateway,
    outputs: Outputs,
    opening: &'static [u8],
) -> impl Stream<Item = Bytes> + use<F> {
    let heartbeat = gateway.inner.subscriptions.config.heartbeat();
    let state = Some((outputs, interval_at(Instant::now() + heartbeat, heartbeat)));
    let frames = stream::unfold(state, |state| async move {
        let (mut outputs, mut beats) = state?;
        tokio::select! {
            output = outputs.next() => match output.unwrap_or(Output::Complete) {
                Output::Next(body) => {
                    beats.reset();
                    Some((F::next(&body).into(), Some((outputs, beats))))
                }
                Output::Failed(errors) => Some((F::failed(&errors).into(), None)),
                Output::Complete => Some((F::complete().into(), None)),
            },
            _ = beats.tick() => Some((Bytes::from_static(F::HEARTBEAT), Some((outputs, beats)))),
        }
    });
    stream::iter([Bytes::from_static(opening)]).chain(frames)
}

/// A response of frames that are sent as they come.
pub(super) fn streamed(
    content_type: &'static str,
    frames: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies in front would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A comment of `text/event-stream`: proxies and clients see that the stream is alive.
pub(super) fn comment() -> Bytes {
    Bytes::from_static(sse::COMMENT)
}

fn refusal(status: StatusCode, errors: &[GraphqlError]) -> Response<Body> {
    refuse(status, ResponseMedia::Json, errors).map(Body::from)
}

fn bad_request(message: &str) -> Response<Body> {
    refusal(StatusCode::BAD_REQUEST, &[GraphqlError::new("BAD_REQUEST", message)])
}

/// `{"errors":[…]}`
fn errors_body(errors: &[GraphqlError]) -> Vec<u8> {
    request_error_body(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_the_client_names_first() {
        let form =
            |accept: &'static str| form(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]));
        assert_eq!(form("application/json"), None);
        assert_eq!(form("multipart/mixed, application/json"), None);
        assert_eq!(form("text/event-stream"), Some(Form::Sse));
        let apollo = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";
        assert_eq!(form(apollo), Some(Form::Multipart));
        assert_eq!(form("multipart/mixed;subscriptionSpec=\"2.0\", */*"), None);
    }
}
