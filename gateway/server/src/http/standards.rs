//! Standards: turns requests of other catalogs and of crawlers into the documents that they read.

use super::pages::{failed, not_found};
use crate::gateway::Gateway;
use crate::pages::{Asking, PageError, base, catalog, dataset, robots, sitemap};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use terrane_graphql::negotiate::media_type;
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
    catalog_document(&gateway, &headers).await
}

/// Whether a client of a page would rather have its document for machines.
pub(super) fn wants_document(headers: &HeaderMap) -> bool {
    media_type(headers, &["text/html", MEDIA_TYPE]) == Some(MEDIA_TYPE)
}

/// The products that the caller may know of, as a DCAT catalog.
pub(super) async fn catalog_document(gateway: &Gateway, headers: &HeaderMap) -> Response {
    let base = base(gateway, headers);
    let made = async { catalog(gateway, &Asking::begin(gateway, headers).await?, &base).await };
    match made.await {
        Ok(document) => text(MEDIA_TYPE, "private, no-cache", document.to_string()),
        Err(error) => failed(gateway, &error),
    }
}

/// One product, where the caller may know of it, as a DCAT dataset.
pub(super) async fn product_document(gateway: &Gateway, headers: &HeaderMap, id: &str, path: &str) -> Response {
    let base = base(gateway, headers);
    let made = async {
        let asking = Asking::begin(gateway, headers).await?;
        let document = dataset(gateway, &asking, &base, id).await?;
        Ok::<_, PageError>((asking, document))
    };
    match made.await {
        Ok((_, Some(document))) => text(MEDIA_TYPE, "private, no-cache", document.to_string()),
        Ok((asking, None)) => not_found(&asking.caller, path),
        Err(error) => failed(gateway, &error),
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
        (header::VARY, "authorization, accept, cookie, host"),
    ];
    (head, body).into_response()
}
