//! Signing in: turns visits of `/auth/…` into redirects and sessions, and a session into whom a page is made for.

use super::csrf::Csrf;
use super::{enter, pages};
use crate::gateway::Gateway;
use crate::pages::{Door, Visitor};
use axum::extract::{Extension, Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST, LOCATION, REFRESH, SET_COOKIE, STRICT_TRANSPORT_SECURITY, VARY,
};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use terrane_auth::{Found, Moved, SignIn, SignInError};
use url::Url;
use url::form_urlencoded::byte_serialize;

/// The routes; only where the settings have a provider.
pub fn routes(sign_in: Arc<SignIn>) -> Router<Gateway> {
    Router::new()
        .route("/auth/sign-in", get(begin))
        .route("/auth/callback", get(callback))
        .route("/auth/sign-out", post(sign_out))
        .route("/auth/session", get(session))
        .layer(Extension(sign_in))
}

/// `GET /auth/sign-in?to=PATH`: to the provider, and back to the path.
async fn begin(
    State(gateway): State<Gateway>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let to = parts.iter().find(|(name, _)| name == "to").map_or("/", |(_, to)| to.as_str());
    if let Some(location) = elsewhere(&sign_in, &headers, to) {
        return moved(Moved { location, cookies: Vec::new(), subject: None });
    }
    match sign_in.begin(&headers, to, false).await {
        Ok(begun) => moved(begun),
        Err(error) => failed(&error),
    }
}

/// A loopback address has several names. The provider sends back to one of them, where a cookie of another is not sent.
fn elsewhere(sign_in: &SignIn, headers: &HeaderMap, to: &str) -> Option<Url> {
    let public = sign_in.public_url();
    let authority = &public[url::Position::BeforeHost..url::Position::AfterPort];
    let asked = headers.get(HOST)?.to_str().ok()?;
    if public.scheme() == "https" || asked == authority {
        return None;
    }
    let mut location = public.join("/auth/sign-in").ok()?;
    location.query_pairs_mut().append_pair("to", to);
    Some(location)
}

/// `GET /auth/callback`: what the provider sent a visitor back with.
async fn callback(
    State(gateway): State<Gateway>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let completed = sign_in.complete(&headers, &parts).await;
    let outcome = match &completed {
        Ok(Moved { subject: Some(_), .. }) => "signed_in",
        Ok(_) => "ended",
        Err(SignInError::Unavailable) => "unavailable",
        Err(SignInError::Stale) => "stale",
        Err(SignInError::Denied(_)) => "denied",
        Err(SignInError::Refused(_)) => "refused",
    };
    metrics::counter!("terrane_gateway_sign_ins_total", "outcome" => outcome).increment(1);
    match completed {
        Ok(completed) => {
            tracing::info!(target: "terrane::sign_in", subject = completed.subject, outcome, "sign-in");
            moved(completed)
        }
        Err(error) => {
            tracing::warn!(target: "terrane::sign_in", outcome, %error, "sign-in");
            failed(&error)
        }
    }
}

/// `POST /auth/sign-out`: by the form that our pages have.
async fn sign_out(
    State(gateway): State<Gateway>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    if let Err(error) = Csrf::check_form(&headers) {
        return foreign(&error.message);
    }
    if let Found::Visitor(visitor) = sign_in.find(&headers) {
        tracing::info!(target: "terrane::sign_in", subject = visitor.caller.subject, outcome = "signed_out", "sign-out");
    }
    let left = sign_in.leave().await;
    if left.location.origin() == sign_in.public_url().origin() {
        return moved(left);
    }
    // A redirect of a form may not lead to another origin (`form-action`), and a provider's page may lead anywhere.
    let refresh = HeaderValue::from_str(&format!("0; url={}", left.location));
    let lines = vec!["You are signed out here. Your provider asks whether to sign out there, too.".to_owned()];
    let mut response = notice(StatusCode::OK, "Signed out", lines);
    if let Ok(refresh) = refresh {
        response.headers_mut().insert(REFRESH, refresh);
    }
    keep(&mut response, left.cookies);
    response
}

