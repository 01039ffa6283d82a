//! GraphQL over HTTP: turns GET and POST requests into operations of the graph, and their results into responses.

use crate::gateway::Gateway;
use crate::graph::RunError;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::{GraphqlError, Request};

/// `POST /graphql` with a JSON body.
pub async fn post(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    let reply = match exchange::read_post(&headers, &body) {
        Ok((request, media)) => answer(&gateway, &headers, &request, media, true).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let reply = match exchange::read_get(&headers, parts) {
        Ok((request, media)) => answer(&gateway, &headers, &request, media, false).await,
        Err(reply) => *reply,
    };
    reply.map(Body::from)
}

async fn answer(
    gateway: &Gateway,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
) -> Reply {
    let started = Instant::now();
    let (outcome, reply) = outcome(gateway, headers, request, media, mutations).await;
    metrics::counter!("terrane_graphql_requests_total", "server" => "gateway", "outcome" => outcome).increment(1);
    metrics::histogram!("terrane_graphql_request_seconds", "server" => "gateway").record(started.elapsed());
    reply
}

/// The reply, and what became of the request in one word of a short list.
async fn outcome(
    gateway: &Gateway,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
) -> (&'static str, Reply) {
    let settings = &gateway.inner.settings;
    let caller = match settings.authenticator.authenticate(exchange::authorization(headers)).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return ("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error]));
        }
    };
    let Some(graph) = gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return ("unavailable", refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error]));
    };
    let forwarded = gateway.forwarded(headers);
    match graph.run(request, &caller.roles, &forwarded, mutations).await {
        Ok(body) => ("answered", respond(media, body)),
        Err(RunError::Request(errors)) => ("refused", refuse_operation(media, request, &errors)),
        Err(RunError::NotAQuery) => ("refused", refuse_method(media)),
    }
}
