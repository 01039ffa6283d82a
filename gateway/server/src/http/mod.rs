//! HTTP: turns requests into operations of the graph, pages and probes.

mod access;
mod assets;
mod batch;
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
use axum::Router;
use axum::routing::{get, post};

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let mut graphql = post(graphql::post).get(graphql::get).put(streaming::reserve).delete(streaming::complete);
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
