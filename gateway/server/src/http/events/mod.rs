//! The events of the mesh: turns what the products tell of themselves into one feed, as pages or as a stream, for each reader what
//! they may know.
//!
//! A reader has one position for all: it names how far each product's feed was read. The order is each product's own; between
//! products there is none.

mod feed;
mod follow;
mod page;
mod positions;

use super::enter;
use super::streaming::{comment, streamed};
use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use crate::subscriptions::Session;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use follow::{Told, follow};
use futures_util::stream;
use positions::Positions;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use terrane_graphql::GraphqlError;
use terrane_graphql::exchange::refuse;
use terrane_graphql::media::ResponseMedia;
use terrane_graphql::negotiate::media_type;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval_at};

/// CloudEvents 1.0, JSON batch format.
const BATCH: &str = "application/cloudevents-batch+json";
/// An event a line.
const LINES: &str = "application/x-ndjson";
const STREAM: &str = "text/event-stream";
/// Events of a page, where it is not said, and at most.
const USUAL: usize = 100;
const LARGEST: usize = 1000;
/// Events that wait for a reader who is slow.
const WAITING: usize = 16;

/// The route.
pub fn routes() -> Router<Gateway> {
    Router::new().route("/events", get(events))
}

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    /// The positions that were seen; from the oldest that is kept without them. The header `last-event-id` goes before them.
    after: Option<String>,
    /// Events of a page.
    first: Option<usize>,
}

/// `GET /events`: a page of events of all products as NDJSON or as a JSON batch, with a link to the next; or a stream of them,
/// where `accept` likes that best.
async fn events(
    State(gateway): State<Gateway>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response<Body> {
    let place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let session = match Session::open(&gateway, &headers, None).await {
        Ok(session) => session,
        Err(error) => return refusal(StatusCode::UNAUTHORIZED, error),
    };
    let seen = headers.get("last-event-id").map(|seen| seen.to_str().unwrap_or("?").to_owned());
    let seen = seen.filter(|seen| !seen.trim().is_empty()).or(parameters.after);
    let Some(positions) = seen.map_or_else(|| Some(Positions::default()), |seen| Positions::read(&seen)) else {
        let message =
            "`after` and `last-event-id` are what this feed gave: the id of an event, or the link to the next page";
        return refusal(StatusCode::BAD_REQUEST, GraphqlError::new("BAD_USER_INPUT", message));
    };
    let first = parameters.first.unwrap_or(USUAL);
    if !(1..=LARGEST).contains(&first) {
        let message = format!("`first` is from 1 to {LARGEST}");
        return refusal(StatusCode::BAD_REQUEST, GraphqlError::new("BAD_USER_INPUT", message));
    }
    let Some(kind) = media_type(&headers, &[LINES, BATCH, "application/json", STREAM]) else {
        let message = format!("the feed is {LINES}, {BATCH} or {STREAM}");
        return refusal(StatusCode::NOT_ACCEPTABLE, GraphqlError::new("UNSUPPORTED_FORMAT", message));
    };
    if kind == STREAM {
        // a stream has a place of its own
        drop(place);
        return stream_of(&gateway, session, &headers, positions);
    }
    match page::page(&gateway, &session.forwarded, positions, first).await {
        Ok(page) => paged(&page, kind, first),
        Err(_) => {
            let message = "the products don't take your token; send another one";
            refusal(StatusCode::UNAUTHORIZED, GraphqlError::new("UNAUTHENTICATED", message))
        }
    }
}

fn paged(page: &page::Page, kind: &'static str, first: usize) -> Response<Body> {
    let body: String = match kind {
        LINES => page.events.iter().map(|event| format!("{event}\n")).collect(),
        _ => Value::Array(page.events.clone()).to_string(),
    };
    let next = format!("</events?after={}&first={first}>; rel=\"next\"", page.positions.write());
    let head = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::LINK, next),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "authorization, accept, cookie".to_owned()),
    ];
    let mut response = (head, body).into_response();
    if let Ok(away) = HeaderValue::from_str(&page.away.join(", "))
        && !page.away.is_empty()
    {
        response.headers_mut().insert(HeaderName::from_static("terrane-away"), away);
    }
    response
}

/// The products of the mesh.
fn products(gateway: &Gateway) -> impl Iterator<Item = &SubgraphSource> {
    gateway.inner.settings.sources.iter().filter(|source| source.product)
}

