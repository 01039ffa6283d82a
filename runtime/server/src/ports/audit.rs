//! The audit log and usage: turns records of accesses and changes into GraphQL objects for those who may look at them.

use super::PortsContext;
use super::guard::{Permission, internal, refused};
use super::query::bounded;
use async_graphql::{InputObject, Result, SimpleObject};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use std::collections::BTreeSet;
use terrane_manifest::Product;
use terrane_store::{self as store, AuditFilter, UsageFilter};

/// Look at who did what.
pub const AUDIT: Permission = Permission { object: "port:audit", action: "read" };
/// Days that usage is told of at most.
const MOST_DAYS: i32 = 3_660;

/// What of the audit log is looked for; all of it where nothing is said.
#[derive(InputObject, Debug, Clone, Default)]
pub struct AuditLogFilter {
    /// Only from this moment on.
    from: Option<DateTime<Utc>>,
    /// Only from before this moment.
    until: Option<DateTime<Utc>>,
    /// Who.
    subject: Option<String>,
    /// Did what, e.g. `query`, `export`, `runPipeline`.
    action: Option<String>,
    /// With which output dataset.
    dataset: Option<String>,
    /// With which field: `dataset.field`.
    field: Option<String>,
    /// Under which id of a request.
    request: Option<String>,
    /// Whether all of it was allowed.
    allowed: Option<bool>,
}

/// An entry of the audit log.
#[derive(SimpleObject, Debug, Clone)]
pub struct AuditEntry {
    /// Place in the log.
    position: i64,
    /// When.
    at: DateTime<Utc>,
    /// Who; none is anonymous.
    subject: Option<String>,
    /// With which roles, those that were granted included.
    roles: Vec<String>,
    /// Those of them that the caller has by a grant and not by its token.
    granted: Vec<String>,
    /// By which credential: `none`, or `bearer` and a fingerprint, which tells it from others.
    credential: Option<String>,
    /// Did what: `query`, `mutation`, `subscribe`, `changes`, `export`, `ingest`, `ingestEvents`, `discover`, or the name of a
    /// change.
    action: String,
    /// With what, of a change: the policy object.
    object: Option<String>,
    /// With which input dataset.
    dataset: Option<String>,
    /// Whether all of it was allowed.
    allowed: bool,
    /// The policy lines or grants that allowed or denied it, beside those of `operations`.
    rules: Vec<String>,
    /// What the answer says is wrong.
    code: Option<String>,
    /// HTTP status of the answer.
    status: Option<i32>,
    /// Id of the request.
    request: Option<String>,
    /// Address at the other end of the connection.
    client: Option<String>,
    /// For whom a proxy or gateway says that it asks.
    forwarded: Option<String>,
    /// What the client calls itself.
    client_name: Option<String>,
    /// The version that was read, where it was not the current one.
    version: Option<i64>,
    /// Rows that came in.
    rows: Option<i64>,
    /// Bytes of the answer.
    bytes: Option<i64>,
    /// Whether it tells of the end of what another entry of the same request began.
    ends: bool,
    /// Whether that was broken off.
    broken: bool,
    /// What was read.
    operations: Vec<AuditedOperation>,
    /// More, of a change: its arguments.
    detail: Option<Value>,
    /// Hash of the entry before, the position and this entry.
    hash: String,
}

/// An operation or a file.
#[derive(SimpleObject, Debug, Clone)]
pub struct AuditedOperation {
    /// `query`, `mutation`, `subscription`, `export` or `changes`.
    kind: String,
    /// Name of the operation.
    name: Option<String>,
    /// Hash of its text: the first half of its SHA-256.
    hash: Option<String>,
    /// What of the product it reads.
    reads: Vec<AuditedRead>,
    /// What it asks the standard ports.
    ports: Vec<String>,
    /// The policy lines or grants that decided.
    rules: Vec<String>,
    /// Rows of its statement; those of lists within rows count with their row.
    rows: i64,
}

