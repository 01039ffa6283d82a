//! Quality over time: turns what runs and re-checks have found into the history of a rule.

use crate::{QualityResult, Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::{FromRow, Postgres};
use uuid::Uuid;

/// Results of one rule that are kept of checks between runs.
const KEPT_RECHECKS: i64 = 1000;

/// What a check found, and when.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct PastResult {
    /// When.
    pub at: DateTime<Utc>,
    /// The run that checked; none where it was checked between runs.
    pub run_id: Option<Uuid>,
    /// The version that was checked; none where the run published none.
    pub version: Option<i64>,
    /// Rule id.
    pub rule: String,
    /// Dataset.
    pub dataset: String,
    /// Field, for rules on one.
    pub field: Option<String>,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// ODCS dimension.
    pub dimension: Option<String>,
    /// `passed` or `failed`.
    pub status: String,
    /// What was expected.
    pub expected: String,
    /// What was measured.
    pub measured: String,
    /// Keys of a few rows that failed.
    pub sample: Value,
}

/// What the checks of one run found, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct QualityPoint {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The version that it published.
    pub version: Option<i64>,
    /// Checks that passed.
    pub passed: i64,
    /// Checks that failed and only warn or inform.
    pub warned: i64,
    /// Checks that failed and keep a version from being published.
    pub failed: i64,
}

impl Store {
    /// What the checks of the newest runs that checked anything found, in numbers, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn quality_trend(&self, limit: i64) -> Result<Vec<QualityPoint>, StoreError> {
        sqlx::query_as(
            "SELECT r.started_at AS at, r.version, q.passed, q.warned, q.failed FROM control.runs r CROSS JOIN LATERAL \
             (SELECT count(*) AS checks, count(*) FILTER (WHERE status = 'passed') AS passed, count(*) FILTER (WHERE \
             status = 'failed' AND severity <> 'error') AS warned, count(*) FILTER (WHERE status = 'failed' AND severity \
             = 'error') AS failed FROM control.quality_results WHERE run_id = r.id) AS q WHERE q.checks > 0 ORDER BY \
             r.started_at DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the trend of quality"))
    }

    /// What was found of a dataset's rules, or of one of them, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn quality_history(
        &self,
        dataset: &str,
        rule: Option<&str>,
        limit: i64,
    ) -> Result<Vec<PastResult>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM (SELECT r.started_at AS at, q.run_id, r.version, q.rule, q.dataset, q.field, q.severity, \
             q.dimension, q.status, q.expected, q.measured, q.sample FROM control.quality_results q JOIN control.runs r \
             ON r.id = q.run_id WHERE q.dataset = $1 AND ($2::text IS NULL OR q.rule = $2) UNION ALL SELECT c.at, NULL, \
             c.version, c.rule, c.dataset, c.field, c.severity, c.dimension, c.status, c.expected, c.measured, c.sample \
             FROM control.rechecks c WHERE c.dataset = $1 AND ($2::text IS NULL OR c.rule = $2)) AS past ORDER BY at \
             DESC, rule LIMIT $3",
        )
        .bind(dataset)
        .bind(rule)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the history of quality"))
    }

    /// Keep what a check of the published version found; of each rule, the newest thousand.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn keep_recheck(&self, version: i64, result: &QualityResult) -> Result<(), StoreError> {
        let what = "keep a re-check";
        let insert = sqlx::query(
            "INSERT INTO control.rechecks (version, rule, dataset, field, severity, dimension, status, expected, \
             measured, sample) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        );
        bind_result(insert.bind(version), result).execute(self.control()).await.map_err(StoreError::on(what))?;
        sqlx::query(
            "DELETE FROM control.rechecks WHERE dataset = $1 AND rule = $2 AND at < (SELECT at FROM control.rechecks WHERE \
             dataset = $1 AND rule = $2 ORDER BY at DESC OFFSET $3 LIMIT 1)",
        )
        .bind(&result.dataset)
        .bind(&result.rule)
        .bind(KEPT_RECHECKS - 1)
        .execute(self.control())
        .await
        .map(|_| ())
        .map_err(StoreError::on(what))
    }
}

type Insert<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// What a check found, as the last nine binds.
pub(crate) fn bind_result<'q>(insert: Insert<'q>, result: &'q QualityResult) -> Insert<'q> {
    insert
        .bind(&result.rule)
        .bind(&result.dataset)
        .bind(&result.field)
        .bind(&result.severity)
        .bind(&result.dimension)
        .bind(&result.status)
        .bind(&result.expected)
        .bind(&result.measured)
        .bind(&result.sample)
}
