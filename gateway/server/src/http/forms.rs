//! Forms: turns what browsers send about access into mutations of the graph, and their outcome into a page.
//!
//! A form works without JavaScript and is taken from the gateway's own pages only (`csrf.rs`). Whether the visitor may do what
//! it asks for is the product's to decide, as with any mutation.

use super::csrf::Csrf;
use super::enter;
use super::pages::{failed, not_found, notice, page};
use crate::gateway::Gateway;
use crate::pages::{AccessPage, AccessParameters, AskPage, Asking, Filled, PageError, Sent, send};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use url::form_urlencoded;

/// Bytes of a form at most.
const LARGEST: usize = 64 * 1024;

/// The routes of what is asked for and decided about access.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/access", get(access))
        .route("/access/{product}/{id}/{action}", post(decide))
        .route("/access/{product}/grants/{id}/revoke", post(end_grant))
        .route("/marketplace/{id}/access", get(form).post(ask))
        .layer(DefaultBodyLimit::max(LARGEST))
}

async fn access(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Query(parameters): Query<AccessParameters>,
) -> Response {
    let made = async {
        let asking = Asking::begin(&gateway, &headers).await?;
        AccessPage::make(&asking, &parameters, None).await
    };
    match made.await {
        Ok(made) => page(StatusCode::OK, &made),
        Err(error) => failed(&gateway, &error),
    }
}

/// `GET /marketplace/{id}/access?role=&field=`: the form, with that filled in.
async fn form(State(gateway): State<Gateway>, headers: HeaderMap, Path(id): Path<String>, uri: Uri) -> Response {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
    show_form(&gateway, &headers, (&id, uri.path()), &Filled::read(pairs), None).await
}

/// `POST /marketplace/{id}/access`: ask for it.
async fn ask(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    if let Err(error) = Csrf::check_form(&headers) {
        return notice(StatusCode::FORBIDDEN, "Not taken", vec![error.message]);
    }
    let filled = Filled::read(form_urlencoded::parse(&body).into_owned());
    let sent = async {
        let asking = Asking::begin(&gateway, &headers).await?;
        send(&asking, &id, &filled).await
    };
    match sent.await {
        Ok(Sent::Made(request, state)) => done(if state == "granted" { "granted" } else { "asked" }, Some(&request)),
        Ok(Sent::Refused(code, why)) => {
            show_form(&gateway, &headers, (&id, uri.path()), &filled, Some((code, why))).await
        }
        Err(error) => failed(&gateway, &error),
    }
}

async fn show_form(
    gateway: &Gateway,
    headers: &HeaderMap,
    (id, path): (&str, &str),
    filled: &Filled,
    refused: Option<(String, String)>,
) -> Response {
    let status = refused.as_ref().map_or(StatusCode::OK, |(code, _)| status(code));
    let asking = match Asking::begin(gateway, headers).await {
        Ok(asking) => asking,
        Err(error) => return failed(gateway, &error),
    };
    match AskPage::make(&asking, id, filled, refused.map(|(_, why)| why)).await {
        Ok(Some(made)) => page(status, &made),
        Ok(None) => not_found(&asking.caller, path),
        Err(error) => failed(gateway, &error),
    }
}

/// `POST /access/{product}/{request}/{approve|deny|withdraw|revoke}`.
async fn decide(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path((product, id, action)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let (field, optional, word) = match action.as_str() {
        "approve" => ("approveAccess", true, "approved"),
        "deny" => ("denyAccess", false, "denied"),
        "withdraw" => ("denyAccess", false, "withdrawn"),
        "revoke" => ("revokeAccess", false, "revoked"),
        _ => return notice(StatusCode::NOT_FOUND, "No such page", vec!["There is no such form.".to_owned()]),
    };
    let reason = if optional { "String" } else { "String!" };
    let mutation = format!(
        "mutation Decide($product: ID!, $id: ID!, $reason: {reason}) {{ {field}(product: $product, id: $id, reason: \
         $reason) {{ id }} }}"
    );
    let sent = Decision { mutation: &mutation, product: &product, id: &id, optional, word };
    change(&gateway, &headers, &extensions, &body, sent).await
}

/// `POST /access/{product}/grants/{grant}/revoke`.
async fn end_grant(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Path((product, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let mutation = "mutation End($product: ID!, $id: ID!, $reason: String!) { revoke(product: $product, id: $id, reason: \
                    $reason) { id } }";
    let sent = Decision { mutation, product: &product, id: &id, optional: false, word: "revoked" };
    change(&gateway, &headers, &extensions, &body, sent).await
}

#[derive(Clone, Copy)]
struct Decision<'a> {
    mutation: &'a str,
    product: &'a str,
    id: &'a str,
    /// Whether a reason may be missing.
    optional: bool,
    /// What is said when it is done.
    word: &'a str,
}

async fn change(
    gateway: &Gateway,
    headers: &HeaderMap,
    extensions: &Extensions,
    body: &Bytes,
    decision: Decision<'_>,
) -> Response {
    let _place = match enter(gateway, headers, extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    if let Err(error) = Csrf::check_form(headers) {
        return notice(StatusCode::FORBIDDEN, "Not taken", vec![error.message]);
    }
    let reason =
        form_urlencoded::parse(body).find(|(name, _)| name == "reason").map(|(_, value)| value.trim().to_owned());
    let reason = reason.filter(|text| !text.is_empty());
    let outcome = async {
        let asking = Asking::begin(gateway, headers).await?;
        let reason = match (reason, decision.optional) {
            (None, false) => Some("no reason was given".to_owned()),
            (reason, _) => reason,
        };
        let variables = json!({ "product": decision.product, "id": decision.id, "reason": reason });
        let asked = asking.change::<Value>(decision.mutation, variables).await?;
        Ok::<_, PageError>((asking, asked.error))
    };
    match outcome.await {
        Ok((_, None)) => done(decision.word, None),
        Ok((asking, Some((code, why)))) => {
            match AccessPage::make(&asking, &AccessParameters::default(), Some(why)).await {
                Ok(made) => page(status(&code), &made),
                Err(error) => failed(gateway, &error),
            }
        }
        Err(error) => failed(gateway, &error),
    }
}

/// Off to the page of all requests (RFC 9110, 303), so that loading it again sends nothing twice.
fn done(word: &str, request: Option<&str>) -> Response {
    let anchor = request.map(|id| format!("#request-{}", terrane_views::text::html_id(id))).unwrap_or_default();
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/access?done={word}{anchor}"))]).into_response()
}

/// The status under which a page says that a form was refused with `code`.
pub(super) fn status(code: &str) -> StatusCode {
    match code {
        "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
        "FORBIDDEN" | "NOT_AN_APPROVER" => StatusCode::FORBIDDEN,
        "NO_SUCH_ACCESS_REQUEST" | "NO_SUCH_GRANT" | "UNKNOWN_PRODUCT" => StatusCode::NOT_FOUND,
        "POLICY_CHANGED_MEANWHILE" => StatusCode::CONFLICT,
        "PRODUCT_UNAVAILABLE" | "INTERNAL_SERVER_ERROR" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