/// `GET /auth/session`: who asks, and until when; for scripts of pages.
async fn session(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let unkept = [(CACHE_CONTROL, "no-store"), (VARY, "authorization, cookie")];
    match gateway.caller(&headers).await {
        Ok(caller) => {
            let said = json!({
                "signedIn": caller.signed_in,
                "subject": caller.subject,
                "name": Visitor::of(&caller).map(|visitor| visitor.name),
                "roles": caller.roles.iter().collect::<Vec<_>>(),
                "scopes": caller.scopes.iter().collect::<Vec<_>>(),
                "expires": caller.claims.get("exp"),
            });
            (unkept, Json(said)).into_response()
        }
        Err(error) => {
            let said = json!({"error": {"code": "UNAUTHENTICATED", "message": error.to_string()}});
            (StatusCode::UNAUTHORIZED, unkept, Json(said)).into_response()
        }
    }
}

/// What is around every page: who its visitor is, a session that is renewed in passing, and one that has ended taken away.
pub async fn around(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let settings = &gateway.inner.settings;
    let no_explorer = !settings.explorer;
    let Some(sign_in) = &settings.sign_in else {
        return Door { no_explorer, ..Door::default() }.around(next.run(request)).await;
    };
    let headers = request.headers();
    let to = request.uri().path_and_query().map_or("/", |known| known.as_str()).to_owned();
    let brings = headers.contains_key(AUTHORIZATION);
    let found = if brings { Found::Nobody } else { gateway.session(headers) };
    let due = match &found {
        Found::Nobody => false,
        Found::Ended => true,
        Found::Visitor(visitor) => visitor.is_due(),
    };
    // where the provider can't be asked, what it said before holds as long as it does
    if due
        && is_opened(&request)
        && let Ok(renewing) = sign_in.begin(headers, &to, true).await
    {
        return moved(renewing);
    }
    let mut cookies = Vec::new();
    if matches!(found, Found::Ended) {
        sign_in.strip(request.headers_mut());
        cookies.extend(sign_in.forget());
    }
    let visitor = match found {
        Found::Visitor(visitor) => Visitor::of(&visitor.caller),
        Found::Nobody | Found::Ended => None,
    };
    let href = format!("/auth/sign-in?to={}", byte_serialize(to.as_bytes()).collect::<String>());
    let door = Door { sign_in_href: Some(href), visitor, no_explorer };
    let mut response = door.around(next.run(request)).await;
    keep(&mut response, cookies);
    if sign_in.public_url().scheme() == "https" {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Whether a browser opens this as a page, so that it can be sent elsewhere and back.
fn is_opened(request: &Request) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let page = text("accept").is_some_and(|accept| accept.contains("text/html"));
    let whole = text("sec-fetch-dest").is_none_or(|destination| destination == "document");
    request.method() == Method::GET && page && whole
}

/// Let `router`, which knows tokens only, see visitors with a session as bearers of one.
pub fn with_sessions(gateway: &Gateway, router: Router) -> Router {
    router.layer(from_fn_with_state(gateway.clone(), bear))
}

async fn bear(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    if let Some(sign_in) = &gateway.inner.settings.sign_in
        && request.headers().contains_key(COOKIE)
    {
        let token = gateway.session_token(request.headers());
        let headers = request.headers_mut();
        sign_in.strip(headers);
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token);
        }
    }
    next.run(request).await
}

fn moved(moved: Moved) -> Response {
    let location = HeaderValue::from_str(moved.location.as_str());
    let Ok(location) = location else { return failed(&SignInError::Unavailable) };
    let head = [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let mut response = (StatusCode::SEE_OTHER, head).into_response();
    keep(&mut response, moved.cookies);
    response
}

fn keep(response: &mut Response, cookies: Vec<HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

fn failed(error: &SignInError) -> Response {
    let status = match error {
        SignInError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        SignInError::Stale => StatusCode::BAD_REQUEST,
        SignInError::Denied(_) | SignInError::Refused(_) => StatusCode::FORBIDDEN,
    };
    let lines = vec![format!("{}: {error}.", error.code())];
    notice(status, "You are not signed in", lines)
}

fn notice(status: StatusCode, title: &str, lines: Vec<String>) -> Response {
    // whether the explorer is open is not known here
    let door = Door { sign_in_href: Some("/auth/sign-in".to_owned()), visitor: None, no_explorer: true };
    door.within(|| pages::notice(status, title, lines))
}

fn foreign(message: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("CSRF_PREVENTION: {message}\n")).into_response()
}
