//! Rejects: turns rows that were not taken in into records of where they were and what was wrong.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, Transaction};
use uuid::Uuid;

/// Records of one dataset that are kept, the newest.
const KEPT: i64 = 100_000;
/// Characters of a value that are kept.
const LONGEST_VALUE: usize = 200;

/// What is wrong with a row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which part of the batch: a file of several; none where the batch has no parts.
    pub part: Option<String>,
    /// Which row, from 1; a header is row 0.
    pub row: u64,
    /// ODCS name of the field, where one value is wrong.
    pub field: Option<String>,
    /// The value as it came, cut where it is long.
    pub value: Option<String>,
    /// Why it is not taken, in words that follow the field's name.
    pub reason: String,
}

impl Reject {
    /// A record of it; of the value, as much as is kept.
    pub fn new(row: u64, field: Option<&str>, value: Option<String>, reason: impl Into<String>) -> Self {
        let value = value.map(|mut text| {
            if let Some((at, _)) = text.char_indices().nth(LONGEST_VALUE) {
                text.truncate(at);
                text.push('…');
            }
            // the record is text of Postgres, which has no NUL
            if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
        });
        Self { part: None, row, field: field.map(str::to_owned), value, reason: reason.into() }
    }
}

/// A [`Reject`] on record.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct RejectRecord {
    /// Place in the record.
    pub position: i64,
    /// The batch.
    pub batch: Uuid,
    /// Its dataset.
    pub dataset: String,
    /// Where it came from.
    pub origin: String,
    /// Whether the whole batch was refused, or went on without its bad rows.
    pub refused: bool,
    /// Which row, from 1.
    pub row: i64,
    /// ODCS name of the field.
    pub field: Option<String>,
    /// The value as it came.
    pub value: Option<String>,
    /// Why it is not taken.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Keep `rejects`, and drop the oldest of the dataset.
pub(crate) async fn write_rejects(
    transaction: &mut Transaction<'_, Postgres>,
    batch: Uuid,
    dataset: &str,
    origin: &str,
    refused: bool,
    rejects: &[Reject],
) -> Result<(), StoreError> {
    if rejects.is_empty() {
        return Ok(());
    }
    let what = "record bad rows";
    let parts: Vec<Option<&str>> = rejects.iter().map(|r| r.part.as_deref()).collect();
    let rows: Vec<i64> = rejects.iter().map(|r| i64::try_from(r.row).unwrap_or(i64::MAX)).collect();
    let fields: Vec<Option<&str>> = rejects.iter().map(|r| r.field.as_deref()).collect();
    let values: Vec<Option<&str>> = rejects.iter().map(|r| r.value.as_deref()).collect();
    let reasons: Vec<&str> = rejects.iter().map(|r| r.reason.as_str()).collect();
    sqlx::query(
        "INSERT INTO control.rejects (batch, dataset, origin, refused, row, field, value, reason) SELECT $1, $2, \
         coalesce(r.part, $3), $4, r.row, r.field, r.value, r.reason FROM unnest($5::text[], $6::bigint[], $7::text[], \
         $8::text[], $9::text[]) AS r (part, row, field, value, reason)",
    )
    .bind(batch)
    .bind(dataset)
    .bind(origin)
    .bind(refused)
    .bind(&parts)
    .bind(&rows)
    .bind(&fields)
    .bind(&values)
    .bind(&reasons)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    sqlx::query(
        "DELETE FROM control.rejects WHERE dataset = $1 AND position <= (SELECT position FROM control.rejects WHERE \
         dataset = $1 ORDER BY position DESC OFFSET $2 LIMIT 1)",
    )
    .bind(dataset)
    .bind(KEPT)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    Ok(())
}

impl Store {
    /// The newest bad rows, of one batch or dataset where named.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn rejects(
        &self,
        batch: Option<Uuid>,
        dataset: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RejectRecord>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM control.rejects WHERE ($1::uuid IS NULL OR batch = $1) AND ($2::text IS NULL OR dataset = $2) \
             ORDER BY position DESC LIMIT $3",
        )
        .bind(batch)
        .bind(dataset)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read bad rows"))
    }
}
