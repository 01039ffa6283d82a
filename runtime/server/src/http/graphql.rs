//! GraphQL over HTTP: turns GET and POST requests into operations of the product, and their results into responses.

use crate::operation::{self, Answered, Mode, OperationError};
use crate::service::ProductService;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};
use terrane_telemetry::along;
use uuid::Uuid;

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
    match operation::run(service, &caller, request, Mode { mutations, primary: false }).await {
        Ok(Answered { body, only_data }) => ("answered", kept(service, only_data, respond(media, body))),
        Err(OperationError::Request(errors)) => ("refused", refuse_operation(media, request, &errors)),
        Err(OperationError::NotAQuery) => ("refused", refuse_method(media)),
        Err(OperationError::Internal(cause)) => {
            let id = along::request_id().unwrap_or_else(|| Uuid::new_v4().to_string());
            tracing::error!(request_id = id, %cause, "an operation failed");
            ("failed", refuse(StatusCode::INTERNAL_SERVER_ERROR, media, &[GraphqlError::internal(&id)]))
        }
    }
}

/// The reply, with how long it may be kept, where that is said of the data and nothing else is in it.
fn kept(service: &ProductService, only_data: bool, mut reply: Reply) -> Reply {
    if let Some(value) = service.cache_control().filter(|_| only_data) {
        reply.headers_mut().insert(CACHE_CONTROL, value.clone());
    }
    reply
}
