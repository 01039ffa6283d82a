//! The discovery port: turns the product's description into JSON for machines, YAML as written, and a page for people.

use super::error::HttpError;
use super::page;
use crate::operation::{self, Mode, OperationError};
use crate::service::ProductService;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use terrane_graphql::Request;
use terrane_graphql::exchange::authorization;
use terrane_policy::Caller;
use terrane_views::dcat::{MEDIA_TYPE, Placed, document};
use terrane_views::description::{DESCRIPTION, ProductInfo, RECORD};
use terrane_views::{Runs, draw_lineage, draw_model};

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// `html`, `json`, `jsonld` or `yaml`, where `accept` does not say: for links.
    format: Option<String>,
}

/// `GET /discovery`: HTML, JSON, JSON-LD (DCAT) or YAML by `format`, else by `accept`; JSON where the client does not say. The page
/// shows no more than a machine can ask for.
pub async fn get(
    State(service): State<ProductService>,
    Query(parameters): Query<Parameters>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let caller = service.authenticate(authorization(&headers)).await?;
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = match parameters.format.as_deref() {
        Some(known @ ("html" | "json" | "jsonld" | "yaml")) => known,
        Some(other) => {
            let message = format!("`format` is html, json, jsonld or yaml, not `{other}`");
            return Err(HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message));
        }
        None if accept.contains("yaml") => "yaml",
        None if accept.contains("ld+json") => "jsonld",
        None if accept.contains("text/html") => "html",
        None => "json",
    };
    if format == "yaml" {
        return Ok(([(header::CONTENT_TYPE, "application/yaml")], yaml(&service)).into_response());
    }
    let product = describe(&service, &caller).await?;
    if format == "json" {
        return Ok(axum::Json(product).into_response());
    }
    let info = ProductInfo::deserialize(&product).map_err(HttpError::internal)?;
    if format == "jsonld" {
        let address = page::address(&uri, &headers);
        let placed = Placed { info: &info, page: format!("{address}/discovery"), address };
        let head = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::VARY, "authorization, accept, host")];
        return Ok((head, document(&placed).to_string()).into_response());
    }
    let runs = runs(&service, &caller).await?;
    let text = page::render(&info, &runs, &caller, &uri, &headers).map_err(HttpError::internal)?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        // what it says depends on who asks
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "authorization, accept"),
    ];
    Ok((headers, Html(text)).into_response())
}

/// `GET /discovery/{file}`: `lineage` or `model` as `.mmd` (Mermaid) or `.dot` (Graphviz).
pub async fn diagram(
    State(service): State<ProductService>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let caller = service.authenticate(authorization(&headers)).await?;
    let product = describe(&service, &caller).await?;
    let info = ProductInfo::deserialize(&product).map_err(HttpError::internal)?;
    let drawn = match file.split_once('.') {
        Some(("lineage", ending)) => draw_lineage(&info, ending),
        Some(("model", ending)) => draw_model(&info, ending),
        _ => None,
    };
    let text = drawn.ok_or_else(|| {
        let message = "there are: lineage.mmd, lineage.dot, model.mmd, model.dot, schema.graphql";
        HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DOCUMENT", message)
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Everything that `product` says to `caller`.
async fn describe(service: &ProductService, caller: &Caller) -> Result<Value, HttpError> {
    let mut answer = ask(service, caller, format!("{{ product {{ ...Description }} }}\n{DESCRIPTION}")).await?;
    if let Some(error) = answer["errors"].get(0) {
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        return Err(match code {
            "FORBIDDEN" => HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
            _ => HttpError::internal(message),
        });
    }
    Ok(answer["data"]["product"].take())
}

/// The newest runs, where `caller` may see them.
async fn runs(service: &ProductService, caller: &Caller) -> Result<Runs, HttpError> {
    let mut answer = ask(service, caller, format!("{{ runs(first: 10) {{ ...Record }} }}\n{RECORD}")).await?;
    if let Some(error) = answer["errors"].get(0) {
        let closed = error["extensions"]["code"] == "FORBIDDEN";
        return Ok(if closed { Runs::Closed } else { Runs::Unknown });
    }
    Ok(Runs::Seen(serde_json::from_value(answer["data"]["runs"].take()).map_err(HttpError::internal)?))
}

async fn ask(service: &ProductService, caller: &Caller, query: String) -> Result<Value, HttpError> {
    let request = Request { query: Some(query.into()), ..Request::default() };
    let answered = operation::run(service, caller, &request, Mode::default()).await;
    let answered = answered.map_err(|error: OperationError| HttpError::internal(format!("{error:?}")))?;
    serde_json::from_slice(&answered.body).map_err(HttpError::internal)
}

/// `GET /discovery/schema.graphql`: the federation SDL of the data port.
pub async fn sdl(State(service): State<ProductService>) -> String {
    service.schema().sdl().to_owned()
}

/// The page's style sheet.
pub async fn css() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")], page::STYLE)
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
