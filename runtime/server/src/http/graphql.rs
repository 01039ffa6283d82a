//! GraphQL over HTTP: turns GET and POST requests into operations of the product, and their results into responses.

use super::{multipart, streaming};
use crate::as_of;
use crate::audit;
use crate::operation::{self, Answered, Mode, OperationError};
use crate::ports::Uploads;
use crate::service::ProductService;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, HeaderName, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;
use terrane_telemetry::along;
use uuid::Uuid;

/// GraphQL requests larger than this are refused; files of a form have a limit of their own.
const LARGEST_OPERATION: usize = 4 * 1024 * 1024;
/// The response header that says which version an operation as of some version has read.
const VERSION: HeaderName = HeaderName::from_static("terrane-version");

/// `POST /graphql` with a JSON body, or with a form that has files in it.
pub async fn post(State(service): State<ProductService>, headers: HeaderMap, body: Body) -> Response {
    if let Some(boundary) = multipart::boundary(&headers) {
        return upload(&service, &headers, boundary, body).await.map(Body::from);
    }
    let Ok(body) = to_bytes(body, LARGEST_OPERATION).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if streaming::wants_events(&headers, &body) {
        return events(&service, &headers, &body).await;
    }
    let reply = match exchange::read_post(&headers, &body) {
        Ok((request, media)) => answer(&service, &headers, &request, media, true, Uploads::default()).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

/// A POST request for a stream.
async fn events(service: &ProductService, headers: &HeaderMap, body: &[u8]) -> Response {
    let mut plain = headers.clone();
    plain.remove(ACCEPT);
    match exchange::read_post(&plain, body) {
        Ok((request, _)) => streaming::graphql(service, headers, &request, true).await,
        Err(reply) => reply.map(Body::from),
    }
}

/// `GET /graphql?query=…`: queries only; or, where the client asks for a stream or a socket, subscriptions as well.
pub async fn get(State(service): State<ProductService>, request: axum::extract::Request) -> Response {
    let (mut head, _) = request.into_parts();
    if streaming::is_upgrade(&head) {
        return streaming::upgrade(service, &mut head).await;
    }
    let parts = Query::<Vec<(String, String)>>::try_from_uri(&head.uri);
    let parts = match parts {
        Ok(Query(parts)) => parts,
        Err(rejection) => return rejection.into_response(),
    };
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = head.headers;
    if streaming::wants_events(&headers, head.uri.query().unwrap_or_default().as_bytes()) {
        return match Request::from_parts(parts) {
            Ok(request) => streaming::graphql(&service, &headers, &request, false).await,
            Err(error) => {
                let error = GraphqlError::new(error.code(), error.to_string());
                refuse(StatusCode::BAD_REQUEST, ResponseMedia::Json, &[error]).map(Body::from)
            }
        };
    }
    let reply = match exchange::read_get(&headers, parts) {
        Ok((request, media)) => answer(&service, &headers, &request, media, false, Uploads::default()).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

/// A form's files are only kept for those who may send rows.
async fn upload(service: &ProductService, headers: &HeaderMap, boundary: String, body: Body) -> Reply {
    let media = match exchange::read_accept(headers) {
        Ok(media) => media,
        Err(reply) => return *reply,
    };
    let refused = |status, code, message: String| {
        audit::note(|draft| draft.code(code));
        refuse(status, media, &[GraphqlError::new(code, message)])
    };
    let caller = match service.authenticate(exchange::authorization(headers)).await {
        Ok(caller) => caller,
        Err(error) => return refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", error.to_string()),
    };
    if !service.access(&caller).allows("port:input", "write") {
        let message = "your roles do not allow `write` on `port:input`";
        return refused(StatusCode::FORBIDDEN, "FORBIDDEN", message.to_owned());
    }
    match multipart::read(headers, boundary, body).await {
        Ok((request, uploads)) => answer(service, headers, &request, media, true, uploads).await,
        Err(message) => refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", message),
    }
}

async fn answer(
    service: &ProductService,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
    uploads: Uploads,
) -> Reply {
    let started = Instant::now();
    let (outcome, reply) = outcome(service, headers, request, media, mutations, uploads).await;
    service.meters().operations.count(outcome, reply.status(), started);
    reply
}

/// The reply, and what became of the request.
async fn outcome(
    service: &ProductService,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
    uploads: Uploads,
) -> (&'static str, Reply) {
    let caller = match service.authenticate(exchange::authorization(headers)).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            audit::note(|draft| draft.code("UNAUTHENTICATED"));
            return ("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error]));
        }
    };
    match answered(service, &caller, headers, request, media, mutations, uploads).await {
        Ok(reply) => ("answered", reply),
        Err(OperationError::Request(errors)) => {
            audit::note(|draft| draft.errors(&errors));
            ("refused", refuse_operation(media, request, &errors))
        }
        Err(OperationError::NotAQuery) => ("refused", refuse_method(media)),
        Err(OperationError::Internal(cause)) => {
            let id = along::request_id().unwrap_or_else(|| Uuid::new_v4().to_string());
            tracing::error!(request_id = id, %cause, "an operation failed");
            ("failed", refuse(StatusCode::INTERNAL_SERVER_ERROR, media, &[GraphqlError::internal(&id)]))
        }
    }
}

/// The reply, of the version that the header names.
async fn answered(
    service: &ProductService,
    caller: &Caller,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
    uploads: Uploads,
) -> Result<Reply, OperationError> {
    let Some(value) = headers.get(as_of::HEADER) else {
        let mode = Mode { mutations, ..Mode::default() };
        let Answered { body, only_data } = operation::run_with(service, caller, request, mode, uploads).await?;
        return Ok(kept(service, caller, only_data, respond(media, body)));
    };
    let refused = |message: String| {
        let message = format!("header `{}`: {message}", as_of::HEADER);
        OperationError::Request(vec![GraphqlError::new("BAD_USER_INPUT", message)])
    };
    let as_of = as_of::parse(value.to_str().unwrap_or_default()).map_err(refused)?;
    let (version, body) = as_of::run(service, caller, request, Mode::default(), as_of).await?;
    let mut reply = respond(media, body);
    reply.headers_mut().insert(VERSION, version.into());
    Ok(reply)
}

/// The reply, with how long it may be kept, where that is said of the data and nothing else is in it.
fn kept(service: &ProductService, caller: &Caller, only_data: bool, mut reply: Reply) -> Reply {
    if let Some(value) = service.cache_control(caller).filter(|_| only_data) {
        reply.headers_mut().insert(CACHE_CONTROL, value);
        reply.headers_mut().append(VARY, HeaderValue::from_static(as_of::HEADER));
    }
    reply
}
