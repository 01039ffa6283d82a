//! HTTP: turns requests into operations of the graph, pages and probes.

mod access;
mod assets;
mod batch;
mod caching;
mod compress;
mod cors;
mod csrf;
mod front;
mod graphql;
mod health;
mod incoming;
mod pages;
mod request_id;
mod streaming;

pub use front::Front;
pub(crate) use streaming::Reservations;

use crate::gateway::Gateway;
use crate::traffic::{Shed, shed};
use ::http::header::ACCEPT;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use terrane_graphql::media::{ResponseMedia, negotiate};

/// Let a request through, or refuse it with 429, before it is read.
async fn admit(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let rates = &gateway.inner.rates;
    if !rates.admits_early() {
        return next.run(request).await;
    }
    match rates.admit(rates.address(request.headers(), request.extensions())) {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            graphql::refuse_rate(negotiate(accept).unwrap_or(ResponseMedia::Json), wait).map(Body::from)
        }
    }
}

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let shed = from_fn_with_state(Shed::new(gateway.inner.settings.traffic.in_flight), shed);
    let mut graphql = post(graphql::post).get(graphql::get).put(streaming::reserve).delete(streaming::complete);
    graphql = graphql.layer(shed).layer(from_fn_with_state(gateway.clone(), admit));
    // outermost: a page has to be let read a refusal, too
    if let Some(cors) = cors::layer(&gateway.inner.settings.front.cors) {
        graphql = graphql.layer(cors);
    }
    Router::new()
        .route("/graphql", graphql)
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(pages::routes())
        .with_state(gateway)
}
