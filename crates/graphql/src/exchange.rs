//! Exchanges: turns the head and body of an HTTP request into a GraphQL request, and outcomes into HTTP responses
//! (GraphQL over HTTP, sections 5 and 6). Shared by the gateway and the products, whatever server they run in.

use crate::error::request_error_body;
use crate::media::{ResponseMedia, negotiate};
use crate::{GraphqlError, Request, RequestError};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// A response, ready to be sent.
pub type Reply = Response<Bytes>;

/// Read a POST request.
///
/// # Errors
/// The reply to send instead: 406 where the client takes no GraphQL response, 415 for another content type than JSON
/// (a form of any page could send those without the browser asking first), 400 for a body that is no request.
pub fn read_post(headers: &HeaderMap, body: &[u8]) -> Result<(Request, ResponseMedia), Box<Reply>> {
    let media = read_media(headers)?;
    let request = Request::from_json(body).map_err(|error| bad_request(media, &error))?;
    Ok((request, media))
}

/// The media type of the response to a POST request, from its head.
///
/// # Errors
/// The reply to send instead: 406 or 415, as [`read_post`].
pub fn read_media(headers: &HeaderMap) -> Result<ResponseMedia, Box<Reply>> {
    let media = media(headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let error = GraphqlError::new("UNSUPPORTED_MEDIA_TYPE", "send the request as application/json");
        return Err(Box::new(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, &[error])));
    }
    Ok(media)
}

/// Read a GET request's query string.
///
/// # Errors
/// As [`read_post`], without 415.
pub fn read_get<'a>(
    headers: &HeaderMap,
    parts: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(Request, ResponseMedia), Box<Reply>> {
    let media = media(headers)?;
    let request = Request::from_parts(parts).map_err(|error| bad_request(media, &error))?;
    Ok((request, media))
}

/// The media type of a response, by what the client takes.
///
/// # Errors
/// The reply to send instead: 406.
pub fn read_accept(headers: &HeaderMap) -> Result<ResponseMedia, Box<Reply>> {
    media(headers)
}

/// The `authorization` header's value; a value that is no text is a bad token (the empty one), not no token.
pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

/// The response to an operation that ran.
pub fn respond(media: ResponseMedia, body: impl Into<Bytes>) -> Reply {
    reply(StatusCode::OK, media, body.into())
}

/// The response to an operation that did not run, with a status of its own.
pub fn refuse(status: StatusCode, media: ResponseMedia, errors: &[GraphqlError]) -> Reply {
    reply(status, media, request_error_body(errors).into())
}

/// The response to an operation with request errors. For `application/json`, a well-formed GraphQL response has status
/// 200 whatever is in it; a request without an operation is no well-formed request.
pub fn refuse_operation(media: ResponseMedia, request: &Request, errors: &[GraphqlError]) -> Reply {
    let lenient = media == ResponseMedia::Json && request.query.is_some();
    refuse(if lenient { StatusCode::OK } else { StatusCode::BAD_REQUEST }, media, errors)
}

/// The response to a GET request whose operation is no query.
pub fn refuse_method(media: ResponseMedia) -> Reply {
    let error = GraphqlError::new("METHOD_NOT_ALLOWED", "GET takes queries only; send this one with POST");
    let mut reply = refuse(StatusCode::METHOD_NOT_ALLOWED, media, &[error]);
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    reply
}

fn media(headers: &HeaderMap) -> Result<ResponseMedia, Box<Reply>> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    negotiate(accept).ok_or_else(|| {
        let text = "send an `accept` header with application/graphql-response+json or application/json\n";
        let mut reply = Response::new(Bytes::from_static(text.as_bytes()));
        *reply.status_mut() = StatusCode::NOT_ACCEPTABLE;
        Box::new(reply)
    })
}

fn bad_request(media: ResponseMedia, error: &RequestError) -> Box<Reply> {
    Box::new(refuse(StatusCode::BAD_REQUEST, media, &[GraphqlError::new(error.code(), error.to_string())]))
}

fn reply(status: StatusCode, media: ResponseMedia, body: Bytes) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    reply
}
