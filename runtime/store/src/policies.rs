//! Put policies: turns policy lines that came in at run time into records with their history, and gives back what holds.

use crate::{ACCESS_CHANNEL, Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// A product's own policy lines as they were put in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PutPolicy {
    /// Place in the history.
    pub position: i64,
    /// The lines; none gives way to the folder's own.
    pub text: Option<String>,
    /// Hash of the folder's lines that they were put in place of.
    pub base: String,
    /// Why.
    pub reason: String,
    /// Hash of the lines that held before.
    pub before: String,
    /// Hash of the lines that held then.
    pub after: String,
    /// Decisions that gave more then.
    pub widening: i64,
    /// Decisions that gave less, or something else.
    pub narrowing: i64,
    /// Who put them in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

/// Policy lines that are to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicy {
    /// The lines; none gives way to the folder's own.
    pub text: Option<String>,
    /// Hash of the folder's lines.
    pub base: String,
    /// Why.
    pub reason: String,
    /// Hash of the lines that hold.
    pub before: String,
    /// Hash of the lines that hold then.
    pub after: String,
    /// Decisions that give more then.
    pub widening: i64,
    /// Decisions that give less, or something else.
    pub narrowing: i64,
    /// Who puts them in.
    pub put_by: Option<String>,
}

impl Store {
    /// The newest that was put in.
    ///
    /// # Errors
    /// [`StoreError::Database`], as of all below.
    pub async fn put_policy_in_force(&self) -> Result<Option<PutPolicy>, StoreError> {
        sqlx::query_as("SELECT * FROM security.put_policies ORDER BY position DESC LIMIT 1")
            .fetch_optional(self.control())
            .await
            .map_err(StoreError::on("read the policy that was put in"))
    }

    /// The place of the newest; 0 where nothing was put in.
    pub async fn policy_position(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM security.put_policies")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("read the position of the policy"))
    }

    /// What was put in, the newest first.
    pub async fn policy_history(&self, limit: i64) -> Result<Vec<PutPolicy>, StoreError> {
        sqlx::query_as("SELECT * FROM security.put_policies ORDER BY position DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the history of the policy"))
    }

    /// Put policy lines in, where nothing else was put in since `seen`; none where something was. Every process of the product
    /// is told when it is committed.
    pub async fn keep_policy(&self, new: &NewPolicy, seen: i64) -> Result<Option<PutPolicy>, StoreError> {
        let failed = || StoreError::on("keep a policy");
        let mut transaction = self.control().begin().await.map_err(failed())?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('terrane policy', 0))")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let put: Option<PutPolicy> = sqlx::query_as(
            "INSERT INTO security.put_policies (text, base, reason, before, after, widening, narrowing, put_by) SELECT $1, $2, \
             $3, $4, $5, $6, $7, $8 WHERE (SELECT coalesce(max(position), 0) FROM security.put_policies) = $9 RETURNING *",
        )
        .bind(&new.text)
        .bind(&new.base)
        .bind(&new.reason)
        .bind(&new.before)
        .bind(&new.after)
        .bind(new.widening)
        .bind(new.narrowing)
        .bind(&new.put_by)
        .bind(seen)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed())?;
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(ACCESS_CHANNEL)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(put)
    }
}
