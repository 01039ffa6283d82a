//! Audit: turns accesses and changes into a log that is only ever appended to.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

/// What is to be written.
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

/// What was written.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct AuditEntry {
    /// Place in the log.
    pub position: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; none is anonymous.
    pub subject: Option<String>,
    /// With which roles.
    pub roles: Vec<String>,
    /// Did what.
    pub action: String,
    /// With what.
    pub object: String,
    /// Whether policy allowed it.
    pub allowed: bool,
    /// More.
    pub detail: Option<Value>,
}

impl Store {
    /// Append to the log.
    pub async fn audit(&self, record: AuditRecord<'_>) -> Result<(), StoreError> {
        let mut connection = self.control().acquire().await.map_err(StoreError::on("write the audit log"))?;
        append(&mut connection, record).await
    }

    /// The newest entries.
    pub async fn audit_log(&self, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        sqlx::query_as("SELECT * FROM control.audit_log ORDER BY position DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the audit log"))
    }
}

/// Append to the log within a transaction.
pub(crate) async fn append(connection: &mut PgConnection, record: AuditRecord<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO control.audit_log (subject, roles, action, object, allowed, detail) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(record.subject)
    .bind(&record.roles)
    .bind(record.action)
    .bind(record.object)
    .bind(record.allowed)
    .bind(&record.detail)
    .execute(connection)
    .await
    .map_err(StoreError::on("write the audit log"))?;
    Ok(())
}
