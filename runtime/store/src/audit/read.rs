//! Reading: turns what an auditor looks for into records, the newest first, page by page.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use terrane_sql::Sql;

/// What is looked for; nothing is everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFilter {
    /// Only records before this position.
    pub before: Option<i64>,
    /// Only records after this position.
    pub after: Option<i64>,
    /// Only records from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Only records from before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Who.
    pub subject: Option<String>,
    /// Did what.
    pub action: Option<String>,
    /// With which dataset.
    pub dataset: Option<String>,
    /// With which field of a dataset: `dataset.field`.
    pub field: Option<String>,
    /// Under which id of a request.
    pub request: Option<String>,
    /// Whether it was allowed.
    pub allowed: Option<bool>,
}

/// A record and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its place in the chain.
    pub position: i64,
    /// What it says.
    pub record: Value,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// A value of a condition.
enum Given {
    Number(i64),
    Text(String),
}

impl AuditFilter {
    /// The conditions, and their values in the order of the binds.
    fn conditions(&self) -> (Sql, Vec<Given>) {
        let (mut sql, mut given) = (Sql::lit(" WHERE true"), Vec::new());
        let mut add = |condition: &'static str, rest: &'static str, value: Option<Given>| {
            if let Some(value) = value {
                given.push(value);
                sql.push(condition).bind(given.len()).push(rest);
            }
        };
        let time = |time: Option<DateTime<Utc>>| time.map(|time| Given::Number(time.timestamp_micros()));
        let text = |text: &Option<String>| text.clone().map(Given::Text);
        add(" AND position < ", "", self.before.map(Given::Number));
        add(" AND position > ", "", self.after.map(Given::Number));
        add(" AND (record ->> 'at')::bigint >= ", "", time(self.from));
        add(" AND (record ->> 'at')::bigint < ", "", time(self.until));
        add(" AND record ->> 'subject' = ", "", text(&self.subject));
        add(" AND record ->> 'action' = ", "", text(&self.action));
        add(" AND record ->> 'request' = ", "", text(&self.request));
        add(" AND record ->> 'allowed' = ", "", self.allowed.map(|allowed| Given::Text(allowed.to_string())));
        const READS: &str = " AND EXISTS (SELECT FROM jsonb_path_query((record -> 'what')::jsonb, '$[*].reads[*]') AS r \
                             WHERE r ->> 'dataset' = ";
        add(READS, ")", text(&self.dataset));
        if let Some((dataset, field)) = self.field.as_deref().and_then(|field| field.split_once('.')) {
            given.push(Given::Text(dataset.to_owned()));
            sql.push(READS).bind(given.len());
            given.push(Given::Text(field.to_owned()));
            sql.push(" AND (r -> 'fields' ? ").bind(given.len()).push(" OR r -> 'masked' ? ").bind(given.len());
            sql.push(" OR r -> 'denied' ? ").bind(given.len()).push("))");
        }
        (sql, given)
    }
}

impl Store {
    /// The newest records that `filter` is true of, at most `limit`; the oldest where `oldest_first`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit_log(
        &self,
        filter: &AuditFilter,
        limit: i64,
        oldest_first: bool,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let (conditions, mut given) = filter.conditions();
        let mut sql = Sql::lit("SELECT position, record, hash FROM control.audit");
        sql.append(&conditions).push(" ORDER BY position").push(if oldest_first { " LIMIT " } else { " DESC LIMIT " });
        given.push(Given::Number(limit));
        sql.bind(given.len());
        let mut query = sqlx::query_as::<_, (i64, Json<Value>, Vec<u8>)>(sqlx::AssertSqlSafe(sql.into_string()));
        for value in given {
            query = match value {
                Given::Number(number) => query.bind(number),
                Given::Text(text) => query.bind(text),
            };
        }
        let rows = query.fetch_all(self.control()).await.map_err(StoreError::on("read the audit log"))?;
        Ok(rows.into_iter().map(|(position, Json(record), hash)| AuditEntry { position, record, hash }).collect())
    }
}
