//! GraphQL over HTTP: turns GET and POST requests into operations of the graph, and their results into responses.

use super::access::{LONGEST_NAME, Line};
use super::batch::{self, is_batch};
use super::caching;
use super::compress::compress;
use super::enter;
use super::incoming::{self, Bounds};
use super::request_id::NamedBody;
use super::streaming;
use crate::demand::{Charge, Refused};
use crate::documents::Digest;
use crate::gateway::Gateway;
use crate::graph::{self, Graph, RunError};
use crate::rates::{Wait, Who};
use axum::body::{Body, HttpBody as _};
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::net::IpAddr;
use std::slice;
use std::sync::Arc;
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::{ResponseMedia, negotiate};
use terrane_graphql::parts::{self, accepts_parts};
use terrane_graphql::{Document, GraphqlError, Request};
use terrane_policy::Caller;
use terrane_telemetry::along::{self, Along};
use terrane_telemetry::trace::{self, Span, Trace};

/// What an operation is asked with.
pub struct Asked<'a> {
    pub gateway: &'a Gateway,
    pub headers: &'a HeaderMap,
    pub media: ResponseMedia,
    pub mutations: bool,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

/// What the access log says of an operation.
#[derive(Debug, Clone)]
pub struct Noted {
    pub operation: Option<String>,
    pub document: Option<Document>,
    pub outcome: &'static str,
}

