//! Positions: turns the tables of the input layer into how far their rows have come, so that what is new can be told.

use crate::open::{LAST_POSITION, OpenBatch, WRITING};
use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// How long those who write and are not on record as batches are waited for.
const WRITERS_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at them, at first and at most.
const LOOK: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];
const WHAT: &str = "look how far an input has come";

/// How far an input table has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputState {
    /// The last `_position` that was given out; every row up to it is committed, except those of `open`, and later rows have
    /// higher positions.
    pub position: i64,
    /// How often rows went or were changed.
    pub generation: i64,
    /// Batches of which no row counts yet, whatever its position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenBatch>,
    /// A sum over the rows' values, where it was taken: equal rows in any order have equal sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// States of input tables by the table's name.
pub type InputStates = BTreeMap<String, InputState>;

impl InputState {
    /// Whether no rows came between this and `other`, of the same generation.
    pub fn has_rows_of(&self, other: &Self) -> bool {
        self.position == other.position && self.open == other.open
    }

    /// Those of `batches` that were open then and are not open now.
    pub fn closed_since(&self, before: &Self) -> Vec<OpenBatch> {
        before.open.iter().filter(|open| !self.is_open(open)).cloned().collect()
    }

    fn is_open(&self, wanted: &OpenBatch) -> bool {
        self.open.iter().any(|open| open.batch == wanted.batch)
    }

    /// The condition that a row of the input table `t` counts: ` AND …`, or nothing where no batch is open.
    pub fn without_open(&self) -> Sql {
        let mut sql = Sql::new();
        if !self.open.is_empty() {
            sql.push(" AND t._batch <> ALL (").append(&ids(&self.open)).push(")");
        }
        sql
    }
}

/// `ARRAY['…', …]::uuid[]`.
pub fn ids(batches: &[OpenBatch]) -> Sql {
    let mut sql = Sql::lit("ARRAY[");
    for (i, open) in batches.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).string_literal(&open.batch.to_string());
    }
    sql.push("]::uuid[]");
    sql
}

impl Store {
    /// How far the table of `dataset` has come. Nobody is kept from writing to it. Batches that are being written are
    /// noted as open; whoever else writes is waited for a moment: a position that was taken and not committed yet would be
    /// passed by.
    ///
    /// # Errors
    /// [`StoreError::InputBusy`] where such a writer takes longer than ten seconds; [`StoreError::Database`].
    pub async fn input_state(&self, dataset: &Dataset) -> Result<InputState, StoreError> {
        let position = self.last_position(dataset).await?;
        self.wait_for_writers(dataset).await?;
        // one statement, of one moment: who sees a batch as open sees none of its rows. One that was committed since the
        // position was read may have rows on both sides of it: it counts as a whole, the next time
        let (generation, open): (Option<i64>, sqlx::types::Json<Vec<OpenBatch>>) = sqlx::query_as(
            "SELECT (SELECT generation FROM control.input_generations WHERE table_name = $1), (SELECT coalesce(jsonb_agg(\
             jsonb_build_object('batch', o.batch, 'after', o.position) ORDER BY o.batch), '[]') FROM (SELECT batch, \
             position FROM control.open_batches WHERE table_name = $1 UNION ALL SELECT id, after_position FROM \
             control.batches WHERE dataset = $2 AND up_to_position > $3) AS o)",
        )
        .bind(&dataset.table)
        .bind(&dataset.name)
        .bind(position)
        .fetch_one(self.owner())
        .await
        .map_err(StoreError::on(WHAT))?;
        let open = self.still_written(open.0).await?;
        Ok(InputState { position, generation: generation.unwrap_or_default(), open, content: None })
    }

    /// The last position that was given out, at a moment at which nobody stores events of the dataset: those of one
    /// transaction are all up to it, or none.
    async fn last_position(&self, dataset: &Dataset) -> Result<i64, StoreError> {
        let mut transaction = self.owner().begin().await.map_err(StoreError::on(WHAT))?;
        sqlx::query("SELECT set_config('lock_timeout', $1, true)")
            .bind(format!("{}ms", WRITERS_PATIENCE.as_millis()))
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::on(WHAT))?;
        let locked = sqlx::query("SELECT FROM control.event_counts WHERE dataset = $1 FOR SHARE")
            .bind(&dataset.name)
            .execute(&mut *transaction)
            .await;
        if let Err(error) = locked {
            let busy = error.as_database_error().is_some_and(|e| e.code().is_some_and(|code| code == "55P03"));
            return Err(match busy {
                true => StoreError::InputBusy(dataset.name.clone()),
                false => StoreError::database(WHAT, error),
            });
        }
        let position = sqlx::query_scalar(LAST_POSITION).bind(&dataset.table).fetch_one(&mut *transaction).await;
        transaction.rollback().await.map_err(StoreError::on(WHAT))?;
        position.map_err(StoreError::on(WHAT))
    }

    /// Wait until the transactions have ended that write to the table now and are not on record as batches.
    async fn wait_for_writers(&self, dataset: &Dataset) -> Result<(), StoreError> {
        let (started, mut pause) = (Instant::now(), LOOK[0]);
        let mut waited_for = self.writers(dataset).await?;
        while !waited_for.is_empty() {
            if started.elapsed() > WRITERS_PATIENCE {
                return Err(StoreError::InputBusy(dataset.name.clone()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK[1]);
            let writers = self.writers(dataset).await?;
            waited_for.retain(|writer| writers.contains(writer));
        }
        Ok(())
    }

    /// Transactions that write to the table, without those that write batches on record.
    async fn writers(&self, dataset: &Dataset) -> Result<BTreeSet<String>, StoreError> {
        let found: Vec<String> = sqlx::query_scalar(
            "WITH held AS MATERIALIZED (SELECT * FROM pg_locks WHERE granted AND database = (SELECT oid FROM pg_database \
             WHERE datname = current_database())) SELECT DISTINCT w.virtualtransaction FROM held AS w WHERE w.locktype = \
             'relation' AND w.relation = format('input.%I', $1::text)::regclass AND w.mode IN ('RowExclusiveLock', \
             'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND NOT EXISTS (SELECT FROM held AS b WHERE \
             b.virtualtransaction = w.virtualtransaction AND b.locktype = 'advisory' AND b.objsubid = 2 AND b.classid = \
             $2::bigint::oid)",
        )
        .bind(&dataset.table)
        .bind(i64::from(WRITING))
        .fetch_all(self.owner())
        .await
        .map_err(StoreError::on(WHAT))?;
        Ok(found.into_iter().collect())
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

    /// The sum over the values of the rows of an input that are in `state`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn input_content(&self, dataset: &Dataset, state: &InputState) -> Result<String, StoreError> {
        // OFFSET keeps the line from being made once for each sum
        let mut sql = Sql::lit(
            "SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(l.line, 0)::numeric), 0)::text || ':' || \
             coalesce(sum(hashtextextended(l.line, 1)::numeric), 0)::text FROM (SELECT ROW(",
        );
        for (i, field) in dataset.fields.iter().enumerate() {
            sql.push(if i > 0 { ", t." } else { "t." }).ident(&field.column);
        }
        sql.push(")::text AS line FROM ").qualified("input", &dataset.table).push(" AS t WHERE _position <= ");
        sql.integer(state.position).append(&state.without_open()).push(" OFFSET 0) AS l");
        sqlx::query_scalar(AssertSqlSafe(sql.into_string()))
            .fetch_one(self.owner())
            .await
            .map_err(StoreError::on("sum up an input"))
    }
}
