//! Usage: turns records of accesses into sums by day, consumer, dataset and field, and these into who uses what.

use super::told::{Record, What};
use crate::{Store, StoreError};
use chrono::{DateTime, NaiveDate, Utc};
use rustc_hash::FxHashMap;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;

/// The consumer that callers who did not sign in are taken for.
const ANONYMOUS: &str = "anonymous";
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Lines of an answer at most.
const MOST_LINES: i64 = 10_000;

type Key = (NaiveDate, String, String, String, i64);

#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    requests: i64,
    rows: i64,
    bytes: i64,
    denied: i64,
    last: i64,
}

impl Sums {
    fn add(&mut self, requests: i64, rows: i64, bytes: i64, denied: bool, at: i64) {
        self.requests += if denied { 0 } else { requests };
        self.denied += if denied { requests } else { 0 };
        self.rows += if denied { 0 } else { rows };
        self.bytes += if denied { 0 } else { bytes };
        self.last = self.last.max(at);
    }
}

/// Records that count alike: of one day (since 1970), consumer, version and text of what was read, and all beginnings or ends.
type Alike<'r> = (i64, &'r str, i64, &'r str, bool);

/// How many records are alike, their bytes, and when the last one was.
#[derive(Debug, Default)]
struct Count {
    records: i64,
    bytes: i64,
    last: i64,
}

/// The sums of `records`. A request counts once for each dataset and field that it reads, with all rows of the statement; its
/// bytes count for each dataset, for nobody can say which byte is of which. What was read is looked at once for all that read
/// the same: a busy product is asked the same thousands of times between two looks.
fn sum(records: &[Record<'_>]) -> BTreeMap<Key, Sums> {
    let mut alike: FxHashMap<Alike<'_>, Count> = FxHashMap::default();
    for told in records.iter().filter_map(|record| record.told.as_ref()) {
        let (Some(at), what) = (told.at, told.what()) else { continue };
        if !what.is_empty() {
            let consumer = told.subject().unwrap_or(ANONYMOUS);
            let count = alike.entry((at.div_euclid(DAY), consumer, told.version, what, told.ends)).or_default();
            count.records += 1;
            count.bytes += told.bytes;
            count.last = count.last.max(at);
        }
    }
    let mut sums = BTreeMap::new();
    for (of, count) in alike {
        add_alike(&mut sums, of, &count);
    }
    sums
}

fn add_alike(sums: &mut BTreeMap<Key, Sums>, (day, consumer, version, what, ends): Alike<'_>, count: &Count) {
    let Some(day) = DateTime::from_timestamp_micros(day * DAY) else { return };
    let Ok(what) = serde_json::from_str::<Vec<What>>(what) else { return };
    // by dataset and field: rows, and whether it was denied; the same field twice in a request counts once
    let mut used: BTreeMap<(&str, &str), (i64, bool)> = BTreeMap::new();
    for (read, rows) in what.iter().flat_map(|what| what.reads.iter().map(|read| (read, what.rows))) {
        let seen = read.fields.iter().chain(&read.masked).map(|field| (field.as_str(), false));
        let seen: Vec<(&str, bool)> = seen.chain(read.denied.iter().map(|field| (field.as_str(), true))).collect();
        let whole = ("", seen.iter().all(|(_, denied)| *denied) && !seen.is_empty());
        for (field, denied) in seen.into_iter().chain([whole]) {
            let entry = used.entry((&read.dataset, field)).or_insert((0, true));
            entry.0 += rows;
            entry.1 &= denied;
        }
    }
    let requests = if ends { 0 } else { count.records };
    for ((dataset, field), (rows, denied)) in used {
        let key = (day.date_naive(), consumer.to_owned(), dataset.to_owned(), field.to_owned(), version);
        sums.entry(key).or_default().add(requests, rows * count.records, count.bytes, denied, count.last);
    }
}

/// Add what `records` say to the sums, within their transaction.
pub(super) async fn add(connection: &mut PgConnection, records: &[Record<'_>]) -> Result<(), StoreError> {
    let sums = sum(records);
    if sums.is_empty() {
        return Ok(());
    }
    let (mut days, mut texts, mut numbers) = (Vec::new(), [const { Vec::new() }; 3], [const { Vec::new() }; 6]);
    for ((day, consumer, dataset, field, version), sum) in sums {
        days.push(day);
        for (column, text) in texts.iter_mut().zip([consumer, dataset, field]) {
            column.push(text);
        }
        let row = [version, sum.requests, sum.rows, sum.bytes, sum.denied, sum.last];
        for (column, number) in numbers.iter_mut().zip(row) {
            column.push(number);
        }
    }
    let mut query = sqlx::query(
        "INSERT INTO control.usage AS u (day, consumer, dataset, field, version, requests, rows, bytes, denied, last_at) \
         SELECT d, c, s, f, v, q, r, b, n, to_timestamp(l / 1000000.0) FROM unnest($1::date[], $2::text[], $3::text[], \
         $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) \
         AS n (d, c, s, f, v, q, r, b, n, l) \
         ON CONFLICT (day, consumer, dataset, field, version) DO UPDATE SET requests = u.requests + EXCLUDED.requests, \
         rows = u.rows + EXCLUDED.rows, bytes = u.bytes + EXCLUDED.bytes, denied = u.denied + EXCLUDED.denied, \
         last_at = greatest(u.last_at, EXCLUDED.last_at)",
    )
    .bind(days);
    for column in texts {
        query = query.bind(column);
    }
    for column in numbers {
        query = query.bind(column);
    }
    query.execute(connection).await.map(|_| ()).map_err(StoreError::on("sum up usage"))
}

/// Whose and which usage is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    /// From this day on.
    pub from: NaiveDate,
    /// Up to this day, and with it.
    pub to: NaiveDate,
    /// Of one dataset.
    pub dataset: Option<String>,
    /// By one consumer.
    pub consumer: Option<String>,
}

/// What a consumer used of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UsageLine {
    /// Who: a subject, or `anonymous`.
    pub consumer: String,
    /// What.
    pub dataset: String,
    /// Of which version, where not of the current one; 0 is that.
    pub version: i64,
    /// How often.
    pub requests: i64,
    /// How many rows.
    pub rows: i64,
    /// How many bytes of answers in which it was.
    pub bytes: i64,
    /// How often it was denied.
    pub denied: i64,
    /// When last.
    pub last_at: DateTime<Utc>,
}

