//! The input port: turns a posted body into a batch of an input dataset.

use super::error::HttpError;
use crate::service::ProductService;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_ingest::{Encoding, Format, Receive, receive};
use terrane_manifest::Layer;
use terrane_store::{AuditRecord, BatchMode};
use tokio::io::BufReader;
use tokio_util::io::StreamReader;

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// `replace` (the body is the whole dataset; the default) or `append`.
    mode: Option<String>,
}

/// `POST /input/{dataset}`: CSV, TSV or NDJSON by `content-type`, gzip or zstd by `content-encoding`; the header
/// `idempotency-key` makes a repeated post harmless. Answers with the batch's id and size.
pub async fn post(
    State(service): State<ProductService>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let caller = service.authenticate(text(header::AUTHORIZATION)).await?;
    let access = service.access(&caller.roles);
    let allowed = access.allows("port:input", "write");
    let record = AuditRecord {
        subject: caller.subject.as_deref(),
        roles: caller.roles.iter().map(str::to_owned).collect(),
        action: "ingest",
        object: "port:input",
        allowed,
        detail: Some(json!({ "dataset": name })),
    };
    service.store().audit(record).await.map_err(HttpError::internal)?;
    if !allowed {
        let message = "your roles do not allow `write` on `port:input`";
        return Err(HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    }
    let product = service.product();
    let Some(dataset) = product.dataset(Layer::Input, &name) else {
        let known: Vec<&str> = product.inputs().map(|d| d.name.as_str()).collect();
        let message = format!("there is no input dataset `{name}`; there are: {}", known.join(", "));
        return Err(HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DATASET", message));
    };
    let mode = match parameters.mode.as_deref() {
        None | Some("replace") => BatchMode::Replace,
        Some("append") => BatchMode::Append,
        Some(other) => {
            let message = format!("`mode` is `{other}`; it is `replace` or `append`");
            return Err(HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message));
        }
    };
    let what = Receive {
        format: Format::parse(text(header::CONTENT_TYPE).unwrap_or_default()).map_err(client)?,
        encoding: Encoding::parse(text(header::CONTENT_ENCODING)).map_err(client)?,
        mode,
        origin: "POST /input",
        from: caller.subject.as_deref(),
        key: headers.get("idempotency-key").and_then(|v| v.to_str().ok()),
    };
    let reader = BufReader::new(StreamReader::new(body.into_data_stream().map_err(std::io::Error::other)));
    let batch = receive(service.store(), dataset, &what, reader).await.map_err(client)?;
    Ok(Json(json!({"batch": batch.id, "dataset": name, "rows": batch.rows, "repeated": batch.repeated})))
}

fn client(error: terrane_ingest::IngestError) -> HttpError {
    if !error.is_client() {
        return HttpError::internal(error);
    }
    let status = match error.code() {
        "UNSUPPORTED_FORMAT" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    HttpError::new(status, error.code(), error.to_string())
}