/// `POST /graphql` with a JSON body.
pub async fn post(State(gateway): State<Gateway>, request: http::Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let _place = match enter(&gateway, &head.headers, &head.extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let address = gateway.inner.rates.address(&head.headers, &head.extensions);
    if let Some(form) = streaming::form(&head.headers) {
        return finish(&gateway, &head, streaming::post(&gateway, form, &head.headers, address, body)).await;
    }
    finish(&gateway, &head, posted(&gateway, &head.headers, address, body)).await
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(gateway): State<Gateway>,
    Query(parts): Query<Vec<(String, String)>>,
    request: http::Request<Body>,
) -> Response {
    let (mut head, _) = request.into_parts();
    let _place = match enter(&gateway, &head.headers, &head.extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    if streaming::is_upgrade(&head) {
        let front = &gateway.inner.settings.front;
        if let Err(error) = front.csrf.check_socket(&head.headers) {
            return refuse(StatusCode::FORBIDDEN, ResponseMedia::Json, &[error]).map(Body::from);
        }
        let (trace, _span) = accept(&head);
        let along = front.names(&head.headers, trace);
        let response = along::with(along.clone(), streaming::upgrade(gateway.clone(), &mut head)).await;
        return tell(&gateway, along.as_ref(), response);
    }
    let address = gateway.inner.rates.address(&head.headers, &head.extensions);
    if let Some(form) = streaming::form(&head.headers) {
        return finish(&gateway, &head, streaming::get(&gateway, form, &head.headers, address, &parts)).await;
    }
    finish(&gateway, &head, got(&gateway, &head.headers, address, &parts)).await
}

/// Name the request, compress its response, and log it, as far as the settings have it.
async fn finish(gateway: &Gateway, head: &Parts, respond: impl Future<Output = Response>) -> Response {
    let front = &gateway.inner.settings.front;
    let counted = gateway.inner.meters.http.begin();
    let (trace, mut span) = accept(head);
    let along = front.names(&head.headers, trace);
    let finished = async {
        let line = front.access_log.then(|| Line::begin(head));
        let response = respond.await;
        describe(&mut span, head, &response);
        let response = compress(&front.compression, &head.headers, response).await;
        match line {
            Some(line) => line.end(response),
            None => response,
        }
    };
    let response = along::with(along.clone(), finished).await;
    let response = tell(gateway, along.as_ref(), response);
    counted.end(response.status());
    match along {
        // what runs while a stream is read is also for this request
        Some(along) if response.body().size_hint().exact().is_none() => {
            response.map(|body| Body::new(NamedBody { body, along }))
        }
        _ => response,
    }
}

/// Tell the client the request's id.
fn tell(gateway: &Gateway, along: Option<&Along>, mut response: Response) -> Response {
    let id = along.and_then(|along| along.request_id.as_ref());
    if let (Some(ids), Some(id)) = (&gateway.inner.settings.front.request_ids, id) {
        ids.tell(id, response.headers_mut());
    }
    response
}

/// The trace of a request, and its span: named by method and route.
fn accept(head: &Parts) -> (Trace, Span) {
    trace::accept(|| if head.method == Method::GET { "GET /graphql" } else { "POST /graphql" }, &head.headers)
}

/// Note what a request was and became, as far as nothing in it may be secret.
fn describe(span: &mut Span, head: &Parts, response: &Response) {
    if !span.is_recording() {
        return;
    }
    let status = response.status();
    span.set("http.request.method", head.method.to_string());
    span.set("url.path", head.uri.path().to_owned());
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if let Some(noted) = response.extensions().get::<Noted>() {
        span.set("terrane.outcome", noted.outcome);
        if let Some(name) = &noted.operation {
            span.set("graphql.operation.name", name.chars().take(LONGEST_NAME).collect::<String>());
        }
    }
    if status.is_server_error() {
        span.fail("server_error");
    }
}

async fn got(gateway: &Gateway, headers: &HeaderMap, address: Option<IpAddr>, parts: &[(String, String)]) -> Response {
    if let Err(error) = gateway.inner.settings.front.csrf.check(headers) {
        return refuse(StatusCode::BAD_REQUEST, media(headers), &[error]).map(Body::from);
    }
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match exchange::read_get(headers, parts) {
        Ok((mut request, media)) => {
            let asked = Asked { gateway, headers, media, mutations: false, address };
            respond_to(&asked, &mut request).await
        }
        Err(reply) => reply.map(Body::from),
    }
}

async fn posted(gateway: &Gateway, headers: &HeaderMap, address: Option<IpAddr>, body: Body) -> Response {
    let settings = &gateway.inner.settings;
    let front = &settings.front;
    if let Err(error) = front.csrf.check(headers) {
        return refuse(StatusCode::BAD_REQUEST, media(headers), &[error]).map(Body::from);
    }
    let bytes = settings.limits.body_bytes;
    let bounds = Bounds { bytes, time: front.body_timeout, compressed: front.compression.requests };
    let body = match incoming::read(headers, body, bounds).await {
        Ok(body) => body,
        Err((status, error)) => return refuse(status, media(headers), &[error]).map(Body::from),
    };
    if is_batch(&body) {
        return match exchange::read_media(headers) {
            Ok(media) => {
                let asked = Asked { gateway, headers, media, mutations: true, address };
                batch::run(&front.batching, &asked, &body).await.map(Body::from)
            }
            Err(reply) => reply.map(Body::from),
        };
    }
    match exchange::read_post(headers, &body) {
        Ok((mut request, media)) => {
            respond_to(&Asked { gateway, headers, media, mutations: true, address }, &mut request).await
        }
        Err(reply) => reply.map(Body::from),
    }
}

/// The media type of a refusal, for any client.
pub(super) fn media(headers: &HeaderMap) -> ResponseMedia {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    negotiate(accept).unwrap_or(ResponseMedia::Json)
}

/// The response to one operation: in parts, where the client takes them and something is deferred.
pub(super) async fn respond_to(asked: &Asked<'_>, request: &mut Request) -> Response {
    let started = Instant::now();
    let (outcome, mut response) = match prepare(asked, request).await {
        Ok(prepared) => run_in_parts_or_whole(asked, request, &prepared).await,
        Err((outcome, reply)) => (outcome, reply.map(Body::from)),
    };
    asked.gateway.inner.meters.operations.count(outcome, response.status(), started);
    if asked.gateway.inner.settings.front.access_log || trace::is_recorded() {
        let (operation, document) = (request.operation_name.clone(), request.query.clone());
        response.extensions_mut().insert(Noted { operation, document, outcome });
    }
    response
}

/// The whole response to one operation.
pub async fn answer(asked: &Asked<'_>, request: &mut Request) -> Reply {
    let started = Instant::now();
    let (outcome, reply) = match prepare(asked, request).await {
        Ok(prepared) => run(asked, request, &prepared).await,
        Err(refused) => refused,
    };
    asked.gateway.inner.meters.operations.count(outcome, reply.status(), started);
    reply
}

/// What became of a request in one word of a short list, and the reply.
type Outcome<R> = (&'static str, R);

/// What an operation needs to run.
struct Prepared {
    graph: Arc<Graph>,
    caller: Arc<Caller>,
    forwarded: HeaderMap,
    /// To be registered when the document has proved to be one.
    digest: Option<Digest>,
    /// Where costs are estimated.
    charge: Option<Charge>,
}

/// Who asks, which graph, and the document's text.
async fn prepare(asked: &Asked<'_>, request: &mut Request) -> Result<Prepared, Outcome<Reply>> {
    let (settings, media) = (&asked.gateway.inner.settings, asked.media);
    let caller = match asked.gateway.caller(asked.headers).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return Err(("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error])));
        }
    };
    if let Err(wait) = asked.gateway.inner.rates.admit_caller(&caller, asked.address) {
        return Err(("limited", refuse_rate(media, wait)));
    }
    let Some(graph) = asked.gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return Err(("unavailable", refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error])));
    };
    let digest = settings.front.documents.resolve(request);
    let digest = digest.map_err(|error| ("refused", refuse_document(media, &error)))?;
    let forwarded = asked.gateway.forwarded(asked.headers, &caller);
    let charge = charge(asked, &graph, request, &caller).map_err(|refused| *refused)?;
    Ok(Prepared { graph, caller, forwarded, digest, charge })
}

