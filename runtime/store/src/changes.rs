//! Changes: turns what a few new input rows change into changed rows of the published tables, in place and in one
//! transaction with the outbox and the version's record.
//!
//! No second set of tables is built and none is kept: for streams, of which each batch is small and there are many. What
//! computes the new rows acts as the pipeline's role, what writes them as the owner.

use crate::kept::note_current;
use crate::made_from::Lineage;
use crate::outbox::write_rows;
use crate::run_lock::RunLock;
use crate::{DatasetVersion, InputStates, Role, Stamps, Store, StoreError, Version};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use std::collections::BTreeMap;
use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// The right to change what is published, until committed or dropped; no run and no other change is under way meanwhile.
#[derive(Debug)]
pub struct Changes {
    /// The transaction ends with it, too.
    lock: RunLock,
    owner: String,
    pipeline: String,
    begun: bool,
}

/// What a version in place is recorded as.
#[derive(Debug)]
pub struct Move<'a> {
    /// The version that was changed.
    pub from: &'a Version,
    /// Rows that each output dataset has gained, or lost.
    pub growth: &'a BTreeMap<String, i64>,
    /// Whether any output row changed; if none did, there is no new version.
    pub changed: bool,
    /// Which input rows are in it.
    pub inputs: &'a InputStates,
    /// What each model was made from.
    pub models: &'a Stamps,
    /// Batches, versions of other products and texts of models, for people.
    pub lineage: &'a Lineage,
}

const WHAT: &str = "change what is published";

impl Store {
    /// Take the run lock for changes in place. Nothing is read yet.
    ///
    /// # Errors
    /// [`StoreError::RunInProgress`] when a run or another change has it; [`StoreError::Database`].
    pub async fn lock_for_changes(&self) -> Result<Changes, StoreError> {
        let mut lock = RunLock::connect(self.owner()).await?;
        if !lock.try_take().await? {
            return Err(StoreError::RunInProgress(self.product().to_owned()));
        }
        let (owner, pipeline) = (Role::Owner.name_for(self.product()), Role::Pipeline.name_for(self.product()));
        Ok(Changes { lock, owner, pipeline, begun: false })
    }
}

impl Changes {
    /// Begin: from here on, everything is read as it is now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        self.run(Sql::lit("BEGIN ISOLATION LEVEL REPEATABLE READ")).await.map_err(StoreError::on(WHAT))?;
        self.begun = true;
        Ok(())
    }

    /// Run a statement as the owner.
    ///
    /// # Errors
    /// The driver's, so that what is wrong with the data can be told from what is wrong with the database.
    pub async fn run(&mut self, sql: Sql) -> Result<(), sqlx::Error> {
        self.lock.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await.map(|_| ())
    }

    /// Run a model's statement, as the role that can do nothing else.
    ///
    /// # Errors
    /// As [`Changes::run`].
    pub async fn compute(&mut self, sql: Sql) -> Result<(), sqlx::Error> {
        let mut role = Sql::lit("SET LOCAL ROLE ");
        role.ident(&self.pipeline);
        self.run(role).await?;
        // one statement, by the protocol that takes no more than one
        self.lock.execute(sqlx::query(AssertSqlSafe(sql.into_string()))).await?;
        let mut role = Sql::lit("SET LOCAL ROLE ");
        role.ident(&self.owner);
        self.run(role).await
    }

    /// The pipeline may read `table` of this connection, or also fill it.
    ///
    /// # Errors
    /// As [`Changes::run`].
    pub async fn let_compute(&mut self, table: &str, fill: bool) -> Result<(), sqlx::Error> {
        let mut sql = Sql::lit(if fill { "GRANT SELECT, INSERT ON " } else { "GRANT SELECT ON " });
        sql.qualified("pg_temp", table).push(" TO ").ident(&self.pipeline);
        self.run(sql).await
    }

    /// A statement that gives one number.
    ///
    /// # Errors
    /// As [`Changes::run`].
    pub async fn number(&mut self, sql: Sql) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(AssertSqlSafe(sql.into_string())).fetch_one(&mut *self.lock).await
    }

    /// The connection, for statements with binds.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.lock
    }

    /// Write into the outbox that rows went from `dataset` (in `gone`) and came (in `come`): one that did both is an update.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write_outbox(
        &mut self,
        dataset: &Dataset,
        gone: &str,
        come: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        let gone = Some((("pg_temp", gone), Sql::lit("true")));
        write_rows(&mut self.lock, dataset, version, gone, ("pg_temp", come)).await
    }

    /// Record the changed version, make it the one that readers see, and let go of the lock. A version in place takes the
    /// place of the one that it was made from, of which nothing is kept; the last one that a run made stays on record.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing has changed then.
    pub async fn commit(mut self, version: i64, change: &Move<'_>) -> Result<Version, StoreError> {
        let from = change.from;
        let inputs = sqlx::types::Json(change.inputs);
        let models = sqlx::types::Json(change.models);
        let recorded: Version = if change.changed {
            let datasets: Vec<DatasetVersion> = from
                .datasets
                .iter()
                .map(|d| DatasetVersion { rows: d.rows + change.growth.get(&d.dataset).unwrap_or(&0), ..d.clone() })
                .collect();
            let replaced = match from.kind.as_str() {
                "stream" => "DELETE FROM control.versions WHERE version = $1",
                _ => {
                    "UPDATE control.versions SET state = 'dropped', ended_at = clock_timestamp(), dropped_at = \
                     clock_timestamp() WHERE version = $1"
                }
            };
            let connection = &mut *self.lock;
            sqlx::query(replaced).bind(from.version).execute(&mut *connection).await.map_err(StoreError::on(WHAT))?;
            let recorded = sqlx::query_as(
                "INSERT INTO control.versions (version, kind, run_id, content, state, datasets, inputs, models, \
                 product_version, contracts, columns, lineage) VALUES ($1, 'stream', $2, $3, 'current', $4, $5, $6, $7, \
                 $8, $9, $10) RETURNING *",
            )
            .bind(version)
            .bind(from.run_id)
            .bind(&from.content)
            .bind(sqlx::types::Json(datasets))
            .bind(inputs)
            .bind(models)
            .bind(&from.product_version)
            .bind(sqlx::types::Json(&from.contracts))
            .bind(sqlx::types::Json(&from.columns))
            .bind(sqlx::types::Json(change.lineage))
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::on(WHAT))?;
            note_current(connection, version).await?;
            recorded
        } else {
            sqlx::query_as(
                "UPDATE control.versions SET inputs = $2, models = $3, lineage = $4 WHERE version = $1 RETURNING *",
            )
            .bind(from.version)
            .bind(inputs)
            .bind(models)
            .bind(sqlx::types::Json(change.lineage))
            .fetch_one(&mut *self.lock)
            .await
            .map_err(StoreError::on(WHAT))?
        };
        self.run(Sql::lit("COMMIT")).await.map_err(StoreError::on(WHAT))?;
        self.lock.release().await;
        Ok(recorded)
    }

    /// Let go of the lock; nothing has changed.
    pub async fn abandon(mut self) {
        if !self.begun || self.run(Sql::lit("ROLLBACK")).await.is_ok() {
            self.lock.release().await;
        }
    }
}
