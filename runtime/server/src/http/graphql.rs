//! GraphQL over HTTP: turns GET and POST requests into operations of the product, and their results into responses.

use crate::as_of;
use crate::operation::{self, Mode, OperationError};
use crate::service::ProductService;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;
use terrane_telemetry::along;
use uuid::Uuid;

/// The response header that says which version an operation as of some version has read.
const VERSION: HeaderName = HeaderName::from_static("terrane-version");

/// `POST /graphql` with a JSON body.
pub async fn post(State(service): State<ProductService>, headers: HeaderMap, body: Bytes) -> Response {
    let reply = match exchange::read_post(&headers, &body) {
        Ok((request, media)) => answer(&service, &headers, &request, media, true).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(service): State<ProductService>,
    headers: HeaderMap,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let reply = match exchange::read_get(&headers, parts) {
        Ok((request, media)) => answer(&service, &headers, &request, media, false).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

async fn answer(
    service: &ProductService,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
) -> Reply {
    let started = Instant::now();
    let (outcome, reply) = outcome(service, headers, request, media, mutations).await;
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
) -> (&'static str, Reply) {
    let caller = match service.authenticate(exchange::authorization(headers)).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return ("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error]));
        }
    };
    match answered(service, &caller, headers, request, media, mutations).await {
        Ok(reply) => ("answered", reply),
        Err(OperationError::Request(errors)) => ("refused", refuse_operation(media, request, &errors)),
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
) -> Result<Reply, OperationError> {
    let Some(value) = headers.get(as_of::HEADER) else {
        let mode = Mode { mutations, ..Mode::default() };
        let body = operation::run(service, caller, request, mode).await?;
        return Ok(kept(service, caller, request, respond(media, body)));
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
fn kept(service: &ProductService, caller: &Caller, request: &Request, mut reply: Reply) -> Reply {
    if let Some(value) = service.cache_control()
        && operation::reads_only_data(service, caller, request)
    {
        reply.headers_mut().insert(CACHE_CONTROL, value.clone());
        reply.headers_mut().append(VARY, HeaderValue::from_static(as_of::HEADER));
    }
    reply
}
