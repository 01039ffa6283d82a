//! Administration: turns requests for the pages of those who run products, and the forms on them, into pages.
//!
//! A form works without JavaScript and is taken from the gateway's own pages only. Whether the visitor may do what it asks for
//! is the product's to decide, as with any mutation; what was done is answered by 303, so that loading again sends
//! nothing twice, and what was not by the page again, with the reason and what was filled in.

mod about;
mod models;
mod pipeline;
mod policy;
mod quality;
mod sent;
mod sources;

use super::csrf::Csrf;
use super::enter;
use super::pages::{failed, not_found, notice, page};
use crate::gateway::Gateway;
use crate::pages::admin::{AdminPage, Outcome};
use crate::pages::{Asking, PageError};
use crate::traffic::Place;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

/// Bytes of a form at most: a model's text is the longest thing that is filled in.
const LARGEST: usize = 1024 * 1024;

/// What was done, by the word in the address; other words say nothing.
const DONE: [(&str, &str); 14] = [
    ("started", "The run is in the queue. This page follows it."),
    ("cancelled", "The run is told to end. What it has published stays."),
    ("rolled-back", "Readers see this version from now on."),
    ("scheduled", "The port is pulled by this schedule from now on."),
    ("unscheduled", "The descriptor's schedule is in force again."),
    ("model-put", "The model is put in. The next run builds it."),
    ("model-back", "The folder's own model is back. The next run builds it."),
    ("rule-put", "The rule is put in. The next run checks it."),
    ("rule-back", "The contract's own rule is back. The next run checks it."),
    ("rechecked", "What is published was checked again. The results are below."),
    ("said", "Saved: the product says it from now on."),
    ("pulling", "The port is being pulled: the run is in the queue, or under way."),
    ("policy", "Put in: it holds everywhere within a second."),
    ("policy-back", "The folder's own lines hold again."),
];

/// The routes of those who run products.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/admin", get(index))
        .merge(pipeline::routes())
        .merge(models::routes())
        .merge(quality::routes())
        .merge(about::routes())
        .merge(sources::routes())
        .merge(policy::routes())
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// The query string of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    /// What was just done.
    done: String,
}

impl Parameters {
    fn outcome(&self) -> Outcome {
        let done = DONE.iter().find(|(word, _)| *word == self.done).map(|(_, text)| (*text).to_owned());
        Outcome { done, refused: None }
    }
}

async fn index(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let made = async { AdminPage::make(&Asking::begin(&gateway, &headers).await?).await };
    match made.await {
        Ok(made) => page(StatusCode::OK, &made),
        Err(error) => failed(&gateway, &error),
    }
}

/// A page, or that there is none for this visitor.
fn shown<T: Template>(
    gateway: &Gateway,
    asking: &Asking,
    uri: &Uri,
    status: StatusCode,
    made: Result<Option<T>, PageError>,
) -> Response {
    match made {
        Ok(Some(made)) => page(status, &made),
        Ok(None) => not_found(&asking.caller, uri.path()),
        Err(error) => failed(gateway, &error),
    }
}

/// A form that one of the own pages sent, and who sent it.
struct Taken<'g> {
    asking: Asking,
    pairs: Vec<(String, String)>,
    /// Its place among the requests that run at the same time.
    _place: Place<'g>,
}

impl Taken<'_> {
    /// What was filled in as `name`, without space around it; empty where there is nothing.
    fn text(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }
}

/// Take a form.
///
/// # Errors
/// The refusal: it does not come from the own pages, too much is asked, or there is nobody to ask as.
async fn take<'g>(
    gateway: &'g Gateway,
    headers: &HeaderMap,
    extensions: &Extensions,
    body: &[u8],
) -> Result<Taken<'g>, Box<Response>> {
    let place = enter(gateway, headers, extensions)?;
    Csrf::check_form(headers)
        .map_err(|error| Box::new(notice(StatusCode::FORBIDDEN, "Not taken", vec![error.message])))?;
    let asking = Asking::begin(gateway, headers).await.map_err(|error| Box::new(failed(gateway, &error)))?;
    let pairs = url::form_urlencoded::parse(body).into_owned().collect();
    Ok(Taken { asking, pairs, _place: place })
}

/// Off to a page that says what was done (RFC 9110, 303).
fn done(page: &str, word: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("{page}?done={word}"))]).into_response()
}