/// How much was used, by how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct RecentUse {
    /// Consumers that were answered.
    pub consumers: i64,
    /// How often they read a dataset.
    pub requests: i64,
}

/// What a consumer used of a field.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FieldUse {
    /// Who.
    pub consumer: String,
    /// Of which dataset.
    pub dataset: String,
    /// Which field.
    pub field: String,
    /// How often.
    pub requests: i64,
    /// How often it was denied.
    pub denied: i64,
    /// When last.
    pub last_at: DateTime<Utc>,
}

impl Store {
    /// What was used, by consumer, dataset and version, the most used first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn usage(&self, filter: &UsageFilter) -> Result<Vec<UsageLine>, StoreError> {
        sqlx::query_as(
            "SELECT consumer, dataset, version, sum(requests)::bigint AS requests, sum(rows)::bigint AS rows, \
             sum(bytes)::bigint AS bytes, sum(denied)::bigint AS denied, max(last_at) AS last_at FROM control.usage \
             WHERE field = '' AND day BETWEEN $1 AND $2 AND ($3::text IS NULL OR dataset = $3) \
             AND ($4::text IS NULL OR consumer = $4) GROUP BY consumer, dataset, version \
             ORDER BY requests DESC, consumer, dataset, version LIMIT $5",
        )
        .bind(filter.from)
        .bind(filter.to)
        .bind(&filter.dataset)
        .bind(&filter.consumer)
        .bind(MOST_LINES)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read usage"))
    }

    /// How much was used since a day, by how many: what may be told to those who may not know by whom.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn recent_use(&self, from: NaiveDate) -> Result<RecentUse, StoreError> {
        sqlx::query_as(
            "SELECT count(DISTINCT consumer) AS consumers, coalesce(sum(requests), 0)::bigint AS requests FROM control.usage \
             WHERE field = '' AND requests > 0 AND day >= $1",
        )
        .bind(from)
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("read usage"))
    }

    /// The same by field, of all versions.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn field_usage(&self, filter: &UsageFilter) -> Result<Vec<FieldUse>, StoreError> {
        sqlx::query_as(
            "SELECT consumer, dataset, field, sum(requests)::bigint AS requests, sum(denied)::bigint AS denied, \
             max(last_at) AS last_at FROM control.usage \
             WHERE field <> '' AND day BETWEEN $1 AND $2 AND ($3::text IS NULL OR dataset = $3) \
             AND ($4::text IS NULL OR consumer = $4) GROUP BY consumer, dataset, field \
             ORDER BY requests DESC, dataset, field, consumer LIMIT $5",
        )
        .bind(filter.from)
        .bind(filter.to)
        .bind(&filter.dataset)
        .bind(&filter.consumer)
        .bind(MOST_LINES)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read usage"))
    }
}
