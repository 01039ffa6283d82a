//! Service levels: turns whether each is kept into a state that is kept over restarts, and a change of it into what somebody has
//! to be told.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::postgres::Postgres;
use sqlx::types::Json;
use uuid::Uuid;

/// What is waited for after a try in vain, at most.
const LONGEST_PAUSE_SECONDS: f64 = 3_600.0;

/// A change of a service level that somebody has to be told.
#[derive(Debug, Clone, FromRow)]
pub struct LevelChange {
    /// Which service level.
    pub level: String,
    /// Whether it is missed now.
    pub missed: bool,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The same for each try to tell of it.
    pub id: Uuid,
    /// Tries in vain so far.
    pub attempts: i32,
    /// What there is to tell.
    pub message: Json<Value>,
}

/// A change that this process tells of: no other one does so as long.
pub struct Telling {
    /// The change.
    pub change: LevelChange,
    transaction: sqlx::Transaction<'static, Postgres>,
}

impl Store {
    /// Note whether a service level is kept. The first time that it is missed, and each time that this changes, somebody has to
    /// be told `message`. Returns whether so.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn note_level(&self, level: &str, missed: bool, message: &Value) -> Result<bool, StoreError> {
        let changed: Option<bool> = sqlx::query_scalar(
            "INSERT INTO control.level_states AS s (level, missed, told, message) VALUES ($1, $2, NOT $2, $3) \
             ON CONFLICT (level) DO UPDATE SET missed = EXCLUDED.missed, told = false, since = clock_timestamp(), \
             id = gen_random_uuid(), attempts = 0, next_at = clock_timestamp(), message = EXCLUDED.message \
             WHERE s.missed <> EXCLUDED.missed RETURNING NOT told",
        )
        .bind(level)
        .bind(missed)
        .bind(message)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("note a service level"))?;
        Ok(changed == Some(true))
    }

    /// A change that is to be told now, and is told by nobody else.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn next_level_change(&self) -> Result<Option<Telling>, StoreError> {
        let failed = || StoreError::on("look for service levels that changed");
        let mut transaction = self.control().begin().await.map_err(failed())?;
        let change: Option<LevelChange> = sqlx::query_as(
            "SELECT level, missed, since, id, attempts, message FROM control.level_states \
             WHERE NOT told AND next_at <= clock_timestamp() ORDER BY since LIMIT 1 FOR UPDATE SKIP LOCKED",
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed())?;
        Ok(change.map(|change| Telling { change, transaction }))
    }
}

impl Telling {
    /// It was told, or is given up.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then it is told again.
    pub async fn done(mut self) -> Result<(), StoreError> {
        let failed = || StoreError::on("note what was told of a service level");
        sqlx::query("UPDATE control.level_states SET told = true WHERE level = $1")
            .bind(&self.change.level)
            .execute(&mut *self.transaction)
            .await
            .map_err(failed())?;
        self.transaction.commit().await.map_err(failed())
    }

    /// It could not be told: again after a while, which is longer each time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn again(mut self) -> Result<(), StoreError> {
        let failed = || StoreError::on("note what was not told of a service level");
        let pause = (2_f64.powi(self.change.attempts.clamp(0, 20))).min(LONGEST_PAUSE_SECONDS);
        sqlx::query(
            "UPDATE control.level_states SET attempts = attempts + 1, \
             next_at = clock_timestamp() + $2 * interval '1 second' WHERE level = $1",
        )
        .bind(&self.change.level)
        .bind(pause)
        .execute(&mut *self.transaction)
        .await
        .map_err(failed())?;
        self.transaction.commit().await.map_err(failed())
    }
}
