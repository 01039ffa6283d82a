//! Names of requests: turns the headers by which who asks names a request and its trace into what goes along with it.

use crate::audit::{self, Account, GRAPHQL, Origin};
use crate::service::ProductService;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use terrane_telemetry::along::{self, is_sane};
use terrane_telemetry::{Names, trace};
use uuid::Uuid;

/// The header of the id: as the gateway sends it by default.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Count a request, and answer it under its names: its lines in the log have them, and so have requests to others.
pub async fn named(State(service): State<ProductService>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let counted = service.meters().http.begin();
    let (method, path) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let path = || path.as_ref().map_or("?", MatchedPath::as_str);
    let (trace, mut span) = trace::accept(|| span_name(&method, path()), request.headers());
    let given = request.headers().get(REQUEST_ID).filter(|id| is_sane(id)).cloned();
    let id = given.unwrap_or_else(made);
    let names = Names { request_id: Some(id.clone()), header: Some(REQUEST_ID), trace };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let account = action(&method, path()).map(|action| {
        let origin = Origin::of(request.headers(), Some(id.clone()), peer);
        Account::new(origin, action)
    });
    let answered = async {
        let response = recorded(&service, account, request, next).await;
        tracing::debug!(
            target: "terrane::access",
            product = service.product().id,
            %method,
            path = path(),
            status = response.status().as_u16(),
            duration_ms = started.elapsed().as_secs_f64() * 1000.0,
        );
        response
    };
    let mut response = along::with(Some(Arc::new(names)), answered).await;
    let status = response.status();
    if span.is_recording() {
        span.set("terrane.product", service.product().id.clone());
        span.set("http.request.method", method.to_string());
        span.set("http.route", path().to_owned());
        span.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.fail("server_error");
        }
    }
    counted.end(status);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The answer, which is on record before it goes out.
async fn recorded(service: &ProductService, account: Option<Arc<Account>>, request: Request, next: Next) -> Response {
    let Some(account) = account else { return next.run(request).await };
    if service.audit().is_closed() {
        return audit::refusal();
    }
    let response = audit::scope(Some(Arc::clone(&account)), next.run(request)).await;
    service.audit().close(&account, response)
}

/// What a request to a path is for; none where nothing of the product is in its answer.
fn action(method: &Method, path: &str) -> Option<&'static str> {
    Some(match path {
        "/graphql" => GRAPHQL,
        "/output/{file}" if method == Method::HEAD => "exportHead",
        "/output/{file}" => "export",
        "/output/{dataset}/changes" => "changes",
        "/input/{dataset}" => "ingest",
        "/input/{dataset}/events" => "ingestEvents",
        "/discovery" | "/discovery/{file}" => "discover",
        "/audit/{file}" => "exportAudit",
        _ => return None,
    })
}

fn span_name(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}

fn made() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(Uuid::new_v4().simple().encode_lower(&mut text)).expect("hexadecimal digits")
}
