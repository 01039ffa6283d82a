//! Plans: turns an operation in a query string or a body into its plan, as a page, text or JSON.

use super::enter;
use super::pages::{failed, page};
use crate::gateway::Gateway;
use crate::pages::{Frame, NoPlan, PageError, PlanPage, explain, visitor};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;

/// Bytes of an operation at most; the gateway's own limits hold, too.
const LARGEST: usize = 1024 * 1024;
/// What is said to whom plans are not shown.
const FORBIDDEN: &str =
    "your roles do not show plans; a line `p, ROLE, gateway:plan, explain, allow` of the mesh's rules does";

/// The route of plans.
pub fn routes() -> Router<Gateway> {
    Router::new().route("/plan", get(shown).post(told)).layer(DefaultBodyLimit::max(LARGEST))
}

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
}

/// `GET /plan?query=`: the page; nothing is run.
async fn shown(
    State(gateway): State<Gateway>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let (caller, allowed) = match visitor(&gateway, &headers).await {
        Ok(visitor) => visitor,
        Err(error) => return failed(&gateway, &error),
    };
    let Parameters { query, operation_name } = parameters;
    let asked = !query.trim().is_empty();
    let request = Request { query: Some(query.clone().into()), operation_name, ..Request::default() };
    let explained = (asked || !allowed).then(|| explain(&gateway, &caller, allowed, &request));
    let (status, plan, refused) = match explained {
        None => (StatusCode::OK, None, None),
        Some(Ok(explained)) => (StatusCode::OK, Some(explained.text), None),
        Some(Err(NoPlan::Forbidden)) => (StatusCode::FORBIDDEN, None, Some(FORBIDDEN.to_owned())),
        Some(Err(NoPlan::Invalid(errors))) => {
            let why = errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ");
            (StatusCode::BAD_REQUEST, None, Some(why))
        }
    };
    let frame = Frame::new(&caller, "Plan of an operation", "How the gateway answers an operation");
    page(status, &PlanPage { frame, operation: query, plan, refused })
}

/// `POST /plan`: a request as of `/graphql`, which is planned and not run. `{"text": …, "plan": …}`.
async fn told(State(gateway): State<Gateway>, headers: HeaderMap, extensions: Extensions, body: Bytes) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let (caller, allowed) = match visitor(&gateway, &headers).await {
        Ok(visitor) => visitor,
        Err(PageError::Unauthenticated(why)) => {
            return refuse(StatusCode::UNAUTHORIZED, &[GraphqlError::new("UNAUTHENTICATED", why)]);
        }
        Err(error) => return failed(&gateway, &error),
    };
    let request = match Request::from_json(&body) {
        Ok(request) => request,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, &[GraphqlError::new("BAD_REQUEST", error.to_string())]);
        }
    };
    answer(&gateway, &caller, allowed, &request)
}

fn answer(gateway: &Gateway, caller: &Caller, allowed: bool, request: &Request) -> Response {
    match explain(gateway, caller, allowed, request) {
        Ok(explained) => {
            let body = json!({ "text": explained.text, "plan": explained.json }).to_string();
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private, no-store")], body)
                .into_response()
        }
        Err(NoPlan::Forbidden) => refuse(StatusCode::FORBIDDEN, &[GraphqlError::new("FORBIDDEN", FORBIDDEN)]),
        Err(NoPlan::Invalid(errors)) => refuse(StatusCode::BAD_REQUEST, &errors),
    }
}

fn refuse(status: StatusCode, errors: &[GraphqlError]) -> Response {
    use terrane_graphql::media::ResponseMedia;
    terrane_graphql::exchange::refuse(status, ResponseMedia::Json, errors).map(axum::body::Body::from)
}
