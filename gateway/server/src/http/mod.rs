//! HTTP: turns requests into operations of the graph, pages and probes.

mod assets;
mod graphql;
mod health;
mod pages;

use crate::gateway::Gateway;
use crate::traffic::{Shed, shed};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let limit = gateway.inner.settings.limits.body_bytes;
    let shed = from_fn_with_state(Shed::new(gateway.inner.settings.traffic.in_flight), shed);
    Router::new()
        .route("/graphql", post(graphql::post).get(graphql::get).layer(DefaultBodyLimit::max(limit)).layer(shed))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(pages::routes())
        .with_state(gateway)
}
