//! The forms of a product's policy: turn a text into the page that shows what it changes, and what was shown into a mutation.

use super::sent::{Form, Visit};
use super::{Parameters, Taken, done};
use crate::gateway::Gateway;
use crate::pages::admin::{Draft, Outcome, PolicyPage};
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use terrane_views::text::encode;

const PUT: &str = "mutation Put($id: ID!, $text: String, $reason: String!, $expected: ID) {
  putPolicy(product: $id, text: $text, reason: $reason, expected: $expected) { position }
}";

/// The page's routes.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/admin/{product}/policy", get(policy))
        .route("/admin/{product}/policy/effect", post(effect))
        .route("/admin/{product}/policy/apply", post(apply))
}

async fn policy(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(PolicyPage::make(&visit.asking, &id, parameters.outcome(), None).await)
}

/// The page with what the text changes; nothing is put in.
async fn effect(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let made = PolicyPage::make(&taken.asking, &id, Outcome::default(), Some(&draft(&taken))).await;
    form.answer(&taken, StatusCode::OK, made)
}

/// Put in what was shown.
async fn apply(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let (draft, expected) = (draft(&taken), taken.text("expected"));
    let again = |outcome| PolicyPage::make(&taken.asking, &id, outcome, Some(&draft));
    if expected.is_empty() {
        let why = "Look at what it changes first.".to_owned();
        return form.refused(&taken, ("BAD_USER_INPUT", why), again).await;
    }
    let variables = json!({ "id": id, "text": draft.put(), "reason": draft.reason, "expected": expected });
    let word = if draft.back { "policy-back" } else { "policy" };
    let back = |_: &Value| done(&format!("/admin/{}/policy", encode(&id)), word);
    form.change(&taken, (PUT, variables), back, again).await
}

/// What a form brought: browsers end lines by two characters.
fn draft(taken: &Taken<'_>) -> Draft {
    Draft {
        text: taken.text("text").replace("\r\n", "\n"),
        back: !taken.text("back").is_empty(),
        reason: taken.text("reason").to_owned(),
    }
}
