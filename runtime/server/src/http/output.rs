//! The output port's files: turns `DATASET`, `DATASET.FORMAT` and a query string into a streamed download.

use super::error::HttpError;
use super::negotiate;
use super::range::{Range, slice};
use crate::as_of;
use crate::audit::{self, Ending, describe_touched};
use crate::export::{File, FileRequest, Format, Opened, Packing};
use crate::operation::OperationError;
use crate::service::ProductService;
use crate::streams::through_last;
use axum::BoxError;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, PollNext};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use terrane_graphql::GraphqlError;
use terrane_manifest::{Dataset, Layer};
use terrane_policy::Caller;
use terrane_query::{Access, ExportRequest};
use terrane_store::{AsOf, Version};
use tokio::sync::OwnedSemaphorePermit;

/// A version that is published while its predecessor is opened is asked for again, so often.
const ATTEMPTS: usize = 5;
/// How long a download waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Fields of the contract, separated by commas; all readable ones by default.
    fields: Option<String>,
    /// The data port's filter object of the dataset, as JSON.
    filter: Option<String>,
    /// `population desc, id`; the primary key follows.
    order: Option<String>,
    /// At most so many rows.
    limit: Option<i64>,
    /// Whether a CSV starts with the mark of UTF-8, which Excel needs.
    #[serde(default)]
    bom: bool,
    /// The number of a kept version, or a moment; the current one by default.
    #[serde(rename = "asOf")]
    as_of: Option<String>,
}

/// `GET /output/{dataset}`, with a format by ending or `accept`: the current version as the caller may see it. See
/// `docs/exports.md`.
pub async fn get(
    State(service): State<ProductService>,
    method: Method,
    Path(file): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let caller = service.authenticate(authorization).await?;
    let access = service.access(&caller);
    let (dataset, format) = find(&service, &file, &headers)?;
    let packing = if format.is_text() { packing(&headers) } else { Packing::Identity };
    let filter = parameters.filter.as_deref().map(parse_filter).transpose()?;
    let fields: Option<Vec<&str>> =
        parameters.fields.as_deref().map(|f| f.split(',').map(str::trim).filter(|name| !name.is_empty()).collect());
    if parameters.limit.is_some_and(|limit| limit < 0) {
        return Err(HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", "`limit` must not be negative"));
    }
    let rows = ExportRequest {
        dataset,
        fields: fields.as_deref(),
        filter: filter.as_ref(),
        order: parameters.order.as_deref(),
        limit: parameters.limit,
    };
    let request = FileRequest { rows, format, packing, bom: parameters.bom };
    let pinned = match parameters.as_of.as_deref().map(as_of::parse).transpose() {
        Ok(None) => None,
        Ok(Some(wanted)) => Some(as_of::find(&service, wanted).await.map_err(not_found)?),
        Err(message) => return Err(HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)),
    };
    let schema = service.schema_of(pinned.as_ref().and_then(|(_, kept)| *kept)).map_err(refused)?;
    let export = File::compile(&schema, &access, &caller.claims, &request).map_err(refused)?;
    audit::note(|draft| draft.touches(&describe_touched(&service, &access, "export", export.touched())));
    let pinned = pinned.map(|(version, _)| version);
    let name = format!("{}.{}", dataset.name, format.ending());
    let touched = export.touched().to_vec();
    Download { service, caller, access, touched, export, format, packing, name, pinned }.answer(&method, &headers).await
}