/// That events of a product after a position are not kept any more, as an event.
fn lost(source: &SubgraphSource, after: Option<i64>) -> Value {
    json!({
        "specversion": "1.0",
        "id": uuid::Uuid::new_v4(),
        "source": source.url.trim_end_matches('/').trim_end_matches("/graphql"),
        "type": "org.terrane.events.lost",
        "time": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
        "datacontenttype": "application/json",
        "data": { "product": source.name, "after": after },
    })
}

/// Events as they come. A stream ends with its caller's token, when another gateway takes this one's place, and with the process;
/// an `EventSource` comes again, where it was.
fn stream_of(gateway: &Gateway, session: Session, headers: &HeaderMap, positions: Positions) -> Response<Body> {
    if !gateway.inner.subscriptions.config.enabled {
        let message = "this gateway serves no streams; ask for pages";
        return refusal(StatusCode::NOT_ACCEPTABLE, GraphqlError::new("UNSUPPORTED_OPERATION", message));
    }
    let place = match gateway.inner.subscriptions.place() {
        Ok(place) => place,
        Err(error) => return refusal(StatusCode::SERVICE_UNAVAILABLE, error),
    };
    let (out, told) = mpsc::channel(WAITING);
    let mut tasks = JoinSet::new();
    for source in products(gateway) {
        let (gateway, headers, source) = (gateway.clone(), headers.clone(), source.clone());
        let position = positions.of(&source.name);
        tasks.spawn(follow(gateway, headers, source, position, out.clone()));
    }
    let heartbeat = gateway.inner.subscriptions.config.heartbeat();
    let beats = interval_at(Instant::now() + heartbeat, heartbeat);
    let reader =
        Reader { gateway: gateway.clone(), session, positions, told, beats, _tasks: tasks, _place: place, _out: out };
    let frames = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let (frame, goes_on) = reader.next().await?;
        Some((frame, goes_on.then_some(reader)))
    });
    let frames = futures_util::StreamExt::chain(stream::iter([comment()]), frames);
    streamed("text/event-stream; charset=utf-8", frames)
}

/// Who reads a stream.
struct Reader {
    gateway: Gateway,
    session: Session,
    positions: Positions,
    told: mpsc::Receiver<Told>,
    beats: Interval,
    /// They end with the reader.
    _tasks: JoinSet<()>,
    _place: crate::subscriptions::Place,
    /// The channel is open even where there is no product.
    _out: mpsc::Sender<Told>,
}

impl Reader {
    /// The next frame, and whether others follow; none at the end.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        let mut stopping = self.gateway.stopping();
        tokio::select! {
            told = self.told.recv() => {
                self.beats.reset();
                Some(self.frame(told?))
            }
            () = self.session.expired() => {
                Some((unauthenticated("your token has expired; connect with another one"), false))
            }
            _ = stopping.wait_for(|stopping| *stopping) => None,
            _ = self.beats.tick() => {
                // another gateway may know other products
                if !Arc::ptr_eq(&self.gateway.latest().inner, &self.gateway.inner) {
                    return None;
                }
                match self.session.check(&self.gateway) {
                    Ok(()) => Some((comment(), true)),
                    Err(error) => Some((unauthenticated(&error.message), false)),
                }
            }
        }
    }

    fn frame(&mut self, told: Told) -> (Bytes, bool) {
        match told {
            Told::Event { product, position, kind, text } => {
                self.positions.reach(&product, position);
                (event(&kind, &self.positions, &text), true)
            }
            Told::Lost { product, text } => {
                self.positions.forget(&product);
                (event("events", &self.positions, &text), true)
            }
            Told::Unauthenticated(message) => (unauthenticated(&message), false),
        }
    }
}

/// A frame of a stream (HTML standard, section 9.2). JSON text of products has no line breaks.
fn event(kind: &str, positions: &Positions, text: &str) -> Bytes {
    format!("event: {kind}\nid: {}\ndata: {text}\n\n", positions.write()).into()
}

fn unauthenticated(message: &str) -> Bytes {
    let data = json!({ "error": { "code": "UNAUTHENTICATED", "message": message } });
    format!("event: error\ndata: {data}\n\n").into()
}

fn refusal(status: StatusCode, error: GraphqlError) -> Response<Body> {
    refuse(status, ResponseMedia::Json, &[error]).map(Body::from)
}
