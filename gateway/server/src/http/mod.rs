//! HTTP: turns requests into operations of the graph, pages and probes.

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

pub use front::Front;

use crate::gateway::Gateway;
use crate::traffic::{Shed, shed};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

/// Everything the gateway answers.
pub fn router(gateway: Gateway) -> Router {
    let mut graphql = post(graphql::post).get(graphql::get);
    if let Some(cors) = cors::layer(&gateway.inner.settings.front.cors) {
        graphql = graphql.layer(cors);
    }
    let shed = from_fn_with_state(Shed::new(gateway.inner.settings.traffic.in_flight), shed);
    Router::new()
        .route("/graphql", graphql.layer(shed))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(pages::routes())
        .with_state(gateway)
}
