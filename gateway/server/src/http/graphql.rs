//! GraphQL over HTTP: turns GET and POST requests into operations of the graph, and their results into responses.

use super::access::{LONGEST_NAME, Line};
use super::batch::{self, is_batch};
use super::compress::compress;
use super::incoming::{self, Bounds};
use crate::documents::Digest;
use crate::gateway::Gateway;
use crate::graph::{self, Graph, RunError};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::slice;
use std::sync::Arc;
use std::time::Instant;
use terrane_graphql::exchange::{self, Reply, refuse, refuse_method, refuse_operation, respond};
use terrane_graphql::media::{ResponseMedia, negotiate};
use terrane_graphql::parts::{self, accepts_parts};
use terrane_graphql::{Document, GraphqlError, Request};
use terrane_policy::Caller;
use terrane_telemetry::along;
use terrane_telemetry::trace::{self, Span, Trace};

/// What an operation is asked with.
pub struct Asked<'a> {
    pub gateway: &'a Gateway,
    pub headers: &'a HeaderMap,
    pub media: ResponseMedia,
    pub mutations: bool,
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
    finish(&gateway, &head, posted(&gateway, &head.headers, body)).await
}

/// `GET /graphql?query=…`: queries only.
pub async fn get(
    State(gateway): State<Gateway>,
    Query(parts): Query<Vec<(String, String)>>,
    request: http::Request<Body>,
) -> Response {
    let (head, _) = request.into_parts();
    finish(&gateway, &head, got(&gateway, &head.headers, &parts)).await
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
    let mut response = along::with(along.clone(), finished).await;
    if let (Some(ids), Some(id)) = (&front.request_ids, along.as_ref().and_then(|along| along.request_id.as_ref())) {
        ids.tell(id, response.headers_mut());
    }
    counted.end(response.status());
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

async fn got(gateway: &Gateway, headers: &HeaderMap, parts: &[(String, String)]) -> Response {
    if let Err(error) = gateway.inner.settings.front.csrf.check(headers) {
        return refuse(StatusCode::BAD_REQUEST, media(headers), &[error]).map(Body::from);
    }
    let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match exchange::read_get(headers, parts) {
        Ok((mut request, media)) => {
            let asked = Asked { gateway, headers, media, mutations: false };
            respond_to(&asked, &mut request).await
        }
        Err(reply) => reply.map(Body::from),
    }
}

async fn posted(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Response {
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
                let asked = Asked { gateway, headers, media, mutations: true };
                batch::run(&front.batching, &asked, &body).await.map(Body::from)
            }
            Err(reply) => reply.map(Body::from),
        };
    }
    match exchange::read_post(headers, &body) {
        Ok((mut request, media)) => respond_to(&Asked { gateway, headers, media, mutations: true }, &mut request).await,
        Err(reply) => reply.map(Body::from),
    }
}

/// The media type of a refusal, for any client.
fn media(headers: &HeaderMap) -> ResponseMedia {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    negotiate(accept).unwrap_or(ResponseMedia::Json)
}

/// The response to one operation: in parts, where the client takes them and something is deferred.
async fn respond_to(asked: &Asked<'_>, request: &mut Request) -> Response {
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
    caller: Caller,
    forwarded: HeaderMap,
    /// To be registered when the document has proved to be one.
    digest: Option<Digest>,
}

/// Who asks, which graph, and the document's text.
async fn prepare(asked: &Asked<'_>, request: &mut Request) -> Result<Prepared, Outcome<Reply>> {
    let (settings, media) = (&asked.gateway.inner.settings, asked.media);
    let caller = match settings.authenticator.authenticate(exchange::authorization(asked.headers)).await {
        Ok(caller) => caller,
        Err(error) => {
            let error = GraphqlError::new("UNAUTHENTICATED", error.to_string());
            return Err(("unauthenticated", refuse(StatusCode::UNAUTHORIZED, media, &[error])));
        }
    };
    let Some(graph) = asked.gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return Err(("unavailable", refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error])));
    };
    let digest = settings.front.documents.resolve(request);
    let digest = digest.map_err(|error| ("refused", refuse_document(media, &error)))?;
    Ok(Prepared { graph, caller, forwarded: asked.gateway.forwarded(asked.headers), digest })
}

async fn run_in_parts_or_whole(asked: &Asked<'_>, request: &Request, prepared: &Prepared) -> Outcome<Response> {
    let accept = asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts_parts(accept) {
        let Prepared { graph, caller, forwarded, .. } = prepared;
        match graph.run_in_parts(request, &caller.roles, forwarded.clone()).await {
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
    match graph.run(request, &caller.roles, forwarded, asked.mutations).await {
        Ok(body) => {
            register(asked, request, prepared);
            ("answered", respond(asked.media, body))
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
