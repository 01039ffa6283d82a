//! Positions: turns the tables of the input layer into how far their rows have come, so that what is new can be told.

use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Executor as _};
use std::collections::BTreeMap;
use std::time::Duration;
use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// How long those who write are waited for.
const WRITERS_PATIENCE: Duration = Duration::from_secs(10);

/// How far an input table has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputState {
    /// The last `_position` that was given out; every row up to it is committed, and later ones have higher positions.
    pub position: i64,
    /// How often rows went or were changed.
    pub generation: i64,
    /// A sum over the rows' values, where it was taken: equal rows in any order have equal sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// States of input tables by the table's name.
pub type InputStates = BTreeMap<String, InputState>;

impl Store {
    /// How far the table of `dataset` has come. Waits a moment for whoever is writing to it: a position that was taken
    /// and not committed yet would be passed by.
    ///
    /// # Errors
    /// [`StoreError::InputBusy`] where a writer takes longer than ten seconds; [`StoreError::Database`].
    pub async fn input_state(&self, dataset: &Dataset) -> Result<InputState, StoreError> {
        let what = "look how far an input has come";
        let mut transaction = self.owner().begin().await.map_err(StoreError::on(what))?;
        sqlx::query("SELECT set_config('lock_timeout', $1, true)")
            .bind(format!("{}ms", WRITERS_PATIENCE.as_millis()))
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::on(what))?;
        let mut lock = Sql::lit("LOCK TABLE ");
        lock.qualified("input", &dataset.table).push(" IN SHARE MODE");
        if let Err(error) = transaction.execute(sqlx::raw_sql(AssertSqlSafe(lock.into_string()))).await {
            let busy = error.as_database_error().is_some_and(|e| e.code().is_some_and(|code| code == "55P03"));
            return Err(match busy {
                true => StoreError::InputBusy(dataset.name.clone()),
                false => StoreError::database(what, error),
            });
        }
        let position: Option<i64> = sqlx::query_scalar(
            "SELECT pg_sequence_last_value(pg_get_serial_sequence(format('input.%I', $1::text), '_position')::regclass)",
        )
        .bind(&dataset.table)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
        let generation: Option<i64> =
            sqlx::query_scalar("SELECT generation FROM control.input_generations WHERE table_name = $1")
                .bind(&dataset.table)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::on(what))?;
        transaction.rollback().await.map_err(StoreError::on(what))?;
        Ok(InputState {
            position: position.unwrap_or_default(),
            generation: generation.unwrap_or_default(),
            content: None,
        })
    }

    /// How often rows went or were changed, by the input table's name; of one where none ever were, nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn input_generations(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let found: Vec<(String, i64)> = sqlx::query_as("SELECT table_name, generation FROM control.input_generations")
            .fetch_all(self.owner())
            .await
            .map_err(StoreError::on("look whether inputs have changed"))?;
        Ok(found.into_iter().collect())
    }

    /// The sum over the values of an input's rows up to `position`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn input_content(&self, dataset: &Dataset, position: i64) -> Result<String, StoreError> {
        // OFFSET keeps the line from being made once for each sum
        let mut sql = Sql::lit(
            "SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(l.line, 0)::numeric), 0)::text || ':' || \
             coalesce(sum(hashtextextended(l.line, 1)::numeric), 0)::text FROM (SELECT ROW(",
        );
        for (i, field) in dataset.fields.iter().enumerate() {
            sql.push(if i > 0 { ", t." } else { "t." }).ident(&field.column);
        }
        sql.push(")::text AS line FROM ").qualified("input", &dataset.table).push(" AS t WHERE _position <= ");
        sql.integer(position).push(" OFFSET 0) AS l");
        sqlx::query_scalar(AssertSqlSafe(sql.into_string()))
            .fetch_one(self.owner())
            .await
            .map_err(StoreError::on("sum up an input"))
    }
}
