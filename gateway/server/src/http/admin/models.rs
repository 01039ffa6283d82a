//! Models: turns requests for the list of models and the editor of one, and what is sent from there, into pages.

use super::sent::{Form, Visit};
use super::{Parameters, done};
use crate::gateway::Gateway;
use crate::pages::admin::{Edited, ModelPage, ModelsPage, Outcome};
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::text::encode;

const PUT: &str = "mutation Put($product: ID!, $layer: String!, $name: String!, $sql: String) {
  putModel(product: $product, layer: $layer, name: $name, sql: $sql) { position }
}";

/// The routes of these pages.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/admin/{product}/models", get(models))
        .route("/admin/{product}/models/new", get(new))
        .route("/admin/{product}/models/{layer}/{name}", get(model).post(edit))
}

/// The model that shall be there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    layer: String,
    name: String,
}

/// The text of the history that shall be loaded.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Loaded {
    text: Option<i64>,
}

async fn models(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(ModelsPage::make(&visit.asking, &id, parameters.outcome()).await)
}

/// Off to the editor of a model that is named in a form.
async fn new(Path(id): Path<String>, Query(wanted): Query<Wanted>) -> Response {
    let [layer, name] = [&wanted.layer, &wanted.name].map(|text| encode(text.trim()));
    let page = if name.is_empty() || layer.is_empty() { String::new() } else { format!("/{layer}/{name}") };
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/admin/{}/models{page}", encode(&id)))]).into_response()
}

async fn model(
    visit: Visit,
    Path((id, layer, name)): Path<(String, String, String)>,
    Query(loaded): Query<Loaded>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let edited = Edited { position: loaded.text, ..Edited::default() };
    visit.answer(ModelPage::make(&visit.asking, (&id, &layer, &name), edited, parameters.outcome()).await)
}

/// Check what stands in the editor, put it in, or put the folder's own back.
async fn edit(Path((id, layer, name)): Path<(String, String, String)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    // browsers send lines as RFC 2046 has them
    let sql = taken.text("sql").replace("\r\n", "\n");
    let (text, word) = match taken.text("action") {
        "back" => (None, "model-back"),
        "put" => (Some(sql.as_str()), "model-put"),
        _ => {
            let edited = Edited { sql: Some(&sql), check: true, ..Edited::default() };
            let made = ModelPage::make(&taken.asking, (&id, &layer, &name), edited, Outcome::default()).await;
            return form.answer(&taken, StatusCode::OK, made);
        }
    };
    let variables = json!({ "product": id, "layer": layer, "name": name, "sql": text });
    let page = format!("/admin/{}/models/{}/{}", encode(&id), encode(&layer), encode(&name));
    let list = format!("/admin/{}/models", encode(&id));
    // a model that the folder does not have is gone with its text
    let back = |_: &Value| done(if text.is_some() { &page } else { &list }, word);
    // the places of what is wrong are in a check
    let edited = Edited { sql: Some(&sql), check: text.is_some(), ..Edited::default() };
    let again = |outcome| ModelPage::make(&taken.asking, (&id, &layer, &name), edited, outcome);
    form.change(&taken, (PUT, variables), back, again).await
}
