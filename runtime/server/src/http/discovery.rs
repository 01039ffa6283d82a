//! The discovery port: turns the product's description into JSON for machines, YAML as written, and a page for people.

use super::error::HttpError;
use super::page;
use crate::operation;
use crate::service::ProductService;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;
use terrane_graphql::Request;
use terrane_graphql::exchange::authorization;

/// Everything that `product` says; the page shows no more than a machine can ask for.
const DESCRIPTION: &str = include_str!("description.graphql");

/// `GET /discovery`: HTML, JSON or YAML by `accept`; JSON where the client does not say.
pub async fn get(State(service): State<ProductService>, headers: HeaderMap) -> Result<Response, HttpError> {
    let caller = service.authenticate(authorization(&headers)).await?;
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("yaml") {
        return Ok(([(header::CONTENT_TYPE, "application/yaml")], yaml(&service)).into_response());
    }
    let request = Request { query: Some(DESCRIPTION.to_owned()), ..Request::default() };
    let body = match operation::run(&service, &caller, &request, false).await {
        Ok(body) => body,
        Err(error) => return Err(HttpError::internal(format!("{error:?}"))),
    };
    let mut answer: Value = serde_json::from_slice(&body).map_err(HttpError::internal)?;
    if let Some(error) = answer["errors"].get(0) {
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        return Err(match code {
            "FORBIDDEN" => HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
            _ => HttpError::internal(message),
        });
    }
    let product = answer["data"]["product"].take();
    if accept.contains("text/html") {
        return Ok(Html(page::render(&product).map_err(HttpError::internal)?).into_response());
    }
    Ok(axum::Json(product).into_response())
}

/// `GET /discovery/schema.graphql`: the federation SDL of the data port.
pub async fn sdl(State(service): State<ProductService>) -> String {
    service.schema().sdl().to_owned()
}

/// The page's style sheet.
pub async fn css() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE)
}

/// The descriptor and the contracts as they were written, as one stream of YAML documents.
fn yaml(service: &ProductService) -> String {
    let mut text = String::new();
    for (path, source) in &service.product().sources {
        text.push_str("--- # ");
        text.push_str(path);
        text.push('\n');
        text.push_str(source.trim_start_matches("---").trim_start());
        text.push_str(if source.ends_with('\n') { "" } else { "\n" });
    }
    text
}
