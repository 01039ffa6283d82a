//! HTTP: turns requests into operations of the graph, pages and probes.

mod access;
mod admin;
mod assets;
mod batch;
mod caching;
mod compress;
mod cors;
mod csrf;
mod events;
mod forms;
mod front;
mod graphql;
mod health;
mod incoming;
mod pages;
mod plans;
mod request_id;
mod sign_in;
mod standards;
mod streaming;

pub use front::Front;
pub use sign_in::with_sessions;
pub(crate) use streaming::Reservations;

use crate::gateway::Gateway;
use crate::traffic::Place;
use ::http::header::{ACCEPT, RETRY_AFTER};
use ::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use terrane_graphql::exchange::refuse;
use terrane_graphql::media::{ResponseMedia, negotiate};

/// Let a request in before it is read, and give it its place among those that run at the same time, to be held until it is answered.
/// In a function that handlers call: a layer of its own costs a light request a tenth of its time.
///
/// # Errors
/// The refusal: 429 where it came too early, 503 where too many run.
pub(crate) fn enter<'g>(
    gateway: &'g Gateway,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Place<'g>, Box<Response>> {
    let media = || {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        negotiate(accept).unwrap_or(ResponseMedia::Json)
    };
    let rates = &gateway.inner.rates;
    if rates.admits_early() {
        let admitted = rates.admit(rates.address(headers, extensions));
        admitted.map_err(|wait| Box::new(graphql::refuse_rate(media(), wait).map(Body::from)))?;
    }
    gateway.inner.shed.enter().map_err(|error| {
        let mut refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, media(), &[error]).map(Body::from);
        refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        Box::new(refusal)
    })
}

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let mut graphql = post(graphql::post).get(graphql::get).put(streaming::reserve).delete(streaming::complete);
    // a page has to be let read a refusal, too
    if let Some(cors) = cors::layer(&gateway.inner.settings.front.cors) {
        graphql = graphql.layer(cors);
    }
    let pages = pages::routes().merge(forms::routes()).merge(admin::routes()).merge(plans::routes());
    let pages = pages.layer(from_fn_with_state(gateway.clone(), sign_in::around));
    let sign_in = gateway.inner.settings.sign_in.clone().map_or_else(Router::new, sign_in::routes);
    Router::new()
        .route("/graphql", graphql)
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(sign_in)
        .merge(standards::routes())
        .merge(events::routes())
        .merge(pages)
        .with_state(gateway)
}
