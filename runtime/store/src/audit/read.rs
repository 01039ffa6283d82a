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

/// Blocks of records that are looked through at once.
const BLOCKS: i64 = 16;

/// A value of a condition.
enum Given {
    Number(i64),
    Numbers(Vec<i64>),
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
        let what = "read the audit log";
        let (mut found, mut seen) = (Vec::new(), None);
        loop {
            let blocks = self.audit_blocks(filter, seen, oldest_first).await?;
            let Some(last) = blocks.last() else { return Ok(found) };
            seen = Some(*last);
            let (conditions, mut given) = filter.conditions();
            let mut sql = Sql::lit("SELECT position, record, hash FROM (SELECT b.first + r.place - 1 AS position, ");
            sql.push("r.record::json AS record, r.hash FROM control.audit_blocks AS b CROSS JOIN LATERAL ");
            sql.push("unnest(b.records, b.hashes) WITH ORDINALITY AS r (record, hash, place) WHERE b.first = ANY(");
            given.push(Given::Numbers(blocks));
            sql.bind(given.len()).push(")) AS entry").append(&conditions).push(" ORDER BY position");
            sql.push(if oldest_first { " LIMIT " } else { " DESC LIMIT " });
            given.push(Given::Number(limit - found.len() as i64));
            sql.bind(given.len());
            let mut query = sqlx::query_as::<_, (i64, Json<Value>, Vec<u8>)>(sqlx::AssertSqlSafe(sql.into_string()));
            for value in given {
                query = match value {
                    Given::Number(number) => query.bind(number),
                    Given::Numbers(numbers) => query.bind(numbers),
                    Given::Text(text) => query.bind(text),
                };
            }
            let rows = query.fetch_all(self.control()).await.map_err(StoreError::on(what))?;
            found.extend(rows.into_iter().map(|(position, Json(record), hash)| AuditEntry { position, record, hash }));
            if found.len() as i64 >= limit {
                return Ok(found);
            }
        }
    }

    /// The next blocks that may have what is looked for: the position of the first record of each.
    async fn audit_blocks(
        &self,
        filter: &AuditFilter,
        seen: Option<i64>,
        oldest_first: bool,
    ) -> Result<Vec<i64>, StoreError> {
        let micros = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp_micros());
        let order = match oldest_first {
            true => "AND ($1::bigint IS NULL OR first > $1) ORDER BY first LIMIT $8",
            false => "AND ($1::bigint IS NULL OR first < $1) ORDER BY first DESC LIMIT $8",
        };
        let mut sql = Sql::lit(
            "SELECT first FROM control.audit_blocks WHERE ($2::bigint IS NULL OR first < $2) AND ($3::bigint IS NULL OR last > \
             $3) AND ($4::bigint IS NULL OR until >= $4) AND ($5::bigint IS NULL OR since < $5) AND ($6::text IS NULL OR \
             subjects @> ARRAY[$6]) AND ($7::text IS NULL OR actions @> ARRAY[$7]) ",
        );
        sql.push(order);
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.into_string()))
            .bind(seen)
            .bind(filter.before)
            .bind(filter.after)
            .bind(micros(filter.from))
            .bind(micros(filter.until))
            .bind(&filter.subject)
            .bind(&filter.action)
            .bind(BLOCKS)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the audit log"))
    }
}
