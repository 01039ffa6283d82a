//! Ingest: turns an uploaded file, or rows in a request, into a batch of an input dataset.

use super::PortsContext;
use super::guard::{internal, refused};
use async_graphql::{Enum, InputValueError, InputValueResult, Result, Scalar, ScalarType, SimpleObject, Value};
use std::fs::File;
use std::sync::Arc;
use terrane_ingest::{Drift, Encoding, IngestError, Receive, Taken, receive};
use terrane_manifest::Layer;
use terrane_store::{BatchMode, Reject};
use tokio::io::BufReader;

/// Bad rows that an answer tells of.
pub const MOST_TOLD: usize = 100;
/// What stands in the variables for an uploaded file, before its number. No client's text can be that: it is put there
/// when a multipart request is read, and what clients send in its place is no file.
const MARK: &str = "\u{0}upload:";

/// A file of a multipart request, spooled.
#[derive(Debug)]
pub struct Uploaded {
    /// Its name.
    pub name: Option<String>,
    /// Its media type.
    pub content_type: Option<String>,
    /// What is in it, from its start.
    pub content: File,
}

/// The files of a request.
pub type Uploads = Arc<[Uploaded]>;

/// A file of a multipart request.
#[derive(Debug, Clone, Copy)]
pub struct Upload(usize);

impl Upload {
    /// What stands for the `number`-th file in the variables.
    pub fn placeholder(number: usize) -> String {
        format!("{MARK}{number}")
    }
}

/// A file, sent as the GraphQL multipart request specification says.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => match text.strip_prefix(MARK).and_then(|number| number.parse().ok()) {
                Some(number) => Ok(Self(number)),
                None => Err(InputValueError::custom("is no file; send a multipart request")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// What a batch does to the rows that are there.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestMode {
    /// It is the whole dataset: earlier rows go.
    Replace,
    /// It is added to what is there.
    Append,
}

/// A batch that was taken in.
#[derive(SimpleObject, Debug, Clone)]
pub struct IngestResult {
    /// Its id.
    pub batch: String,
    /// Its input dataset.
    pub dataset: String,
    /// Rows in it.
    pub rows: i64,
    /// Rows that were set aside, as the contract allows.
    pub rejected: i64,
    /// Whether it had been taken in before, by its idempotency key, and nothing was changed now.
    pub repeated: bool,
    /// How its columns differ from the contract.
    pub drift: Vec<String>,
    /// What is wrong with the rows that were set aside; the first of them.
    pub rejects: Vec<RejectedRow>,
}

/// Something that is wrong with a row that was sent.
#[derive(SimpleObject, Debug, Clone)]
pub struct RejectedRow {
    /// Which row, from 1.
    pub row: i64,
    /// The field, where one value is wrong.
    pub field: Option<String>,
    /// The value that was sent.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// What is to be taken in.
pub struct Ingest {
    pub dataset: String,
    pub file: Option<Upload>,
    pub rows: Option<Vec<serde_json::Value>>,
    pub mode: IngestMode,
    pub content_type: Option<String>,
    pub key: Option<String>,
}

/// Take it in.
pub async fn ingest(context: &PortsContext, what: Ingest) -> Result<IngestResult> {
    let product = context.service.product();
    let Some(dataset) = product.dataset(Layer::Input, &what.dataset) else {
        let known: Vec<&str> = product.inputs().map(|d| d.name.as_str()).collect();
        let message = format!("there is no input dataset `{}`; there are: {}", what.dataset, known.join(", "));
        return Err(refused("UNKNOWN_DATASET", message));
    };
    let mut received = Receive {
        content_type: what.content_type.as_deref(),
        encoding: Encoding::Identity,
        name: None,
        mode: match what.mode {
            IngestMode::Replace => BatchMode::Replace,
            IngestMode::Append => BatchMode::Append,
        },
        origin: "ingest",
        from: context.caller.subject.as_deref(),
        key: what.key.as_deref(),
    };
    let store = context.service.store();
    let taken = match (what.file, &what.rows) {
        (Some(file), None) => {
            let uploaded = context.uploads.get(file.0).ok_or_else(|| refused("BAD_USER_INPUT", "`file` is no file"))?;
            received.content_type = received.content_type.or(uploaded.content_type.as_deref());
            received.name = uploaded.name.as_deref();
            let content = tokio::fs::File::from_std(uploaded.content.try_clone().map_err(internal)?);
            receive(store, dataset, &received, BufReader::with_capacity(64 * 1024, content)).await
        }
        (None, Some(rows)) => {
            received.content_type = Some("application/json");
            let body = serde_json::to_vec(rows).map_err(internal)?;
            receive(store, dataset, &received, body.as_slice()).await
        }
        _ => return Err(refused("BAD_USER_INPUT", "give either `file` or `rows`")),
    };
    match taken {
        Ok(taken) => Ok(result(&what.dataset, &taken)),
        Err(error) if error.is_client() => Err(refused(error.code(), described(&error))),
        Err(error) => Err(internal(error)),
    }
}

/// An error's text; for bad rows with the sender's own values, which a record would not have.
fn described(error: &IngestError) -> String {
    let IngestError::BadRows { rejects, .. } = error else { return error.to_string() };
    let values = rejects.iter().take(3).filter_map(|r| Some(format!("row {}: `{}`", r.row, r.value.as_deref()?)));
    let values: Vec<String> = values.collect();
    if values.is_empty() { error.to_string() } else { format!("{error} ({})", values.join(", ")) }
}

fn result(dataset: &str, taken: &Taken) -> IngestResult {
    let batch = &taken.batch;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    IngestResult {
        batch: batch.id.to_string(),
        dataset: dataset.to_owned(),
        rows: number(batch.rows),
        rejected: number(batch.rejected),
        repeated: batch.repeated,
        drift: taken.drift.iter().map(Drift::describe).collect(),
        rejects: taken.rejects.iter().take(MOST_TOLD).map(told).collect(),
    }
}

fn told(reject: &Reject) -> RejectedRow {
    RejectedRow {
        row: i64::try_from(reject.row).unwrap_or(i64::MAX),
        field: reject.field.clone(),
        value: reject.value.clone(),
        reason: reject.reason.clone(),
    }
}
