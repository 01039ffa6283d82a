//! Health: turns the gateway's state into answers for probes.

use crate::gateway::Gateway;
use axum::extract::State;
use axum::http::StatusCode;

/// The process answers.
pub async fn live() -> &'static str {
    "live\n"
}

/// The next operation will be answered: there is a graph, and the process is not about to end.
pub async fn ready(State(gateway): State<Gateway>) -> (StatusCode, &'static str) {
    if *gateway.stopping().borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match gateway.graph() {
        Some(_) => (StatusCode::OK, "ready\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "there is no graph yet\n"),
    }
}
