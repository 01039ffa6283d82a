//! The output port's files: turns `DATASET.FORMAT` into a streamed download.

use super::error::HttpError;
use crate::export::{self, FORMATS, Format};
use crate::service::ProductService;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use terrane_manifest::{Dataset, Field, Layer};
use terrane_query::Reading;

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Fields of the contract, separated by commas; all readable ones by default.
    fields: Option<String>,
}

/// `GET /output/{dataset}.{csv,json,ndjson,parquet}`: the current version, as the caller may see it. The `etag` is the
/// version for the caller's roles; a matching `if-none-match` is answered with 304.
pub async fn get(
    State(service): State<ProductService>,
    Path(file): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let caller = service.authenticate(text(header::AUTHORIZATION)).await?;
    let access = service.access(&caller.roles);
    let (name, ending) = file.rsplit_once('.').unwrap_or((&file, ""));
    let Some(format) = Format::of_ending(ending) else {
        let message = format!("`{file}` has no known ending; add one of .{}", FORMATS.join(", ."));
        return Err(HttpError::new(StatusCode::NOT_FOUND, "UNSUPPORTED_FORMAT", message));
    };
    let product = service.product();
    let Some(dataset) = product.dataset(Layer::Output, name) else {
        let known: Vec<&str> = product.outputs().map(|d| d.name.as_str()).collect();
        let message = format!("there is no output dataset `{name}`; there are: {}", known.join(", "));
        return Err(HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DATASET", message));
    };
    let fields = fields(dataset, parameters.fields.as_deref())?;
    for field in &fields {
        if parameters.fields.is_some() && access.reading(&dataset.policy_object(field)) == Reading::Denied {
            let message = format!("your roles do not allow `read` on `{}`", dataset.policy_object(field));
            return Err(HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
        }
    }
    let opened = export::open(service.schema(), dataset, &fields, &access, &caller.claims, format);
    let opened = opened.map_err(|errors| {
        let message = errors.first().map(|e| e.message.clone()).unwrap_or_default();
        HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    })?;
    let Some(export) = opened else {
        let message = format!("your roles allow `read` on no field of `{name}`");
        return Err(HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    };
    let version = service.store().current_version().await.map_err(HttpError::internal)?;
    let Some(version) = version else {
        let message = "nothing is published yet; run the pipeline";
        return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_PUBLISHED", message));
    };
    // row filters depend on claims: such callers get no validator that others could share
    let etag = format!("\"{}-{}\"", version.version, caller.roles);
    if text(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|t| t.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let content_type = export.content_type();
    let body = Body::from_stream(export.stream(service.store().query().clone()));
    let answer_headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
        (header::ETAG, etag),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "authorization".to_owned()),
    ];
    Ok((answer_headers, body).into_response())
}

/// The fields a query string names, in its order; all where it names none.
fn fields<'a>(dataset: &'a Dataset, names: Option<&str>) -> Result<Vec<&'a Field>, HttpError> {
    let Some(names) = names else { return Ok(dataset.fields.iter().collect()) };
    let find = |name: &str| {
        dataset.field(name).ok_or_else(|| {
            let message = format!("dataset `{}` has no field `{name}`", dataset.name);
            HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
        })
    };
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(find).collect()
}
