//! The audit log as a file: turns a format and a time into a stream of all records of it, the oldest first.

use super::error::HttpError;
use crate::audit::note;
use crate::ports::AUDIT;
use crate::service::ProductService;
use axum::BoxError;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use terrane_graphql::exchange::authorization;
use terrane_store::{AuditEntry, AuditFilter};

/// Records that are read at once.
const PAGE: i64 = 1_000;
/// The columns of the CSV file, each a member of a record.
const COLUMNS: [&str; 20] = [
    "at",
    "action",
    "object",
    "subject",
    "roles",
    "granted",
    "credential",
    "request",
    "client",
    "forwarded",
    "name",
    "allowed",
    "status",
    "code",
    "version",
    "dataset",
    "rows",
    "bytes",
    "rules",
    "what",
];

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Only from this moment on (RFC 3339).
    from: Option<DateTime<Utc>>,
    /// Only from before this moment.
    until: Option<DateTime<Utc>>,
    /// Only after this position.
    after: Option<i64>,
    /// Only of this subject.
    subject: Option<String>,
    /// Only of this action.
    action: Option<String>,
}

/// `GET /audit/log.ndjson`, `/audit/log.csv`: the log for who may read `port:audit`. See `docs/audit.md`.
pub async fn get(
    State(service): State<ProductService>,
    Path(file): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let caller = service.authenticate(authorization(&headers)).await?;
    let access = service.access(&caller);
    let rule = service.rule(&access, AUDIT.object, AUDIT.action);
    note(|draft| draft.rule(&rule));
    if !access.allows(AUDIT.object, AUDIT.action) {
        let message = "your roles do not allow `read` on `port:audit`";
        return Err(HttpError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    }
    let (csv, kind) = match file.as_str() {
        "log.ndjson" => (false, "application/x-ndjson"),
        "log.csv" => (true, "text/csv; charset=utf-8; header=present"),
        _ => {
            let message = format!("there is no file `{file}`; there are log.ndjson and log.csv");
            return Err(HttpError::new(StatusCode::NOT_FOUND, "UNSUPPORTED_FORMAT", message));
        }
    };
    service.audit().flush().await.map_err(HttpError::internal)?;
    let filter = AuditFilter {
        after: parameters.after,
        from: parameters.from,
        until: parameters.until,
        subject: parameters.subject,
        action: parameters.action,
        ..AuditFilter::default()
    };
    let head = if csv { format!("position,{},hash\n", COLUMNS.join(",")) } else { String::new() };
    let pages = stream::unfold(Some((service, filter, head)), move |state| async move {
        let (service, mut filter, mut text) = state?;
        match service.store().audit_log(&filter, PAGE, true).await {
            Ok(entries) => {
                entries.iter().for_each(|entry| write(&mut text, entry, csv));
                let next = entries.last().filter(|_| entries.len() as i64 == PAGE).map(|last| last.position);
                let next = next.map(|position| {
                    filter.after = Some(position);
                    (service, filter, String::new())
                });
                Some((Ok(Bytes::from(text)), next))
            }
            Err(error) => {
                tracing::error!(%error, "an export of the audit log was broken off");
                Some((Err::<Bytes, BoxError>("the export could not be finished".into()), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pages));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

fn write(out: &mut String, entry: &AuditEntry, csv: bool) {
    let hash: String = entry.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if !csv {
        let mut record = entry.record.clone();
        record["position"] = entry.position.into();
        record["hash"] = hash.into();
        out.push_str(&record.to_string());
        out.push('\n');
        return;
    }
    out.push_str(&entry.position.to_string());
    for name in COLUMNS {
        out.push(',');
        let value = match &entry.record[name] {
            Value::Null => Cow::Borrowed(""),
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Number(micros) if name == "at" => {
                let at = micros.as_i64().and_then(DateTime::from_timestamp_micros).unwrap_or_default();
                Cow::Owned(at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
            }
            other => Cow::Owned(other.to_string()),
        };
        quoted(out, &value);
    }
    out.push(',');
    out.push_str(&hash);
    out.push('\n');
}

/// A cell (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(out: &mut String, value: &str) {
    let formula = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    match value.contains(['"', ',', '\n', '\r']) {
        true => out.extend(["\"", formula, &value.replace('"', "\"\""), "\""]),
        false => out.extend([formula, value]),
    }
}
