//! The change feed: turns `GET /output/{dataset}/changes` into server-sent events, one for each change.

use super::super::error::HttpError;
use super::super::output::{parse_filter, refused};
use super::{last_event_id, sse, streamed, too_many};
use crate::audit::Ending;
use crate::service::ProductService;
use crate::streams::{EXPIRED, Line, Session, lines, through_last};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use terrane_graphql::GraphqlError;
use terrane_manifest::Layer;
use terrane_query::{ExportRequest, position};

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Fields of the contract, separated by commas; all readable ones by default.
    fields: Option<String>,
    /// The data port's filter object of the dataset, as JSON; of fields of the row itself.
    filter: Option<String>,
    /// The position that was seen; the header `last-event-id` goes before it. From now on without either.
    after: Option<String>,
}

/// `GET /output/{dataset}/changes`: what changes of the dataset, as the caller sees it. See `docs/streams.md`.
pub async fn get(
    State(service): State<ProductService>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let session = Session::open(&service, &headers).await?;
    let Some(dataset) = service.product().dataset(Layer::Output, &name) else {
        let known: Vec<&str> = service.product().outputs().map(|d| d.name.as_str()).collect();
        let message = format!("there is no output dataset `{name}`; there are: {}", known.join(", "));
        return Err(HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DATASET", message));
    };
    let filter: Option<Value> = parameters.filter.as_deref().map(parse_filter).transpose()?;
    let fields: Option<Vec<&str>> =
        parameters.fields.as_deref().map(|f| f.split(',').map(str::trim).filter(|name| !name.is_empty()).collect());
    let one = |error: GraphqlError| refused(vec![error]);
    let after = match last_event_id(&headers).map_err(one)? {
        Some(seen) => Some(seen),
        None => parameters.after.as_deref().map(position).transpose().map_err(one)?,
    };
    let request =
        ExportRequest { dataset, fields: fields.as_deref(), filter: filter.as_ref(), order: None, limit: None };
    let place = service.streams().place();
    let place =
        place.ok_or_else(|| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", too_many().message))?;
    let changed = service.access_changed(&session.caller, &service.access(&session.caller));
    let lines = lines(&service, &session.caller, &request, after).await.map_err(refused)?;
    let (expired, stopped) = (session.expired(), service.streams().stopped());
    let end = stream::once(async move {
        expired.await;
        Line::Failed(GraphqlError::new("UNAUTHENTICATED", EXPIRED))
    });
    let lines = through_last(stream::select(lines, end).boxed(), |line| matches!(line, Line::Failed(_)));
    // a product that stops says nothing, nor does one at which the caller's access has changed: an `EventSource` comes again,
    // where it was
    let lines = lines.take_until(stopped).take_until(changed);
    let mut ending = Ending::of_current(service.audit(), Arc::default());
    let frames = lines.map(move |line| match line {
        Line::Change(json, position) => {
            ending.counts();
            ending.sends(json.len());
            sse::event("change", Some(position), &json)
        }
        Line::Position(position) => {
            let data = json!({"position": position.to_string()}).to_string();
            sse::event("position", Some(position), data.as_bytes())
        }
        Line::Failed(error) => {
            let data = json!({"error": {"code": error.code(), "message": error.message}}).to_string();
            sse::event("error", None, data.as_bytes())
        }
    });
    Ok(streamed(frames, place))
}