/// What an operation reads of a dataset, filters or orders by, or counts.
#[derive(SimpleObject, Debug, Clone)]
pub struct AuditedRead {
    /// The dataset.
    dataset: String,
    /// Its fields.
    fields: Vec<String>,
    /// Fields of which a mask was read.
    masked: Vec<String>,
    /// Fields that were asked for and denied.
    denied: Vec<String>,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl From<store::AuditEntry> for AuditEntry {
    fn from(entry: store::AuditEntry) -> Self {
        let record = &entry.record;
        let operations = record["what"].as_array().into_iter().flatten().map(AuditedOperation::of).collect();
        Self {
            position: entry.position,
            at: DateTime::from_timestamp_micros(record["at"].as_i64().unwrap_or_default()).unwrap_or_default(),
            subject: word(&record["subject"]),
            roles: texts(&record["roles"]),
            granted: texts(&record["granted"]),
            credential: word(&record["credential"]),
            action: word(&record["action"]).unwrap_or_default(),
            object: word(&record["object"]),
            dataset: word(&record["dataset"]),
            allowed: record["allowed"].as_bool().unwrap_or_default(),
            rules: texts(&record["rules"]),
            code: word(&record["code"]),
            status: record["status"].as_i64().and_then(|status| i32::try_from(status).ok()),
            request: word(&record["request"]),
            client: word(&record["client"]),
            forwarded: word(&record["forwarded"]),
            client_name: word(&record["name"]),
            version: record["version"].as_i64(),
            rows: record["rows"].as_i64(),
            bytes: record["bytes"].as_i64(),
            ends: record["ends"].as_bool().unwrap_or_default(),
            broken: record["broken"].as_bool().unwrap_or_default(),
            operations,
            detail: Some(record["detail"].clone()).filter(|detail| !detail.is_null()),
            hash: entry.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl AuditedOperation {
    fn of(what: &Value) -> Self {
        let read = |read: &Value| AuditedRead {
            dataset: word(&read["dataset"]).unwrap_or_default(),
            fields: texts(&read["fields"]),
            masked: texts(&read["masked"]),
            denied: texts(&read["denied"]),
        };
        Self {
            kind: word(&what["kind"]).unwrap_or_default(),
            name: word(&what["operation"]),
            hash: word(&what["hash"]),
            reads: what["reads"].as_array().into_iter().flatten().map(read).collect(),
            ports: texts(&what["ports"]),
            rules: texts(&what["rules"]),
            rows: what["rows"].as_i64().unwrap_or_default(),
        }
    }
}

/// The newest entries that the filter is true of, before a position.
pub async fn audit_log(
    context: &PortsContext,
    filter: Option<AuditLogFilter>,
    before: Option<i64>,
    first: i32,
) -> Result<Vec<AuditEntry>> {
    let limit = bounded(first)?;
    let filter = filter.unwrap_or_default();
    if filter.field.as_deref().is_some_and(|field| !field.contains('.')) {
        return Err(refused("BAD_USER_INPUT", "`field` is `dataset.field`, by the contract's names"));
    }
    let filter = AuditFilter {
        before,
        after: None,
        from: filter.from,
        until: filter.until,
        subject: filter.subject,
        action: filter.action,
        dataset: filter.dataset,
        field: filter.field,
        request: filter.request,
        allowed: filter.allowed,
    };
    up_to_date(context).await;
    let entries = context.service.store().audit_log(&filter, limit, false).await.map_err(internal)?;
    Ok(entries.into_iter().map(AuditEntry::from).collect())
}

/// Who looks sees all that was answered before, by this process.
async fn up_to_date(context: &PortsContext) {
    if let Err(error) = context.service.audit().flush().await {
        tracing::warn!(%error, "the audit log is told without what waits for the database");
    }
}

/// What was found of the audit log's chain.
#[derive(SimpleObject, Debug, Clone)]
pub struct AuditVerification {
    /// Whether every entry is as it was written, at its place, and none is missing but old ones.
    intact: bool,
    /// Entries that are as they were written, up to the first that is not.
    entries: i64,
    /// The last position that was removed because it was old; 0 where none was.
    removed_through: i64,
    /// The last position that is as it was written.
    position: i64,
    /// Its hash. Keep both elsewhere: who has them can tell later whether the log up to there was written anew.
    hash: String,
    /// The first position that is not as it was written.
    broken_at: Option<i64>,
    /// What is wrong there.
    broken: Option<String>,
}

/// Look at the whole chain.
pub async fn verify(context: &PortsContext, position: Option<i64>, hash: Option<String>) -> Result<AuditVerification> {
    let expected = match (position, hash) {
        (Some(position), Some(hash)) => Some((position, hash.to_ascii_lowercase())),
        (None, None) => None,
        _ => return Err(refused("BAD_USER_INPUT", "`position` and `hash` are given together, or neither is")),
    };
    up_to_date(context).await;
    let found = context.service.store().verify_audit(expected).await.map_err(internal)?;
    Ok(AuditVerification {
        intact: found.broken.is_none(),
        entries: i64::try_from(found.entries).unwrap_or(i64::MAX),
        removed_through: found.removed_through,
        position: found.position,
        hash: found.hash,
        broken_at: found.broken.as_ref().map(|broken| broken.position),
        broken: found.broken.map(|broken| broken.what),
    })
}

/// What was used of the product, and by whom, over some days.
#[derive(SimpleObject, Debug, Clone)]
pub struct Usage {
    /// By consumer, dataset and version, the most used first.
    datasets: Vec<DatasetUsage>,
    /// By consumer and field, the most used first.
    fields: Vec<FieldUsage>,
    /// Fields of output datasets that nobody used.
    unused_fields: Vec<UnusedField>,
    /// Those of `fields` that are deprecated: who still uses them.
    deprecated: Vec<FieldUsage>,
    /// Those of `datasets` that are of an earlier version: who still reads it.
    earlier_versions: Vec<DatasetUsage>,
}

/// What a consumer used of a dataset.
#[derive(SimpleObject, Debug, Clone)]
pub struct DatasetUsage {
    /// Who: a subject, or `anonymous`.
    consumer: String,
    /// What.
    dataset: String,
    /// Of which earlier version; null for the current one.
    version: Option<i64>,
    /// How many requests.
    requests: i64,
    /// How many rows.
    rows: i64,
    /// Bytes of answers that it was in.
    bytes: i64,
    /// How many requests got nothing of it, for they were denied all that they asked for.
    denied: i64,
    /// When last.
    last_at: DateTime<Utc>,
}

/// What a consumer used of a field.
#[derive(SimpleObject, Debug, Clone)]
pub struct FieldUsage {
    /// Who: a subject, or `anonymous`.
    consumer: String,
    /// Of which dataset.
    dataset: String,
    /// Which field.
    field: String,
    /// How many requests.
    requests: i64,
    /// How many requests were denied it.
    denied: i64,
    /// When last.
    last_at: DateTime<Utc>,
    /// Why it should no longer be used, where it is deprecated.
    deprecated: Option<String>,
}

/// A field that nobody used.
#[derive(SimpleObject, Debug, Clone)]
pub struct UnusedField {
    /// Of which dataset.
    dataset: String,
    /// Which field.
    field: String,
    /// Whether it is deprecated.
    deprecated: bool,
}

/// Usage of the last `days`.
pub async fn usage(
    context: &PortsContext,
    days: i32,
    dataset: Option<String>,
    consumer: Option<String>,
) -> Result<Usage> {
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(refused("BAD_USER_INPUT", format!("`days` is {days}; it goes from 1 to {MOST_DAYS}")));
    }
    up_to_date(context).await;
    let to = Utc::now().date_naive();
    let from = to - Duration::days(i64::from(days) - 1);
    let filter = UsageFilter { from, to, dataset: dataset.clone(), consumer };
    let store = context.service.store();
    let (lines, fields) = (store.usage(&filter).await, store.field_usage(&filter).await);
    let product = context.service.product();
    let datasets: Vec<DatasetUsage> = lines.map_err(internal)?.into_iter().map(DatasetUsage::from).collect();
    let fields: Vec<FieldUsage> =
        fields.map_err(internal)?.into_iter().map(|line| field_usage(product, line)).collect();
    let used: BTreeSet<(&str, &str)> = fields
        .iter()
        .filter(|line| line.requests > 0)
        .map(|line| (line.dataset.as_str(), line.field.as_str()))
        .collect();
    let asked = product.outputs().filter(|d| dataset.as_deref().is_none_or(|name| name == d.name));
    let all = asked.flat_map(|d| d.fields.iter().map(move |field| (d, field)));
    let unused = all.filter(|(d, field)| !used.contains(&(d.name.as_str(), field.name.as_str())));
    let unused_fields = unused.map(|(d, field)| UnusedField {
        dataset: d.name.clone(),
        field: field.name.clone(),
        deprecated: field.deprecated.is_some(),
    });
    Ok(Usage {
        unused_fields: unused_fields.collect(),
        deprecated: fields.iter().filter(|line| line.deprecated.is_some()).cloned().collect(),
        earlier_versions: datasets.iter().filter(|line| line.version.is_some()).cloned().collect(),
        datasets,
        fields,
    })
}

impl From<store::UsageLine> for DatasetUsage {
    fn from(line: store::UsageLine) -> Self {
        Self {
            consumer: line.consumer,
            dataset: line.dataset,
            version: Some(line.version).filter(|version| *version != 0),
            requests: line.requests,
            rows: line.rows,
            bytes: line.bytes,
            denied: line.denied,
            last_at: line.last_at,
        }
    }
}

fn field_usage(product: &Product, line: store::FieldUse) -> FieldUsage {
    let dataset = product.outputs().find(|dataset| dataset.name == line.dataset);
    let deprecated = dataset.and_then(|dataset| dataset.field(&line.field)?.deprecated.clone());
    let store::FieldUse { consumer, dataset, field, requests, denied, last_at } = line;
    FieldUsage { consumer, dataset, field, requests, denied, last_at, deprecated }
}
