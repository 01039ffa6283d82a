//! Sources: turns requests for the page of a product's input ports, and its form, into pages and pulls.

use super::sent::{Form, Visit};
use super::{Parameters, done};
use crate::gateway::Gateway;
use crate::pages::admin::SourcesPage;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use terrane_views::text::encode;

const PULL: &str =
    "mutation PullSource($id: ID!, $port: String!) { pullSource(product: $id, port: $port, wait: false) { id } }";

/// The page's routes.
pub fn routes() -> Router<Gateway> {
    Router::new().route("/admin/{product}/sources", get(page)).route("/admin/{product}/sources/{port}/pull", post(pull))
}

async fn page(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(SourcesPage::make(&visit.asking, &id, parameters.outcome()).await)
}

/// Put a run into the queue that pulls a port.
async fn pull(Path((id, port)): Path<(String, String)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let back = |_: &Value| done(&format!("/admin/{}/sources", encode(&id)), "pulling");
    let again = |outcome| SourcesPage::make(&taken.asking, &id, outcome);
    form.change(&taken, (PULL, json!({ "id": id, "port": port })), back, again).await
}
