//! Sources: turns requests for the page of a product's input ports, and its form, into pages and pulls.

use super::{Parameters, done, shown, take};
use crate::gateway::Gateway;
use crate::http::forms::status;
use crate::http::pages::failed;
use crate::pages::Asking;
use crate::pages::admin::{Outcome, SourcesPage};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use terrane_views::text::encode;

/// The page's routes.
pub(super) fn routes() -> Router<Gateway> {
    Router::new().route("/admin/{product}/sources", get(page)).route("/admin/{product}/sources/{port}/pull", post(pull))
}

async fn page(
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
    let made = SourcesPage::make(&asking, &id, parameters.outcome()).await;
    shown(&gateway, &asking, &uri, StatusCode::OK, made)
}

/// `POST /admin/{product}/sources/{port}/pull`: put a run into the queue that pulls that port.
async fn pull(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path((id, port)): Path<(String, String)>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let taken = match take(&gateway, &headers, &extensions, &body).await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    match SourcesPage::pull(&taken.asking, &id, &port).await {
        Ok(None) => done(&format!("/admin/{}/sources", encode(&id)), "pulling"),
        Ok(Some((code, why))) => {
            let outcome = Outcome { done: None, refused: Some(why) };
            let made = SourcesPage::make(&taken.asking, &id, outcome).await;
            shown(&gateway, &taken.asking, &uri, status(&code), made)
        }
        Err(error) => failed(&gateway, &error),
    }
}
