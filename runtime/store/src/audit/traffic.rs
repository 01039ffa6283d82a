//! Traffic: turns records of requests for data into how many there were by hour, how many failed and how long they took.

use super::told::{Record, Told};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;

/// Upper bounds of how long a request takes, in microseconds; there is a bucket for longer ones behind them.
const BOUNDS: [i64; 16] = [
    1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];
/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;
/// What asks the output port for data.
const OUTPUT: [&str; 4] = ["query", "export", "changes", "subscribe"];
/// Codes that say that a request failed by no fault of who asked.
const FAILURES: [&str; 6] = [
    "INTERNAL_SERVER_ERROR",
    "STATEMENT_TIMEOUT",
    "DATABASE_BUSY",
    "NOT_PUBLISHED",
    "TOO_MANY_EXPORTS",
    "VERSION_CHANGED",
];

#[derive(Debug)]
struct Hour {
    requests: i64,
    failed: i64,
    buckets: Vec<i64>,
}

fn sum(records: &[Record<'_>]) -> BTreeMap<DateTime<Utc>, Hour> {
    let mut hours: BTreeMap<i64, Hour> = BTreeMap::new();
    let asks_for_data = |told: &&Told<'_>| told.action().is_some_and(|action| OUTPUT.contains(&action));
    let told = records.iter().filter_map(|record| record.told.as_ref());
    for record in told.filter(asks_for_data).filter(|told| !told.ends) {
        let Some(at) = record.at else { continue };
        let none = || Hour { requests: 0, failed: 0, buckets: vec![0; BOUNDS.len() + 1] };
        let sums = hours.entry(at.div_euclid(HOUR)).or_insert_with(none);
        sums.requests += 1;
        let failed = record.status >= 500 || record.code().is_some_and(|code| FAILURES.contains(&code));
        sums.failed += i64::from(failed);
        if let Some(took) = record.us {
            sums.buckets[BOUNDS.partition_point(|bound| *bound < took)] += 1;
        }
    }
    let timed = |(hour, sums)| Some((DateTime::from_timestamp_micros(hour * HOUR)?, sums));
    hours.into_iter().filter_map(timed).collect()
}

/// Add what `records` say to the sums, within their transaction.
pub(super) async fn add(connection: &mut PgConnection, records: &[Record<'_>]) -> Result<(), StoreError> {
    for (hour, sums) in sum(records) {
        sqlx::query(
            "INSERT INTO control.traffic AS t (hour, requests, failed, buckets) VALUES ($1, $2, $3, $4) ON CONFLICT (hour) \
             DO UPDATE SET requests = t.requests + EXCLUDED.requests, failed = t.failed + EXCLUDED.failed, \
             buckets = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0) FROM unnest(t.buckets, EXCLUDED.buckets) \
             WITH ORDINALITY AS both_of (a, b, place) ORDER BY place)",
        )
        .bind(hour)
        .bind(sums.requests)
        .bind(sums.failed)
        .bind(sums.buckets)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::on("sum up requests"))?;
    }
    Ok(())
}

/// How the output port answered over some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests for data.
    pub requests: i64,
    /// Those that failed by no fault of who asked.
    pub failed: i64,
    /// How many took how long.
    buckets: Vec<i64>,
}

impl Traffic {
    /// The time within which this share of the requests (0 to 1) was answered, in milliseconds: estimated within the bucket in
    /// which it lies. None without requests.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let total: i64 = self.buckets.iter().sum();
        if total == 0 {
            return None;
        }
        let wanted = share * total as f64;
        let mut before = 0.0;
        for (place, count) in self.buckets.iter().enumerate() {
            let count = *count as f64;
            if before + count >= wanted && count > 0.0 {
                let lower = place.checked_sub(1).and_then(|place| BOUNDS.get(place)).copied().unwrap_or(0) as f64;
                let upper = BOUNDS.get(place).copied().map_or(lower, |bound| bound as f64);
                return Some((lower + (upper - lower) * ((wanted - before) / count)) / 1_000.0);
            }
            before += count;
        }
        None
    }
}

impl Store {
    /// How the output port answered since a moment, by whole hours.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn traffic(&self, since: DateTime<Utc>) -> Result<Traffic, StoreError> {
        let hours: Vec<(i64, i64, Vec<i64>)> =
            sqlx::query_as("SELECT requests, failed, buckets FROM control.traffic WHERE hour >= $1")
                .bind(since)
                .fetch_all(self.control())
                .await
                .map_err(StoreError::on("read how requests were answered"))?;
        let mut traffic = Traffic { buckets: vec![0; BOUNDS.len() + 1], ..Traffic::default() };
        for (requests, failed, buckets) in hours {
            traffic.requests += requests;
            traffic.failed += failed;
            traffic.buckets.iter_mut().zip(buckets).for_each(|(sum, count)| *sum += count);
        }
        Ok(traffic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_for_data_are_counted_by_hour_and_by_how_long_they_took() {
        let record = |action: &str, status: i64, code: Option<&str>, us: i64| {
            json!({"at": 3_600_000_000_i64 * 5 + 7, "action": action, "status": status, "code": code, "us": us})
                .to_string()
        };
        let records = [
            record("query", 200, None, 900),
            record("query", 200, Some("STATEMENT_TIMEOUT"), 30_000_001),
            record("query", 200, Some("FORBIDDEN"), 1_000),
            record("export", 503, None, 1_001),
            record("mutation", 500, None, 1),
        ];
        let sums = sum(&Record::all(&records));
        let [(hour, hour_sums)] = sums.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(hour.timestamp(), 5 * 3600);
        assert_eq!((hour_sums.requests, hour_sums.failed), (4, 2));
        assert_eq!((hour_sums.buckets[0], hour_sums.buckets[1], hour_sums.buckets[15]), (2, 1, 1));
    }

    #[test]
    fn a_percentile_lies_in_its_bucket() {
        let mut buckets = vec![0; BOUNDS.len() + 1];
        (buckets[0], buckets[4]) = (90, 10);
        let traffic = Traffic { requests: 100, failed: 0, buckets };
        assert_eq!(traffic.percentile(0.95), Some(15.0));
        assert!(traffic.percentile(0.5).unwrap() < 1.0);
        assert_eq!(Traffic::default().percentile(0.95), None);
    }
}
