//! Standards: turns requests of other catalogs and of crawlers into the documents that they read.

use super::pages::failed;
use crate::gateway::Gateway;
use crate::pages::{Asking, base, catalog, robots, sitemap};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use terrane_views::dcat::MEDIA_TYPE;

/// Their routes.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/catalog.jsonld", get(dcat))
        .route("/sitemap.xml", get(map))
        .route("/robots.txt", get(crawlers))
}

/// `GET /catalog.jsonld`: the products that the caller may know of, as a DCAT catalog.
async fn dcat(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let base = base(&gateway, &headers);
    let made = async { catalog(&gateway, &Asking::begin(&gateway, &headers).await?, &base).await };
    match made.await {
        Ok(document) => text(MEDIA_TYPE, "private, no-cache", document.to_string()),
        Err(error) => failed(&gateway, &error),
    }
}

/// `GET /sitemap.xml`: what anybody may see, whoever asks.
async fn map(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let made = async { sitemap(&Asking::begin(&gateway, &HeaderMap::new()).await?, &base(&gateway, &headers)).await };
    match made.await {
        Ok(xml) => text("application/xml; charset=utf-8", "no-cache", xml),
        Err(error) => failed(&gateway, &error),
    }
}

/// `GET /robots.txt`.
async fn crawlers(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    text("text/plain; charset=utf-8", "no-cache", robots(&base(&gateway, &headers)))
}

fn text(media_type: &'static str, caching: &'static str, body: String) -> Response {
    let head = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "authorization, cookie, host"),
    ];
    (head, body).into_response()
}
