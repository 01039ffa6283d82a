//! HTTP: turns requests into operations of the graph, pages and probes.

mod assets;
mod graphql;
mod health;
mod pages;
mod streaming;

pub(crate) use streaming::Reservations;

use crate::gateway::Gateway;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let limit = gateway.inner.settings.limits.body_bytes;
    let graphql = post(graphql::post).get(graphql::get).put(streaming::reserve).delete(streaming::complete);
    let graphql = graphql.layer(DefaultBodyLimit::max(limit));
    Router::new()
        .route("/graphql", graphql)
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(pages::routes())
        .with_state(gateway)
}
