//! The event port: turns `POST /input/{dataset}/events` into rows of an input dataset that are committed when it answers.

use super::error::HttpError;
use crate::audit;
use crate::service::ProductService;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use terrane_manifest::{Dataset, EventRules, InputPort, Layer};
use terrane_policy::Caller;
use terrane_stream::events::{EventFormat, WriterError, read, to_row};

/// Bytes of a request.
pub const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// Events of a request.
const MOST_EVENTS: usize = 10_000;

/// `POST /input/{dataset}/events`: CloudEvents (structured, batched or binary) or NDJSON by `content-type`. Answers when the
/// events are committed: all that are new, or none where one of them is wrong. See `docs/streams.md`.
pub async fn post(
    State(service): State<ProductService>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, HttpError> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let caller = service.authenticate(authorization).await?;
    authorize(&service, &caller)?;
    let (dataset, port) = find(&service, &name)?;
    let format = EventFormat::of(&headers).ok_or_else(|| {
        let message = "send application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson, or \
                       application/json with the attributes in `ce-…` headers";
        HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_FORMAT", message)
    })?;
    let default = EventRules::default();
    let rules = port.events.as_ref().unwrap_or(&default);
    let envelopes = read(format, &headers, &body, MOST_EVENTS).map_err(bad)?;
    let rows = envelopes.iter().enumerate().map(|(index, event)| to_row(index, event, dataset, rules));
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(bad)?;
    let written =
        service.streams().writer(&service, dataset, rules).write(rows).await.map_err(|error| match error {
            WriterError::Bad(event) => bad(event),
            WriterError::Busy => HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "EVENTS_BUSY", error.to_string()),
            WriterError::Store(error) => {
                tracing::warn!(%error, dataset = name, "events could not be stored");
                let message =
                    "it is not known whether the events were stored; send them again: those that were are known by id";
                HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "EVENTS_NOT_CONFIRMED", message)
            }
        })?;
    service.meters().events(&written);
    audit::note(|draft| draft.received(&name, written.accepted as u64));
    Ok(Json(json!({"accepted": written.accepted, "duplicates": written.duplicates, "late": written.late})))
}

fn bad(event: impl std::fmt::Display) -> HttpError {
    HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, "BAD_EVENT", format!("{event}; nothing of this request is stored"))
}

/// Whether the caller may; each request is on record, with what came of it.
fn authorize(service: &ProductService, caller: &Caller) -> Result<(), HttpError> {
    let access = service.access(caller);
    let rule = service.rule(&access, "port:input", "write");
    audit::note(|draft| draft.rule(&rule));
    match access.allows("port:input", "write") {
        true => Ok(()),
        false => {
            let message = "your roles do not allow `write` on `port:input`";
            Err(HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
        }
    }
}

fn find<'s>(service: &'s ProductService, name: &str) -> Result<(&'s Dataset, &'s InputPort), HttpError> {
    let product = service.product();
    let takes = |port: &&InputPort| !port.connector.is_pulled();
    let port = product.input_port(name).filter(takes);
    port.and_then(|port| Some((product.dataset(Layer::Input, name)?, port))).ok_or_else(|| {
        let known: Vec<&str> = product.input_ports.iter().filter(takes).map(|p| p.dataset.as_str()).collect();
        let message = format!("there is no input dataset `{name}` that takes events; there are: {}", known.join(", "));
        HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DATASET", message)
    })
}
