//! The forms of a product's policy: turn a text into the page that shows what it changes, and what was shown into a mutation.

use super::super::pages::failed;
use super::{Parameters, Taken, done, shown, take};
use crate::gateway::Gateway;
use crate::pages::Asking;
use crate::pages::admin::{Draft, Outcome, PolicyPage};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::text::encode;

const PUT: &str = "mutation Put($id: ID!, $text: String, $reason: String!, $expected: ID) {
  putPolicy(product: $id, text: $text, reason: $reason, expected: $expected) { position }
}";

/// `GET /admin/{product}/policy`.
pub(super) async fn show(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
    uri: Uri,
) -> Response {
    let asking = match Asking::begin(&gateway, &headers).await {
        Ok(asking) => asking,
        Err(error) => return failed(&gateway, &error),
    };
    let made = PolicyPage::make(&asking, &id, parameters.outcome(), None).await;
    shown(&gateway, &asking, &uri, StatusCode::OK, made)
}

/// `POST /admin/{product}/policy/effect`: the page with what the text changes; nothing is put in.
pub(super) async fn effect(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let taken = match take(&gateway, &headers, &extensions, &body).await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let made = PolicyPage::make(&taken.asking, &id, Outcome::default(), Some(&draft(&taken))).await;
    shown(&gateway, &taken.asking, &uri, StatusCode::OK, made)
}

/// `POST /admin/{product}/policy/apply`: put in what was shown.
pub(super) async fn apply(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let taken = match take(&gateway, &headers, &extensions, &body).await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let (draft, expected) = (draft(&taken), taken.text("expected"));
    let refused = match expected.is_empty() {
        true => (StatusCode::UNPROCESSABLE_ENTITY, "Look at what it changes first.".to_owned()),
        false => {
            let variables = json!({ "id": id, "text": draft.put(), "reason": draft.reason, "expected": expected });
            match taken.asking.change::<Put>(PUT, variables).await {
                Ok(answer) if answer.error.is_none() && answer.data.is_some() => {
                    let word = if draft.back { "policy-back" } else { "policy" };
                    return done(&format!("/admin/{}/policy", encode(&id)), word);
                }
                Ok(answer) => refusal(answer.error),
                Err(error) => return failed(&gateway, &error),
            }
        }
    };
    let (status, why) = refused;
    let outcome = Outcome { done: None, refused: Some(why) };
    let made = PolicyPage::make(&taken.asking, &id, outcome, Some(&draft)).await;
    shown(&gateway, &taken.asking, &uri, status, made)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    #[serde(rename = "putPolicy")]
    _put_policy: Value,
}

/// What a form brought: browsers end lines by two characters.
fn draft(taken: &Taken<'_>) -> Draft {
    Draft {
        text: taken.text("text").replace("\r\n", "\n"),
        back: !taken.text("back").is_empty(),
        reason: taken.text("reason").to_owned(),
    }
}

fn refusal(error: Option<(String, String)>) -> (StatusCode, String) {
    let (code, why) = error.unwrap_or_default();
    let status = match code.as_str() {
        "FORBIDDEN" => StatusCode::FORBIDDEN,
        "POLICY_CHANGED_MEANWHILE" => StatusCode::CONFLICT,
        "PRODUCT_UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, why)
}
