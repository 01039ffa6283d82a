//! Health: turns the product's state into answers for probes.

use crate::service::ProductService;
use axum::extract::State;
use axum::http::StatusCode;

/// The process answers.
pub async fn live() -> &'static str {
    "live\n"
}

/// The next request will be answered: the database answers, a version is published, and the process is not about to end.
pub async fn ready(State(service): State<ProductService>) -> (StatusCode, &'static str) {
    if service.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match service.store().current_version().await {
        Ok(Some(_)) if service.store().is_ready().await => (StatusCode::OK, "ready\n"),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "nothing is published yet\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
