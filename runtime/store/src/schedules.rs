//! Schedules: turns the times at which pulls and checks are due into claims, of which every replica of a product gets its own or none.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// What is on record of a port's schedule.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ScheduleRecord {
    /// The input port.
    pub port: String,
    /// What takes the place of the descriptor's schedule, if anything does.
    pub schedule: Option<String>,
    /// When it was due last.
    pub last_due: DateTime<Utc>,
    /// Who has changed it.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<DateTime<Utc>>,
}

impl Store {
    /// All that is on record.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn schedules(&self) -> Result<Vec<ScheduleRecord>, StoreError> {
        sqlx::query_as("SELECT * FROM control.schedules ORDER BY port")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read schedules"))
    }

    /// Whether a pull that was due at `due` is the caller's to do: true for one caller, and for each time once. A port
    /// that is new starts with its next time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn claim_schedule(&self, port: &str, due: DateTime<Utc>) -> Result<bool, StoreError> {
        let claimed: Option<bool> = sqlx::query_scalar(
            "INSERT INTO control.schedules AS s (port, last_due) VALUES ($1, $2) ON CONFLICT (port) DO UPDATE SET last_due = \
             $2 WHERE s.last_due < $2 RETURNING s.xmax <> 0",
        )
        .bind(port)
        .bind(due)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("claim a schedule"))?;
        Ok(claimed == Some(true))
    }

    /// Whether the check of a rule that was due at `due` is the caller's to do, as with [`Store::claim_schedule`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn claim_recheck(&self, dataset: &str, rule: &str, due: DateTime<Utc>) -> Result<bool, StoreError> {
        let claimed: Option<bool> = sqlx::query_scalar(
            "INSERT INTO control.recheck_schedules AS s (dataset, rule, last_due) VALUES ($1, $2, $3) ON CONFLICT (dataset, \
             rule) DO UPDATE SET last_due = $3 WHERE s.last_due < $3 RETURNING s.xmax <> 0",
        )
        .bind(dataset)
        .bind(rule)
        .bind(due)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("claim the check of a rule"))?;
        Ok(claimed == Some(true))
    }

    /// Put `schedule` in the place of the descriptor's, or that in force again; from `now` on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_schedule(
        &self,
        port: &str,
        schedule: Option<&str>,
        by: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO control.schedules (port, schedule, last_due, changed_by, changed_at) VALUES ($1, $2, $3, $4, $3) ON \
             CONFLICT (port) DO UPDATE SET schedule = $2, last_due = $3, changed_by = $4, changed_at = $3",
        )
        .bind(port)
        .bind(schedule)
        .bind(now)
        .bind(by)
        .execute(self.control())
        .await
        .map(|_| ())
        .map_err(StoreError::on("change a schedule"))
    }
}
