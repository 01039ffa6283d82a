//! The event feed: turns what happens to the product into CloudEvents, page by page or as a stream, from any position on.

use super::super::error::HttpError;
use super::super::negotiate;
use super::super::page::address;
use super::sse::event;
use super::{last_event_id, streamed, too_many};
use crate::ports::{PortsContext, notice_view};
use crate::service::ProductService;
use crate::streams::{EXPIRED, Session, through_last};
use axum::body::Body;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use terrane_store::{Notice, NoticeView, StoreError};
use tokio::time::sleep;

/// CloudEvents 1.0, JSON batch format.
const BATCH: &str = "application/cloudevents-batch+json";
const STREAM: &str = "text/event-stream";
/// Notices of a page at most.
const LARGEST: i64 = 1000;
/// A stream looks this often: one look is one row of an index.
const LOOK: Duration = Duration::from_secs(1);

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The position that was seen; from the oldest that is kept without it. The header `last-event-id` goes before it.
    after: Option<String>,
    /// Events of a page; 100 by default.
    first: Option<i64>,
}

/// `GET /events`: a page of events as a JSON batch, with a link to the next; or a stream of them, where `accept` likes that
/// better. Each caller sees what it may know: access only if it concerns them.
pub async fn get(
    State(service): State<ProductService>,
    Query(parameters): Query<Parameters>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let session = Session::open(&service, &headers).await?;
    let view = view(&service, &session)?;
    let bad = |message: String| HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message);
    let first = parameters.first.unwrap_or(100);
    if !(1..=LARGEST).contains(&first) {
        return Err(bad(format!("`first` is from 1 to {LARGEST}")));
    }
    let given = match last_event_id(&headers).map_err(|error| bad(error.message))? {
        Some(seen) => Some(seen),
        None => {
            parameters.after.as_deref().map(terrane_query::position).transpose().map_err(|error| bad(error.message))?
        }
    };
    let bounds = service.store().notice_bounds().await.map_err(HttpError::internal)?;
    let (oldest, newest) = bounds.unwrap_or((1, 0));
    if given.is_some_and(|after| after + 1 < oldest || after > newest) {
        let message = format!("the events after that position are not kept; there are those after {}", oldest - 1);
        return Err(HttpError::new(StatusCode::GONE, "CHANGES_EXPIRED", message));
    }
    let after = given.unwrap_or(oldest - 1);
    let source = address(&uri, &headers).trim_end_matches("/events").to_owned();
    match negotiate::media_type(&headers, &[BATCH, "application/json", STREAM]) {
        Some(STREAM) => stream_of(service, &session, view, after, source),
        Some(kind) => {
            let read = service.store().notices(&view, after, first).await;
            let (notices, seen) = read.map_err(HttpError::internal)?;
            let events: Vec<Value> = notices.iter().map(|notice| cloud_event(notice, &source)).collect();
            let next = format!("<{}?after={seen}&first={first}>; rel=\"next\"", uri.path());
            let head = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::LINK, next),
                (header::CACHE_CONTROL, "private, no-cache".to_owned()),
            ];
            Ok((head, Value::Array(events).to_string()).into_response())
        }
        None => {
            let message = format!("the feed is {BATCH} or {STREAM}");
            Err(HttpError::new(StatusCode::NOT_ACCEPTABLE, "UNSUPPORTED_FORMAT", message))
        }
    }
}

/// What the caller may see of the feed.
fn view(service: &ProductService, session: &Session) -> Result<NoticeView, HttpError> {
    let access = service.access(&session.caller);
    let caller = session.caller.clone();
    let context = PortsContext { service: service.clone(), caller, access, uploads: Arc::default() };
    notice_view(&context).ok_or_else(|| {
        let message = "the events of a product are for those who may know of it";
        HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    })
}

/// Events as they come. A stream ends with its caller's token, when what the caller may see changes, and with the process; an
/// `EventSource` comes again, where it was.
fn stream_of(
    service: ProductService,
    session: &Session,
    view: NoticeView,
    after: i64,
    source: String,
) -> Result<Response<Body>, HttpError> {
    let place = service.streams().place();
    let place =
        place.ok_or_else(|| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", too_many().message))?;
    let changed = service.access_changed(&session.caller, &service.access(&session.caller));
    let (expired, stopped) = (session.expired(), service.streams().stopped());
    let reader = Reader { service, view, after, source };
    let frames = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(frames) => Some((frames, Some(reader))),
            Err(error) => {
                tracing::warn!(%error, "a stream of events ends");
                None
            }
        }
    });
    let end = stream::once(async move {
        expired.await;
        let data = json!({"error": {"code": "UNAUTHENTICATED", "message": EXPIRED}}).to_string();
        vec![event("error", None, data.as_bytes())]
    });
    let ended = |frames: &Vec<bytes::Bytes>| frames.iter().any(|frame| frame.starts_with(b"event: error"));
    let frames = through_last(stream::select(frames.boxed(), end.boxed()).boxed(), ended);
    let frames = frames.take_until(stopped).take_until(changed).flat_map(stream::iter);
    Ok(streamed(frames, place))
}

struct Reader {
    service: ProductService,
    view: NoticeView,
    after: i64,
    source: String,
}

impl Reader {
    /// What is new, when there is something.
    async fn next(&mut self) -> Result<Vec<bytes::Bytes>, StoreError> {
        loop {
            let (notices, seen) = self.service.store().notices(&self.view, self.after, LARGEST).await?;
            self.after = seen;
            if !notices.is_empty() {
                let frame = |notice: &Notice| {
                    let json = cloud_event(notice, &self.source).to_string();
                    event(&notice.kind, Some(notice.position), json.as_bytes())
                };
                return Ok(notices.iter().map(frame).collect());
            }
            sleep(LOOK).await;
        }
    }
}

/// CloudEvents 1.0, JSON format. `sequence` is the position (extension of the same name): where to go on.
fn cloud_event(notice: &Notice, source: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": source,
        "type": format!("org.terrane.{}", notice.what),
        "subject": notice.subject,
        "time": notice.at.to_rfc3339(),
        "datacontenttype": "application/json",
        "sequence": notice.position.to_string(),
        "data": notice.data,
    })
}
