//! The pipeline: turns requests for the pages of runs, versions and schedules, and the forms on them, into pages.

use super::sent::{Form, Visit};
use super::{Parameters, done};
use crate::gateway::Gateway;
use crate::pages::admin::{OverviewPage, RunPage, RunPart, RunsPage, SchedulesPage, VersionsPage};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::text::encode;

const RUN: &str = "mutation Run($product: ID!, $pull: Boolean!) {
  runPipeline(product: $product, pull: $pull, wait: false) { id }
}";
const CANCEL: &str = "mutation Cancel($product: ID!, $id: ID!) { cancelRun(product: $product, id: $id) { id } }";
const ROLLBACK: &str = "mutation Rollback($product: ID!, $version: Int!) {
  rollback(product: $product, version: $version) { version }
}";
const SCHEDULE: &str = "mutation Schedule($product: ID!, $port: String!, $schedule: String) {
  setSchedule(product: $product, port: $port, schedule: $schedule) { port }
}";

/// The routes of these pages.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/admin/{product}", get(overview))
        .route("/admin/{product}/runs", get(runs).post(start))
        .route("/admin/{product}/runs/{run}", get(run))
        .route("/admin/{product}/runs/{run}/live", get(live))
        .route("/admin/{product}/runs/{run}/cancel", post(cancel))
        .route("/admin/{product}/versions", get(versions))
        .route("/admin/{product}/versions/{version}/current", post(roll_back))
        .route("/admin/{product}/schedules", get(schedules).post(set_schedule))
}

/// From where on a log is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    after: Option<i64>,
}

async fn overview(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(OverviewPage::make(&visit.asking, &id, parameters.outcome()).await)
}

async fn runs(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(RunsPage::make(&visit.asking, &id, parameters.outcome()).await)
}

async fn run(
    visit: Visit,
    Path((id, run)): Path<(String, String)>,
    Query(place): Query<Place>,
    Query(parameters): Query<Parameters>,
) -> Response {
    visit.answer(RunPage::make(&visit.asking, (&id, &run), place.after, parameters.outcome()).await)
}

/// The part of a run's page that changes, for the page's script.
async fn live(visit: Visit, Path((id, run)): Path<(String, String)>, Query(place): Query<Place>) -> Response {
    visit.answer(RunPart::make(&visit.asking, (&id, &run), place.after).await)
}

/// Start a run, and follow it.
async fn start(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let variables = json!({ "product": id, "pull": taken.text("pull") != "no" });
    let follow = |data: &Value| {
        let run = data["runPipeline"]["id"].as_str().unwrap_or_default();
        done(&format!("/admin/{}/runs/{}", encode(&id), encode(run)), "started")
    };
    form.change(&taken, (RUN, variables), follow, |outcome| RunsPage::make(&taken.asking, &id, outcome)).await
}

async fn cancel(Path((id, run)): Path<(String, String)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let variables = json!({ "product": id, "id": run });
    let back = |_: &Value| done(&format!("/admin/{}/runs/{}", encode(&id), encode(&run)), "cancelled");
    let again = |outcome| RunPage::make(&taken.asking, (&id, &run), None, outcome);
    form.change(&taken, (CANCEL, variables), back, again).await
}

async fn versions(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(VersionsPage::make(&visit.asking, &id, parameters.outcome()).await)
}

/// Make a kept version the one that readers see.
async fn roll_back(Path((id, version)): Path<(String, i32)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let variables = json!({ "product": id, "version": version });
    let back = |_: &Value| done(&format!("/admin/{}/versions", encode(&id)), "rolled-back");
    let again = |outcome| VersionsPage::make(&taken.asking, &id, outcome);
    form.change(&taken, (ROLLBACK, variables), back, again).await
}

async fn schedules(visit: Visit, Path(id): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    visit.answer(SchedulesPage::make(&visit.asking, &id, None, parameters.outcome()).await)
}

/// Pull a port by another schedule, never by one, or by the descriptor's.
async fn set_schedule(Path(id): Path<String>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let (port, filled) = (taken.text("port"), taken.text("schedule"));
    let (schedule, word) = match taken.text("action") {
        "never" => (Some("never"), "scheduled"),
        "back" => (None, "unscheduled"),
        _ => (Some(filled), "scheduled"),
    };
    let variables = json!({ "product": id, "port": port, "schedule": schedule });
    let back = |_: &Value| done(&format!("/admin/{}/schedules", encode(&id)), word);
    let again = |outcome| SchedulesPage::make(&taken.asking, &id, Some((port, filled)), outcome);
    form.change(&taken, (SCHEDULE, variables), back, again).await
}
