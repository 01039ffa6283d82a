//! HTTP: turns requests into calls of the ports, and their results into responses.

mod audit;
mod discovery;
mod error;
mod events;
mod graphql;
mod health;
mod input;
mod multipart;
mod named;
mod output;
mod page;
mod range;
mod streaming;

use crate::service::ProductService;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use terrane_graphql::negotiate;

/// Everything a product answers, at the paths of the standard ports.
pub fn router(service: ProductService) -> Router {
    Router::new()
        .route("/graphql", post(graphql::post).get(graphql::get).layer(DefaultBodyLimit::disable()))
        .route("/input/{dataset}", post(input::post).layer(DefaultBodyLimit::disable()))
        .route("/input/{dataset}/events", post(events::post).layer(DefaultBodyLimit::max(events::LARGEST_BODY)))
        .route("/output/{file}", get(output::get))
        .route("/output/{dataset}/changes", get(streaming::changes::get))
        .route("/audit/{file}", get(audit::get))
        .route("/events", get(streaming::notices::get))
        .route("/discovery", get(discovery::get))
        .route("/discovery/schema.graphql", get(discovery::sdl))
        .route("/discovery/{file}", get(discovery::diagram))
        .route("/assets/discovery.css", get(discovery::css))
        .layer(from_fn_with_state(service.clone(), named::named))
        // who probes every second is neither counted nor traced
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(service)
}
