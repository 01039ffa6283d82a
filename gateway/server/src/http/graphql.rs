//! GraphQL over HTTP: turns GET and POST requests into operations of the graph, and their results into responses.

use crate::gateway::Gateway;
use crate::graph::{Parts, RunError};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::time::Instant;
use terrane_graphql::exchange::{self, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::parts::{self, accepts_parts};
use terrane_graphql::{GraphqlError, Request};

/// `POST /graphql` with a JSON body.
pub async fn post(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    match exchange::read_post(&headers, &body) {
        Ok((request, media)) => answer(&gateway, &headers, &request, media, true).await,
        Err(reply) => reply.map(Body::from),
    }
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match exchange::read_get(&headers, parts) {
        Ok((request, media)) => answer(&gateway, &headers, &request, media, false).await,
        Err(reply) => reply.map(Body::from),
    }
}

async fn answer(
    gateway: &Gateway,
    headers: &HeaderMap,
    request: &Request,
    media: ResponseMedia,
    mutations: bool,
) -> Response {
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
) -> (&'static str, Response) {
    let caller = match gateway.caller(headers).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return ("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error]).map(Body::from));
        }
    };
    let Some(graph) = gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return ("unavailable", refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error]).map(Body::from));
    };
    let forwarded = gateway.forwarded(headers, &caller);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let error = if accepts_parts(accept) {
        match graph.run_in_parts(request, &caller, forwarded.clone()).await {
            Ok(Some(parts)) => return ("answered", respond_in_parts(parts)),
            Ok(None) => None,
            Err(error) => Some(error),
        }
    } else {
        None
    };
    let ran = match error {
        Some(error) => Err(error),
        None => graph.run(request, &caller, &forwarded, mutations).await,
    };
    let (outcome, reply) = match ran {
        Ok(body) => ("answered", respond(media, body)),
        Err(RunError::Request(errors)) => ("refused", refuse_operation(media, request, &errors)),
        Err(RunError::NotAQuery) => ("refused", refuse_method(media)),
    };
    (outcome, reply.map(Body::from))
}

/// The response to an operation with `@defer`: each part is sent as soon as it is there.
fn respond_in_parts(Parts { first, parts: rest }: Parts) -> Response {
    let opening = [parts::OPENING, &parts::part(&first)].concat();
    let following = stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        match rest.recv().await {
            Some(part) => Some((parts::part(&part), Some(rest))),
            None => Some((parts::CLOSING.to_vec(), None)),
        }
    });
    let body = stream::once(async { opening }).chain(following).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(parts::MULTIPART));
    response
}