/// Dataset and format of a file's name. The ending decides over `accept`.
fn find<'s>(service: &'s ProductService, file: &str, headers: &HeaderMap) -> Result<(&'s Dataset, Format), HttpError> {
    let endings = || Format::ALL.map(Format::ending).join(", .");
    let (name, format) = match file.rsplit_once('.') {
        Some((name, ending)) => match Format::of_ending(ending) {
            Some(format) => (name, format),
            None => {
                let message = format!("`{file}` has no known ending; use one of .{}", endings());
                return Err(HttpError::new(StatusCode::NOT_FOUND, "UNSUPPORTED_FORMAT", message));
            }
        },
        None => {
            let offers = Format::ALL.map(Format::media_type);
            let wanted = negotiate::media_type(headers, &offers);
            let Some(format) = Format::ALL.into_iter().find(|f| Some(f.media_type()) == wanted) else {
                let message = format!("there are {}; or add an ending: .{}", offers.join(", "), endings());
                return Err(HttpError::new(StatusCode::NOT_ACCEPTABLE, "UNSUPPORTED_FORMAT", message));
            };
            (file, format)
        }
    };
    let product = service.product();
    match product.dataset(Layer::Output, name) {
        Some(dataset) => Ok((dataset, format)),
        None => {
            let known: Vec<&str> = product.outputs().map(|d| d.name.as_str()).collect();
            let message = format!("there is no output dataset `{name}`; there are: {}", known.join(", "));
            Err(HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_DATASET", message))
        }
    }
}

fn packing(headers: &HeaderMap) -> Packing {
    let offers = [Packing::Zstd, Packing::Gzip];
    let wanted = negotiate::coding(headers, &offers.map(Packing::word));
    offers.into_iter().find(|p| Some(p.word()) == wanted).unwrap_or(Packing::Identity)
}

pub(super) fn parse_filter(text: &str) -> Result<Value, HttpError> {
    serde_json::from_str(text).map_err(|problem| {
        let message = format!("`filter` is no JSON: {problem}; write it as {{\"name\":{{\"eq\":\"Oslo\"}}}}");
        HttpError::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    })
}

pub(super) fn refused(errors: Vec<GraphqlError>) -> HttpError {
    let Some(error) = errors.into_iter().next() else {
        return HttpError::internal("an export was refused without an error");
    };
    let (status, code) = match error.code() {
        "FORBIDDEN" => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        "FILTER_TOO_LARGE" => (StatusCode::BAD_REQUEST, "FILTER_TOO_LARGE"),
        "UNKNOWN_DATASET" => (StatusCode::NOT_FOUND, "UNKNOWN_DATASET"),
        "CHANGES_EXPIRED" => (StatusCode::GONE, "CHANGES_EXPIRED"),
        "INTERNAL_SERVER_ERROR" => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR"),
        "VERSION_DIFFERS" => (StatusCode::BAD_REQUEST, "VERSION_DIFFERS"),
        "VERSION_CHANGED" => (StatusCode::SERVICE_UNAVAILABLE, "VERSION_CHANGED"),
        _ => (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"),
    };
    HttpError::new(status, code, error.message)
}

/// Why there is no such version.
fn not_found(error: OperationError) -> HttpError {
    match error {
        OperationError::Request(errors) => match errors.into_iter().next() {
            Some(error) if error.code() == "VERSION_DROPPED" => {
                HttpError::new(StatusCode::GONE, "VERSION_DROPPED", error.message)
            }
            Some(error) => HttpError::new(StatusCode::NOT_FOUND, "UNKNOWN_VERSION", error.message),
            None => HttpError::internal("a version was refused without an error"),
        },
        OperationError::NotAQuery => HttpError::internal("a version was asked for by a mutation"),
        OperationError::Internal(cause) => HttpError::internal(cause),
    }
}

/// A file that was asked for.
struct Download {
    service: ProductService,
    caller: Caller,
    /// What the caller could do when it was asked for, and what of the product the file is of.
    access: Arc<Access>,
    touched: Vec<String>,
    export: File,
    format: Format,
    packing: Packing,
    name: String,
    /// The version that was asked for.
    pinned: Option<Version>,
}

impl Download {
    async fn answer(self, method: &Method, headers: &HeaderMap) -> Result<Response, HttpError> {
        for _ in 0..ATTEMPTS {
            let version = self.version().await?;
            let etag = self.export.etag(&version);
            if matches(headers, &etag) {
                return Ok(self.respond(StatusCode::NOT_MODIFIED, &etag, &[], Body::empty()));
            }
            if method == Method::HEAD {
                let length = self.service.export_length(&etag).map(|l| (header::CONTENT_LENGTH, l.to_string()));
                return Ok(self.respond(StatusCode::OK, &etag, length.as_slice(), Body::empty()));
            }
            let Some(range) = Range::of(headers, &etag) else {
                let Some(opened) = self.open(&version).await? else { continue };
                return Ok(self.whole(&etag, opened));
            };
            // the last byte must be known before the first is sent: a length that nobody knows yet is measured
            let Some(length) = self.length(&version, &etag).await? else { continue };
            let Some(last) = range.end(length) else {
                let of = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                return Ok(self.respond(StatusCode::RANGE_NOT_SATISFIABLE, &etag, &of, Body::empty()));
            };
            let Some(opened) = self.open(&version).await? else { continue };
            let extra = [
                (header::CONTENT_RANGE, format!("bytes {}-{last}/{length}", range.first)),
                (header::CONTENT_LENGTH, (last - range.first + 1).to_string()),
            ];
            let rows = opened.rows();
            let body = Body::from_stream(self.allowed(slice(opened.pieces(), range.first, last), rows));
            return Ok(self.respond(StatusCode::PARTIAL_CONTENT, &etag, &extra, body));
        }
        let message = "new versions are published faster than this one can be opened; ask again";
        Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "VERSION_CHANGED", message))
    }

    async fn version(&self) -> Result<Version, HttpError> {
        if let Some(pinned) = &self.pinned {
            let now = self.service.store().version_as_of(AsOf::Version(pinned.version)).await;
            return now.ok().filter(|now| now.state == pinned.state).ok_or_else(|| {
                let message = "the version was replaced, rolled back to or dropped just now; ask again";
                HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "VERSION_CHANGED", message)
            });
        }
        let version = self.service.store().current_version().await.map_err(HttpError::internal)?;
        version.ok_or_else(|| {
            let message = "nothing is published yet; run the pipeline";
            HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_PUBLISHED", message)
        })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        let permit = tokio::time::timeout(PATIENCE, self.service.exports().acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            let message = "too many files are downloaded from this product at once; ask again in a moment";
            HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_EXPORTS", message)
        })
    }

    /// Open the file of `version`; `None` where another one was published in between. Once its first row is there, its
    /// table is locked against being replaced: the version that is current then is the one that is read.
    async fn open(&self, version: &Version) -> Result<Option<Opened>, HttpError> {
        let permit = self.permit().await?;
        let opened = self.export.open(&self.service, permit).await.map_err(HttpError::internal)?;
        Ok((self.version().await?.run_id == version.run_id).then_some(opened))
    }

    async fn length(&self, version: &Version, etag: &str) -> Result<Option<u64>, HttpError> {
        if let Some(length) = self.service.export_length(etag) {
            return Ok(Some(length));
        }
        let Some(opened) = self.open(version).await? else { return Ok(None) };
        let mut pieces = std::pin::pin!(opened.pieces());
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            length += piece.map_err(HttpError::internal)?.len() as u64;
        }
        self.service.keep_export_length(etag, length);
        Ok(Some(length))
    }

    /// The whole file; its length is kept when it was sent.
    fn whole(&self, etag: &str, opened: Opened) -> Response {
        let known = self.service.export_length(etag).map(|length| (header::CONTENT_LENGTH, length.to_string()));
        let (service, tag, rows) = (self.service.clone(), etag.to_owned(), opened.rows());
        let counted = futures_util::stream::unfold((opened.pieces().boxed(), Some(0)), move |(mut pieces, length)| {
            let (service, tag) = (service.clone(), tag.clone());
            async move {
                match (pieces.next().await, length) {
                    (Some(piece), length) => {
                        let length = length.zip(piece.as_ref().ok()).map(|(length, p)| length + p.len() as u64);
                        Some((piece, (pieces, length)))
                    }
                    (None, Some(length)) => {
                        service.keep_export_length(&tag, length);
                        None
                    }
                    (None, None) => None,
                }
            }
        });
        self.respond(StatusCode::OK, etag, known.as_slice(), Body::from_stream(self.allowed(counted, rows)))
    }

    /// The pieces of a file as long as the caller has not lost a role with which it was asked for, and policy gives what it is
    /// of; then it breaks off. How much
    /// went out is put on record.
    fn allowed<E, S>(
        &self,
        pieces: S,
        rows: Arc<AtomicU64>,
    ) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + use<E, S>
    where
        E: Into<BoxError> + Send + 'static,
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    {
        let lost = self.service.access_lost(&self.caller, &self.access, &self.touched);
        let lost = stream::once(async move {
            lost.await;
            Some(Err::<Bytes, BoxError>("what the caller may see has changed".into()))
        });
        let pieces = pieces.map(|piece| Some(piece.map_err(Into::into))).chain(stream::once(async { None }));
        let ended = |piece: &Option<Result<Bytes, BoxError>>| !matches!(piece, Some(Ok(_)));
        // who has lost it gets nothing that was ready meanwhile
        let both = stream::select_with_strategy(lost.boxed(), pieces.boxed(), |(): &mut ()| PollNext::Left);
        let pieces = through_last(both.boxed(), ended).filter_map(|piece| async move { piece });
        Ending::of_current(self.service.audit(), rows).over(pieces.boxed())
    }

    fn respond(&self, status: StatusCode, etag: &str, extra: &[(HeaderName, String)], body: Body) -> Response {
        let mut response = (status, body).into_response();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        };
        put(header::ETAG, etag);
        put(header::CACHE_CONTROL, "private, no-cache");
        put(header::VARY, "authorization, accept, accept-encoding");
        put(header::ACCEPT_RANGES, "bytes");
        if status.is_success() {
            put(header::CONTENT_TYPE, self.format.content_type());
            put(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", self.name));
            if self.packing != Packing::Identity {
                put(header::CONTENT_ENCODING, self.packing.word());
            }
        }
        for (name, value) in extra {
            put(name.clone(), value);
        }
        response
    }
}

/// Whether `if-none-match` has the tag, compared weakly (RFC 9110, section 13.1.2).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
