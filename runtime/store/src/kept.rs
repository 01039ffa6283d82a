//! Kept versions: turns a number or a moment into the version that readers saw, and the product's retention into which of
//! them stay.

use crate::versions::kept_schema;
use crate::{Store, StoreError, Version};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Postgres, Transaction};
use terrane_manifest::Retention;
use terrane_sql::Sql;

/// Which version somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The version of this number.
    Version(i64),
    /// The one that readers saw at this moment.
    Time(DateTime<Utc>),
}

impl Store {
    /// The version that `as_of` means; its state is `current` or `kept`.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`] where there never was one; [`StoreError::VersionDropped`] where it is kept no longer.
    pub async fn version_as_of(&self, as_of: AsOf) -> Result<Version, StoreError> {
        let (number, time) = match as_of {
            AsOf::Version(number) => (Some(number), None),
            AsOf::Time(time) => (None, Some(time)),
        };
        let found: Option<Version> = sqlx::query_as(
            "SELECT * FROM control.versions WHERE version = coalesce($1, (SELECT version FROM control.currents WHERE \
             since <= $2 ORDER BY since DESC, position DESC LIMIT 1))",
        )
        .bind(number)
        .bind(time)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("look up a version"))?;
        match found {
            None => Err(StoreError::UnknownVersion(as_of)),
            Some(version) if version.state == "dropped" => Err(StoreError::VersionDropped(version.version)),
            Some(version) => Ok(version),
        }
    }

    /// Drop the versions that the product keeps no longer, by age as by number. Readers of one of them go first: what is
    /// locked is left for the next time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn apply_retention(&self, retention: Retention) -> Result<Vec<i64>, StoreError> {
        let what = "drop versions that are too old";
        let mut transaction = self.owner().begin().await.map_err(StoreError::on(what))?;
        transaction.execute("SET LOCAL lock_timeout = '300ms'").await.map_err(StoreError::on(what))?;
        match drop_old(&mut transaction, retention).await {
            Ok(dropped) => {
                transaction.commit().await.map_err(StoreError::on(what))?;
                Ok(dropped)
            }
            Err(StoreError::Database { source: sqlx::Error::Database(inner), .. })
                if inner.code().is_some_and(|code| code == "55P03" || code == "40P01") =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

/// Drop the kept versions beyond the retention's number and age.
pub(crate) async fn drop_old(
    transaction: &mut Transaction<'_, Postgres>,
    retention: Retention,
) -> Result<Vec<i64>, StoreError> {
    let what = "drop versions that are too old";
    let dropped: Vec<i64> = sqlx::query_scalar(
        "UPDATE control.versions SET state = 'dropped', dropped_at = clock_timestamp() WHERE state = 'kept' AND \
         (version NOT IN (SELECT version FROM control.versions WHERE state = 'kept' ORDER BY version DESC LIMIT $1) OR \
         ended_at < clock_timestamp() - make_interval(secs => $2)) RETURNING version",
    )
    .bind(i64::from(retention.versions))
    .bind(retention.age.map(|age| age.as_secs_f64()))
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    for version in &dropped {
        let mut sql = Sql::lit("DROP SCHEMA IF EXISTS ");
        sql.ident(&kept_schema(*version)).push(" CASCADE");
        let done = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        done.map_err(StoreError::on(what))?;
    }
    Ok(dropped)
}

/// Note which version is current from now on.
pub(crate) async fn note_current(connection: &mut PgConnection, version: i64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO control.currents (version) VALUES ($1)")
        .bind(version)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on("note which version is current"))
}
