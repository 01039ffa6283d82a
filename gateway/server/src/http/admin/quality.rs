//! Quality: turns requests for the pages of quality rules, and the forms on them, into pages.

use super::sent::{Form, Visit};
use super::{Parameters, done};
use crate::gateway::Gateway;
use crate::pages::admin::{QualityPage, RuleFilled, RulePage};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use terrane_views::text::encode;

const PUT: &str = "mutation Put($product: ID!, $dataset: String!, $id: String!, $field: String, $rule: JSON) {
  putQualityRule(product: $product, dataset: $dataset, id: $id, field: $field, rule: $rule) { position }
}";
const RECHECK: &str = "mutation Recheck($product: ID!) { recheckQuality(product: $product) { rule } }";

/// The routes of these pages.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/admin/{product}/quality", get(quality).post(put))
        .route("/admin/{product}/quality/recheck", post(recheck))
        .route("/admin/{product}/quality/{dataset}/{rule}", get(rule))
        .route("/admin/{product}/quality/{dataset}/{rule}/back", post(back))
}

async fn quality(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(QualityPage::make(&visit.asking, &id, RuleFilled::default(), parameters.outcome()).await)
}

async fn rule(
    visit: Visit,
    Path((id, dataset, rule)): Path<(String, String, String)>,
    Query(parameters): Query<Parameters>,
) -> Response {
    visit.answer(RulePage::make(&visit.asking, (&id, &dataset, &rule), parameters.outcome()).await)
}

/// Put in a rule, whose id is in its text.
async fn put(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let [dataset, field, rule] = ["dataset", "field", "rule"].map(|name| taken.text(name).replace("\r\n", "\n"));
    let filled = RuleFilled { dataset, field, rule };
    let again = |outcome| QualityPage::make(&taken.asking, &id, filled.clone(), outcome);
    let rule: Value = match serde_norway::from_str(&filled.rule) {
        Ok(rule @ Value::Object(_)) => rule,
        Ok(_) => {
            let why = "the rule is no mapping: write `id: …`, `metric: …` and so on, a line each, or a JSON object";
            return form.refused(&taken, ("BAD_USER_INPUT", why.to_owned()), again).await;
        }
        Err(error) => {
            let why = format!("the rule can be read neither as YAML nor as JSON: {error}");
            return form.refused(&taken, ("BAD_USER_INPUT", why), again).await;
        }
    };
    let rule_id = rule["id"].as_str().unwrap_or_default().to_owned();
    let field = Some(filled.field.as_str()).filter(|field| !field.is_empty());
    let variables = json!({ "product": id, "dataset": filled.dataset, "id": rule_id, "field": field, "rule": rule });
    let page = page(&id, &filled.dataset, &rule_id);
    form.change(&taken, (PUT, variables), |_| done(&page, "rule-put"), again).await
}

/// Put the contract's own rule back.
async fn back(Path((id, dataset, rule)): Path<(String, String, String)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let variables = json!({ "product": id, "dataset": dataset, "id": rule });
    let again = |outcome| RulePage::make(&taken.asking, (&id, &dataset, &rule), outcome);
    form.change(&taken, (PUT, variables), |_| done(&page(&id, &dataset, &rule), "rule-back"), again).await
}

/// Check what is published again.
async fn recheck(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let again = |outcome| QualityPage::make(&taken.asking, &id, RuleFilled::default(), outcome);
    let list = format!("/admin/{}/quality", encode(&id));
    form.change(&taken, (RECHECK, json!({ "product": id })), |_| done(&list, "rechecked"), again).await
}

fn page(id: &str, dataset: &str, rule: &str) -> String {
    format!("/admin/{}/quality/{}/{}", encode(id), encode(dataset), encode(rule))
}