/// What the operation is charged with, where costs are estimated.
fn charge(
    asked: &Asked<'_>,
    graph: &Graph,
    request: &Request,
    caller: &Caller,
) -> Result<Option<Charge>, Box<Outcome<Reply>>> {
    let demand = &asked.gateway.inner.demand;
    if !demand.is_on() {
        return Ok(None);
    }
    let cost = graph.cost(request, caller).map_err(|error| Box::new(("refused", refuse_run(asked, request, error))))?;
    demand.charge(cost, request, &Who::of(caller, asked.address)).map(Some).map_err(|refused| match refused {
        Refused::TooExpensive(error) => Box::new(("refused", refuse_operation(asked.media, request, &[error]))),
        Refused::Spent(error, wait) => {
            Box::new(("limited", wait_for(wait, refuse(StatusCode::TOO_MANY_REQUESTS, asked.media, &[error]))))
        }
    })
}

/// The response to a request that comes too soon.
pub fn refuse_rate(media: ResponseMedia, wait: Wait) -> Reply {
    wait_for(wait, refuse(StatusCode::TOO_MANY_REQUESTS, media, &[wait.error()]))
}

fn wait_for(wait: Wait, mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.seconds()));
    reply
}

/// The response with what it is charged with.
fn charged(charge: &Charge, mut reply: Reply) -> Reply {
    if let Ok(value) = HeaderValue::from_str(&charge.header()) {
        reply.headers_mut().insert("graphql-cost", value);
    }
    reply
}

async fn run_in_parts_or_whole(asked: &Asked<'_>, request: &Request, prepared: &Prepared) -> Outcome<Response> {
    let accept = asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts_parts(accept) {
        let Prepared { graph, caller, forwarded, .. } = prepared;
        match graph.run_in_parts(request, caller, forwarded.clone()).await {
            Ok(Some(parts)) => {
                register(asked, request, prepared);
                return ("answered", respond_in_parts(parts));
            }
            Ok(None) => {}
            Err(error) => return ("refused", refuse_run(asked, request, error).map(Body::from)),
        }
    }
    let (outcome, reply) = run(asked, request, prepared).await;
    (outcome, reply.map(Body::from))
}

async fn run(asked: &Asked<'_>, request: &Request, prepared: &Prepared) -> Outcome<Reply> {
    let Prepared { graph, caller, forwarded, .. } = prepared;
    match graph.run(request, caller, forwarded, asked.mutations).await {
        Ok(terrane_execute::Response { body, freshness }) => {
            register(asked, request, prepared);
            let Some(charge) = &prepared.charge else {
                let mut reply = respond(asked.media, body);
                caching::tell(asked.gateway, caller, forwarded, freshness, reply.headers_mut());
                return ("answered", reply);
            };
            // what is left of the budget is in it: nobody keeps that
            ("answered", charged(charge, respond(asked.media, charge.report(body))))
        }
        Err(error) => ("refused", refuse_run(asked, request, error)),
    }
}

fn register(asked: &Asked<'_>, request: &Request, prepared: &Prepared) {
    if let (Some(digest), Some(document)) = (prepared.digest, &request.query) {
        asked.gateway.inner.settings.front.documents.register(digest, document.clone());
    }
}

fn refuse_run(asked: &Asked<'_>, request: &Request, error: RunError) -> Reply {
    match error {
        RunError::Request(errors) => refuse_operation(asked.media, request, &errors),
        RunError::NotAQuery => refuse_method(asked.media),
    }
}

/// The response to a request whose document is not known or may not run. Clients that register documents expect it to be
/// well formed, so `application/json` has status 200; nobody may keep it, for the document may be known in a moment.
fn refuse_document(media: ResponseMedia, error: &GraphqlError) -> Reply {
    let malformed = matches!(error.code(), "BAD_REQUEST" | "PERSISTED_QUERY_HASH_MISMATCH");
    let lenient = media == ResponseMedia::Json && !malformed;
    let status = if lenient { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut reply = refuse(status, media, slice::from_ref(error));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The response to an operation with `@defer`: each part is sent as soon as it is there.
fn respond_in_parts(graph::Parts { first, parts: rest }: graph::Parts) -> Response {
    let opening = [parts::OPENING, &parts::part(&first)].concat();
    let following = stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        match rest.recv().await {
            Some(part) => Some((parts::part(&part), Some(rest))),
            None => Some((parts::CLOSING.to_vec(), None)),
        }
    });
    // compression asks once more after the end
    let body = stream::once(async { opening }).chain(following).fuse().map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(parts::MULTIPART));
    response
}
