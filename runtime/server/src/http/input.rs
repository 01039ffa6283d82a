//! The input port: turns a posted body into a batch of an input dataset.

use super::error::HttpError;
use crate::audit::{self, Account};
use crate::service::ProductService;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_ingest::{Encoding, IngestError, Receive, Taken, receive};
use terrane_manifest::Layer;
use terrane_store::{AuditRecord, BatchMode, Reject};
use tokio_util::io::StreamReader;

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// `replace` (the body is the whole dataset; the default) or `append`.
    mode: Option<String>,
}

/// Bad rows that an answer tells of.
const MOST_TOLD: usize = 100;

/// `POST /input/{dataset}`: any format that is taken, by `content-type`, the name in `content-disposition` or its first
/// bytes; gzip or zstd by `content-encoding` or its first bytes. The header `idempotency-key` makes a repeated post
/// harmless. Answers with the batch's id and size, and with the bad rows.
pub async fn post(
    State(service): State<ProductService>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let caller = service.authenticate(text(header::AUTHORIZATION)).await?;
    let access = service.access(&caller);
    let allowed = access.allows("port:input", "write");
    let record = AuditRecord {
        subject: caller.subject.as_deref(),
        roles: caller.roles.iter().map(str::to_owned).collect(),
        action: "ingest",
        object: "port:input",
        allowed,
        detail: Some(json!({ "dataset": name })),
    };
    let rule = service.rule(&access, "port:input", "write");
    audit::note(|draft| draft.rule(&rule));
    let members = Account::current().map(|account| account.members()).unwrap_or_default();
    service.store().audit_with(record, members).await.map_err(HttpError::internal)?;
    audit::note(|draft| draft.begun());
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
    let disposition = text(header::CONTENT_DISPOSITION).unwrap_or_default();
    let what = Receive {
        content_type: text(header::CONTENT_TYPE),
        encoding: Encoding::parse(text(header::CONTENT_ENCODING)).map_err(client)?,
        name: disposition.split(';').find_map(|p| p.trim().strip_prefix("filename=")).map(|n| n.trim_matches('"')),
        mode,
        origin: "POST /input",
        from: caller.subject.as_deref(),
        key: headers.get("idempotency-key").and_then(|v| v.to_str().ok()),
    };
    let body = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    let taken = receive(service.store(), dataset, &what, body).await.map_err(client)?;
    audit::note(|draft| draft.received(&name, taken.batch.rows));
    Ok(Json(answer(&name, &taken)))
}

/// What became of a batch.
fn answer(dataset: &str, taken: &Taken) -> Value {
    let batch = &taken.batch;
    let mut answer = json!({
        "batch": batch.id, "dataset": dataset, "rows": batch.rows, "rejected": batch.rejected, "repeated": batch.repeated
    });
    if !taken.rejects.is_empty() {
        answer["rejects"] = told(&taken.rejects);
    }
    if !taken.drift.is_empty() {
        answer["drift"] = taken.drift.iter().map(terrane_ingest::Drift::describe).collect();
    }
    answer
}

/// The sender's own values, so that they may be shown to the sender.
fn told(rejects: &[Reject]) -> Value {
    let told = rejects.iter().take(MOST_TOLD);
    told.map(|r| json!({ "row": r.row, "field": r.field, "value": r.value, "reason": r.reason })).collect()
}

fn client(error: IngestError) -> HttpError {
    if !error.is_client() {
        return HttpError::internal(error);
    }
    let status = match error.code() {
        "UNSUPPORTED_FORMAT" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let answer = HttpError::new(status, error.code(), error.to_string());
    match &error {
        IngestError::BadRows { rejects, .. } => answer.with("rejects", told(rejects)),
        _ => answer,
    }
}
