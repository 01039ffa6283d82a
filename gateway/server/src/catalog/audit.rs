//! Audit: what a product says through its standard ports of who did what with it, and of what is used.
//!
//! The answers are passed on as they come: the struct that an answer is read into is the object that the catalog answers with,
//! and its fields are what is asked for.

use super::access::Asked;
use super::client::{ClientError, READ_LIMIT, ask};
use super::timestamp::Timestamp;
use async_graphql::{InputObject, SimpleObject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

const LOG: &str = "query($filter: AuditLogFilter, $before: Int, $first: Int!) { auditLog(filter: $filter, before: $before, \
    first: $first) { position at subject roles granted credential action object dataset allowed rules code status request \
    client forwarded clientName version rows bytes ends broken detail hash operations { kind name hash ports rules rows reads \
    { dataset fields masked denied } } } }";
const VERIFY: &str = "query($position: Int, $hash: String) { auditVerification(position: $position, hash: $hash) { intact \
    entries removedThrough position hash brokenAt broken } }";
const USAGE: &str = "query($days: Int!, $dataset: String, $consumer: String) { usage(days: $days, dataset: $dataset, \
    consumer: $consumer) { datasets { ...D } earlierVersions { ...D } fields { ...F } deprecated { ...F } unusedFields { \
    dataset field deprecated } } } fragment D on DatasetUsage { consumer dataset version requests rows bytes denied lastAt } \
    fragment F on FieldUsage { consumer dataset field requests denied lastAt deprecated }";
/// Looking at a whole log takes its time.
const VERIFY_LIMIT: Duration = Duration::from_secs(300);

/// What of a product's audit log is looked for; all of it where nothing is said.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct AuditLogFilter {
    /// Only from this moment on.
    from: Option<Timestamp>,
    /// Only from before this moment.
    until: Option<Timestamp>,
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

/// An entry of a product's audit log.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Place in the log.
    position: i64,
    /// When.
    at: Timestamp,
    /// Who; none is anonymous.
    subject: Option<String>,
    /// With which roles, those that were granted included.
    roles: Vec<String>,
    /// Those of them that the caller has by a grant.
    granted: Vec<String>,
    /// By which credential: `none`, or `bearer` and a fingerprint.
    credential: Option<String>,
    /// Did what.
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
    /// Address at the other end of the product's connection.
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
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AuditedOperation {
    /// `query`, `mutation`, `subscription`, `export` or `changes`.
    kind: String,
    /// Name of the operation.
    name: Option<String>,
    /// Hash of its text.
    hash: Option<String>,
    /// What of the product it reads.
    reads: Vec<AuditedRead>,
    /// What it asks the standard ports.
    ports: Vec<String>,
    /// The policy lines or grants that decided.
    rules: Vec<String>,
    /// Rows of its statement.
    rows: i64,
}

/// What an operation reads of a dataset.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
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

/// What was found of a product's audit log.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerification {
    /// Whether every entry is as it was written, at its place, and none is missing but old ones.
    intact: bool,
    /// Entries that are as they were written, up to the first that is not.
    entries: i64,
    /// The last position that was removed because it was old; 0 where none was.
    removed_through: i64,
    /// The last position that is as it was written.
    position: i64,
    /// Its hash.
    hash: String,
    /// The first position that is not as it was written.
    broken_at: Option<i64>,
    /// What is wrong there.
    broken: Option<String>,
}

/// What was used of a product, and by whom, over some days.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// By consumer, dataset and version, the most used first.
    datasets: Vec<DatasetUsage>,
    /// By consumer and field, the most used first.
    fields: Vec<FieldUsage>,
    /// Fields of output datasets that nobody used.
    unused_fields: Vec<UnusedField>,
    /// Who still uses deprecated fields.
    deprecated: Vec<FieldUsage>,
    /// Who still reads earlier versions.
    earlier_versions: Vec<DatasetUsage>,
}

/// What a consumer used of a dataset.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// How many requests got nothing of it.
    denied: i64,
    /// When last.
    last_at: Timestamp,
}

/// What a consumer used of a field.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    last_at: Timestamp,
    /// Why it should no longer be used, where it is deprecated.
    deprecated: Option<String>,
}

/// A field that nobody used.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct UnusedField {
    /// Of which dataset.
    dataset: String,
    /// Which field.
    field: String,
    /// Whether it is deprecated.
    deprecated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    audit_log: Vec<AuditEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    audit_verification: AuditVerification,
}

#[derive(Deserialize)]
struct Used {
    usage: Usage,
}

impl Asked<'_> {
    /// The newest entries of the audit log before a position.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn audit_log(
        self,
        filter: Option<AuditLogFilter>,
        before: Option<i64>,
        first: i32,
    ) -> Result<Vec<AuditEntry>, ClientError> {
        let variables = json!({"filter": filter, "before": before, "first": first});
        let operation = json!({"query": LOG, "variables": variables});
        Ok(ask::<Log>(self.source, self.caller, &operation, READ_LIMIT).await?.audit_log)
    }

    /// Whether the log is as it was written.
    pub async fn audit_verification(
        self,
        position: Option<i64>,
        hash: Option<String>,
    ) -> Result<AuditVerification, ClientError> {
        let operation = json!({"query": VERIFY, "variables": {"position": position, "hash": hash}});
        Ok(ask::<Verified>(self.source, self.caller, &operation, VERIFY_LIMIT).await?.audit_verification)
    }

    /// What was used.
    pub async fn usage(
        self,
        days: i32,
        dataset: Option<String>,
        consumer: Option<String>,
    ) -> Result<Usage, ClientError> {
        let variables = json!({"days": days, "dataset": dataset, "consumer": consumer});
        let operation = json!({"query": USAGE, "variables": variables});
        Ok(ask::<Used>(self.source, self.caller, &operation, READ_LIMIT).await?.usage)
    }
}
