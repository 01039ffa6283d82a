//! Audit: turns accesses and changes into a chain of records that is only ever appended to.
//!
//! `told` reads what records say, `chain` links and appends, `usage` and `traffic` sum up what was used and how it was answered in the same transaction, `read` looks records up, `verify` finds
//! where the chain was broken, `prune` removes what is old and leaves a checkpoint.

mod chain;
mod prune;
mod read;
mod told;
mod traffic;
mod usage;
mod verify;

pub use read::{AuditEntry, AuditFilter};
pub use traffic::Traffic;
pub use usage::{FieldUse, RecentUse, UsageFilter, UsageLine};
pub use verify::{AuditBreak, Verification};

use crate::{Store, StoreError};
use chrono::Utc;
use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnection;
use std::path::PathBuf;
use std::time::Duration;
use told::Record;
use uuid::Uuid;

/// Days that records are kept by default: a year and a month.
const KEPT_DAYS: u64 = 400;
/// Days that usage is kept by default.
const USAGE_DAYS: u64 = 800;
/// Bytes that may wait in a spool by default.
const SPOOL_BYTES: u64 = 256 * 1024 * 1024;

/// How a product keeps its audit log.
#[derive(Clone)]
pub struct AuditOptions {
    /// The secret that the chain's hashes are made with; none: plain SHA-256, which who may write anything to the database
    /// can make anew.
    pub key: Option<String>,
    /// The folder for records that wait to be written to the database; none: one that goes with the process, as tests need it.
    pub spool: Option<PathBuf>,
    /// Bytes that may wait there.
    pub spool_bytes: u64,
    /// Whether requests are refused where nothing more can be recorded; else they go on without a record.
    pub refuse_unrecorded: bool,
    /// How long records are kept.
    pub retention: Duration,
    /// How long usage is kept.
    pub usage_retention: Duration,
}

impl Default for AuditOptions {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            key: None,
            spool: None,
            spool_bytes: SPOOL_BYTES,
            refuse_unrecorded: true,
            retention: days(KEPT_DAYS),
            usage_retention: days(USAGE_DAYS),
        }
    }
}

impl std::fmt::Debug for AuditOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditOptions").field("spool", &self.spool).finish_non_exhaustive()
    }
}

/// What became of the lines of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Lines that are records now.
    pub appended: usize,
    /// Lines that are no records, and were left out.
    pub damaged: usize,
}

/// A change, or a try at one, that is to be written.
#[derive(Debug, Clone)]
pub struct AuditRecord<'a> {
    /// Who; none is anonymous.
    pub subject: Option<&'a str>,
    /// With which roles.
    pub roles: Vec<String>,
    /// Did what, e.g. `runPipeline`.
    pub action: &'a str,
    /// With what.
    pub object: &'a str,
    /// Whether policy allowed it.
    pub allowed: bool,
    /// More.
    pub detail: Option<Value>,
}

impl AuditRecord<'_> {
    /// Its text, with `more` members beside its own.
    fn text(&self, more: Map<String, Value>) -> String {
        let mut record = json!({
            "at": Utc::now().timestamp_micros(),
            "action": self.action,
            "object": self.object,
            "subject": self.subject,
            "roles": self.roles,
            "allowed": self.allowed,
        });
        if let Some(detail) = &self.detail {
            record["detail"] = detail.clone();
        }
        for (name, value) in more {
            record[name] = value;
        }
        // Postgres can't read a NUL out of JSON, and so not look for what is in such a record
        record.to_string().replace("\\u0000", "\\ufffd")
    }
}

impl Store {
    /// Append to the chain.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit(&self, record: AuditRecord<'_>) -> Result<(), StoreError> {
        self.audit_with(record, Map::new()).await
    }

    /// The same with `more` members in the record: from where, by which credential, by which rule.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit_with(&self, record: AuditRecord<'_>, more: Map<String, Value>) -> Result<(), StoreError> {
        let failed = || StoreError::on("write the audit log");
        let mut transaction = self.control().begin().await.map_err(failed())?;
        self.append_audit(&mut transaction, record, more).await?;
        transaction.commit().await.map_err(failed())
    }

    /// The same within a transaction: what else it does is on record, or is not done.
    pub(crate) async fn append_audit(
        &self,
        connection: &mut PgConnection,
        record: AuditRecord<'_>,
        more: Map<String, Value>,
    ) -> Result<(), StoreError> {
        let text = record.text(more);
        chain::append(connection, self.audit_key(), &[Record::read(&text)]).await
    }

    /// Append the records of a spool, one of its lines each, by their numbers in the spool (`seq`), and sum up what they say of
    /// usage. Those that were appended before are left out, and so are lines that are no records.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then none of them is appended.
    pub async fn take_spooled(&self, spool: Uuid, lines: &[&str]) -> Result<Taken, StoreError> {
        let failed = || StoreError::on("write the audit log");
        let place = |record: &Record<'_>| record.told.as_ref().and_then(|told| told.seq);
        let mut records: Vec<Record<'_>> = lines.iter().map(|line| Record::read(line)).collect();
        records.retain(|record| place(record).is_some());
        let damaged = lines.len() - records.len();
        let nothing = Taken { appended: 0, damaged };
        let Some(last) = records.last().and_then(place) else { return Ok(nothing) };
        let mut transaction = self.control().begin().await.map_err(failed())?;
        // the head is locked before anything else: of two that take over one spool, the second sees what the first took
        let head = chain::Head::lock(&mut transaction).await?;
        let through: Option<i64> = sqlx::query_scalar("SELECT through FROM control.audit_spools WHERE spool = $1")
            .bind(spool)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let through = through.unwrap_or(0);
        records.retain(|record| place(record).is_some_and(|seq| seq > through));
        if records.is_empty() {
            return Ok(nothing);
        }
        head.append(&mut transaction, self.audit_key(), &records).await?;
        usage::add(&mut transaction, &records).await?;
        traffic::add(&mut transaction, &records).await?;
        sqlx::query(
            "INSERT INTO control.audit_spools (spool, through) VALUES ($1, $2) \
             ON CONFLICT (spool) DO UPDATE SET through = EXCLUDED.through, taken_at = clock_timestamp()",
        )
        .bind(spool)
        .bind(last)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Taken { appended: records.len(), damaged })
    }

    /// The name of the chain: spools wait under it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit_chain(&self) -> Result<Uuid, StoreError> {
        let chain = sqlx::query_scalar("SELECT chain FROM control.audit_head").fetch_one(self.control()).await;
        chain.map_err(StoreError::on("read the audit log"))
    }
}
