//! Pages: turns the catalog into HTML for people, and serves the assets that the pages need.

use crate::gateway::Gateway;
use axum::Router;

/// The pages' routes.
pub fn routes() -> Router<Gateway> {
    Router::new()
}
