//! GraphQL over HTTP: turns GET and POST requests into operations, and their results into responses.

use crate::gateway::Gateway;
use crate::graph::RunError;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use terrane_graphql::error::request_error_body;
use terrane_graphql::media::{ResponseMedia, negotiate};
use terrane_graphql::{GraphqlError, Request};

/// `POST /graphql` with a JSON body.
pub async fn post(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(media) = media(&headers) else { return not_acceptable() };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        // other types can be sent by a form of any page, without the browser asking first
        let error = GraphqlError::new("UNSUPPORTED_MEDIA_TYPE", "send the request as application/json");
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, &[error]);
    }
    match Request::from_json(&body) {
        Ok(request) => run(&gateway, &headers, &request, media, true).await,
        Err(error) => refuse(StatusCode::BAD_REQUEST, media, &[GraphqlError::new(error.code(), error.to_string())]),
    }
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(gateway): State<Gateway>, headers: HeaderMap, Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let Some(media) = media(&headers) else { return not_acceptable() };
    match Request::from_parts(parts.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
        Ok(request) => run(&gateway, &headers, &request, media, false).await,
        Err(error) => refuse(StatusCode::BAD_REQUEST, media, &[GraphqlError::new(error.code(), error.to_string())]),
    }
}

async fn run(
    gateway: &Gateway, headers: &HeaderMap, request: &Request, media: ResponseMedia, mutations: bool,
) -> Response {
    let settings = &gateway.inner.settings;
    let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::to_str);
    let authenticated = match authorization {
        Some(Err(_)) => settings.authenticator.authenticate(Some("")).await,
        Some(Ok(value)) => settings.authenticator.authenticate(Some(value)).await,
        None => settings.authenticator.authenticate(None).await,
    };
    let caller = match authenticated {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return refuse(StatusCode::UNAUTHORIZED, media, &[error]);
        }
    };
    let Some(graph) = gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error]);
    };
    let mut forwarded = HeaderMap::new();
    for name in &settings.forward_headers {
        for value in headers.get_all(name) {
            forwarded.append(name.clone(), value.clone());
        }
    }
    match graph.run(request, &caller.roles, &forwarded, mutations).await {
        Ok(body) => respond(StatusCode::OK, media, body),
        Err(RunError::Request(errors)) => {
            // for `application/json`, a well-formed GraphQL response has status 200 whatever is in it
            let status = if media == ResponseMedia::Json && request.query.is_some() {
                StatusCode::OK
            } else {
                StatusCode::BAD_REQUEST
            };
            refuse(status, media, &errors)
        }
        Err(RunError::NotAQuery) => {
            let error = GraphqlError::new("METHOD_NOT_ALLOWED", "GET takes queries only; send this one with POST");
            let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, media, &[error]);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
    }
}

fn media(headers: &HeaderMap) -> Option<ResponseMedia> {
    negotiate(headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()))
}

fn not_acceptable() -> Response {
    let text = "send an `accept` header with application/graphql-response+json or application/json\n";
    (StatusCode::NOT_ACCEPTABLE, text).into_response()
}

fn refuse(status: StatusCode, media: ResponseMedia, errors: &[GraphqlError]) -> Response {
    respond(status, media, request_error_body(errors))
}

fn respond(status: StatusCode, media: ResponseMedia, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()))], body).into_response()
}
