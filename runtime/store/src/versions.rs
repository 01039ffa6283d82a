//! Versions: turns built tables into the published ones, and back, in one transaction each.
//!
//! The tables of the version being built are in `output_next` and `abstraction_next`. Publishing moves them, and keeps
//! what was current in the schema `kept_VERSION`. A reader's statement either got its locks before the swap (and the
//! swap waits for it) or resolves the names after it: it sees one version, never a mix.

use crate::kept::{drop_old, note_current};
use crate::lease::name_of;
use crate::made_from::Lineage;
use crate::outbox::write_changes;
use crate::{InputStates, Role, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Executor as _, FromRow, Postgres, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use terrane_manifest::{Dataset, Layer, Product};
use terrane_sql::Sql;
use uuid::Uuid;

/// How long a swap waits for readers before it lets them go first and tries again.
const SWAP_PATIENCE: Duration = Duration::from_millis(300);
/// For how long it does so.
const SWAP_LIMIT: Duration = Duration::from_secs(30);

/// A published version.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Version {
    /// Number, from 1.
    pub version: i64,
    /// `batch`: by a run, beside what was published; `stream`: in place, by rows that came in since.
    pub kind: String,
    /// The run that made it.
    pub run_id: Uuid,
    /// Hash of the product folder it was made from.
    pub content: String,
    /// When readers first saw it.
    pub published_at: DateTime<Utc>,
    /// `current`, `kept` or `dropped`.
    pub state: String,
    /// When it stopped being current, the last time.
    pub ended_at: Option<DateTime<Utc>>,
    /// When its rows were dropped.
    pub dropped_at: Option<DateTime<Utc>>,
    /// Version of the product, by its descriptor; none where it was published before this was recorded.
    pub product_version: Option<String>,
    /// Versions of its contracts, by their ids.
    #[sqlx(json)]
    pub contracts: BTreeMap<String, String>,
    /// Physical types of its columns, by table and column, as the contract had them.
    #[sqlx(json)]
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
    /// What it was made from.
    #[sqlx(json)]
    pub lineage: Lineage,
    /// Its datasets and their sizes.
    #[sqlx(json)]
    pub datasets: Vec<DatasetVersion>,
    /// Which input rows are in it, by table.
    #[sqlx(json)]
    pub inputs: InputStates,
    /// What each model was made from.
    #[sqlx(json)]
    pub models: Stamps,
}

/// For each model, as `LAYER.TABLE`, a word that is the same as long as it would be made from the same.
pub type Stamps = BTreeMap<String, String>;

/// What a run has built, and from what.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// Whose.
    pub product: &'a Product,
    /// What was built of the abstraction layer; the rest of it stays.
    pub abstraction: &'a [String],
    /// By which run.
    pub run: Uuid,
    /// Hash of the product folder.
    pub content: &'a str,
    /// Which input rows are in it.
    pub inputs: &'a InputStates,
    /// What each model was made from.
    pub models: &'a Stamps,
    /// Batches, versions of other products and texts of models, for people.
    pub lineage: &'a Lineage,
}

/// A dataset of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// ODCS name.
    pub dataset: String,
    /// Table.
    pub table: String,
    /// Rows.
    pub rows: i64,
}

impl Store {
    /// All versions, newest first.
    pub async fn versions(&self) -> Result<Vec<Version>, StoreError> {
        sqlx::query_as("SELECT * FROM control.versions ORDER BY version DESC")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read versions"))
    }

    /// The record of a version, whether its rows are there or not.
    pub async fn version(&self, version: i64) -> Result<Option<Version>, StoreError> {
        sqlx::query_as("SELECT * FROM control.versions WHERE version = $1")
            .bind(version)
            .fetch_optional(self.control())
            .await
            .map_err(StoreError::on("read a version"))
    }

    /// The version that readers see.
    pub async fn current_version(&self) -> Result<Option<Version>, StoreError> {
        sqlx::query_as("SELECT * FROM control.versions WHERE state = 'current'")
            .fetch_optional(self.control())
            .await
            .map_err(StoreError::on("read the current version"))
    }

    /// The highest number of a version.
    pub async fn newest_version(&self) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar("SELECT max(version) FROM control.versions")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("read versions"))
    }

    /// Publish what is in `output_next` and `abstraction_next` as the next version: the tables, the version's record,
    /// the rows that changed (into the outbox) and the run's version number, all in one transaction.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where the run is no longer this process's or was cancelled; [`StoreError::Database`].
    /// Nothing is published then.
    pub async fn publish(&self, wanted: &Publish<'_>) -> Result<Version, StoreError> {
        self.swap(&Change::Publish(wanted)).await
    }

    /// Make a kept version the current one again; what is current is kept.
    ///
    /// # Errors
    /// [`StoreError::NoSuchVersion`] when it is not kept.
    pub async fn rollback(&self, product: &Product, version: i64) -> Result<Version, StoreError> {
        self.swap(&Change::Rollback { product, version }).await
    }

    /// Run a transaction that needs the published tables for itself. Its lock requests give up after a moment, so that
    /// a reader that waits for us while we wait for it can finish; then the whole transaction is tried again.
    async fn swap(&self, change: &Change<'_>) -> Result<Version, StoreError> {
        let what = "swap versions";
        let started = Instant::now();
        loop {
            let mut transaction = self.owner().begin().await.map_err(StoreError::on(what))?;
            sqlx::query("SELECT set_config('lock_timeout', $1, true)")
                .bind(format!("{}ms", SWAP_PATIENCE.as_millis()))
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::on(what))?;
            match change.apply(self, &mut transaction).await {
                Ok(value) => {
                    transaction.commit().await.map_err(StoreError::on(what))?;
                    return Ok(value);
                }
                Err(error) if started.elapsed() < SWAP_LIMIT && is_lock_conflict(&error) => {
                    transaction.rollback().await.map_err(StoreError::on(what))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a swap does with the published tables.
enum Change<'a> {
    Publish(&'a Publish<'a>),
    Rollback { product: &'a Product, version: i64 },
}

impl Change<'_> {
    async fn apply(&self, store: &Store, transaction: &mut Transaction<'_, Postgres>) -> Result<Version, StoreError> {
        match self {
            Self::Publish(wanted) => publish(store, transaction, wanted).await,
            Self::Rollback { product, version } => roll_back(store, transaction, product, *version).await,
        }
    }
}

async fn publish(
    store: &Store,
    transaction: &mut Transaction<'_, Postgres>,
    wanted: &Publish<'_>,
) -> Result<Version, StoreError> {
    let what = "publish a version";
    let outputs: Vec<&Dataset> = wanted.product.outputs().collect();
    // whoever takes this process for dead can find and end the transaction
    sqlx::query("SELECT set_config('application_name', $1, true)")
        .bind(name_of(wanted.run))
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    take_turn(transaction).await?;
    // whoever closes this run's record waits for us from here on, or was first and nothing is published
    let held: Option<bool> = sqlx::query_scalar(
        "SELECT cancel_requested_at IS NULL FROM control.runs WHERE id = $1 AND state = 'running' FOR NO KEY UPDATE",
    )
    .bind(wanted.run)
    .fetch_optional(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    if held != Some(true) {
        return Err(StoreError::LeaseLost);
    }
    let previous = current_number(transaction).await?;
    let number = sqlx::query_scalar::<_, i64>("SELECT coalesce(max(version), 0) + 1 FROM control.versions")
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    let mut datasets = Vec::with_capacity(outputs.len());
    // what takes long is done before readers are kept out: nobody else changes what is published while a run is under way
    for dataset in &outputs {
        let existed = exists(transaction, "output", &dataset.table).await?;
        let built = ("output_next", dataset.table.as_str());
        write_changes(transaction, dataset, number, existed, built).await?;
        datasets.push(measure(transaction, dataset).await?);
    }
    lock_patiently(transaction, &outputs).await?;
    if let Some(previous) = previous {
        batch(transaction, make_kept(store, previous)).await?;
    }
    for dataset in &outputs {
        let existed = exists(transaction, "output", &dataset.table).await?;
        let mut sql = Sql::new();
        if let (true, Some(previous)) = (existed, previous) {
            keep(&mut sql, &dataset.table, previous);
        } else if existed {
            sql.push("DROP TABLE ").qualified("output", &dataset.table).push(";\n");
        }
        publish_table(&mut sql, "output", &dataset.table);
        let (query, pipeline) = (Role::Query.name_for(store.product()), Role::Pipeline.name_for(store.product()));
        sql.push("GRANT SELECT ON ").qualified("output", &dataset.table).push(" TO ").ident(&query);
        sql.push(", ").ident(&pipeline).push(";\n");
        batch(transaction, sql).await?;
    }
    drop_replaced(transaction, wanted).await?;
    for table in wanted.abstraction {
        let mut sql = Sql::new();
        publish_table(&mut sql, "abstraction", table);
        let pipeline = Role::Pipeline.name_for(store.product());
        sql.push("GRANT SELECT ON ").qualified("abstraction", table).push(" TO ").ident(&pipeline).push(";\n");
        batch(transaction, sql).await?;
    }
    record(transaction, number, wanted, &datasets).await
}

/// What was built anew takes the place of what was there, and what no model makes any more goes. Views go first: they hold
/// on to what they read.
async fn drop_replaced(transaction: &mut Transaction<'_, Postgres>, wanted: &Publish<'_>) -> Result<(), StoreError> {
    let there: Vec<(String, bool)> = sqlx::query_as(
        "SELECT relname::text, relkind = 'v' FROM pg_class WHERE relnamespace = 'abstraction'::regnamespace AND \
         relkind IN ('r', 'v') ORDER BY relkind = 'v' DESC, relname",
    )
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on("look up what is published"))?;
    let models = wanted.product.models.iter().filter(|m| m.layer == Layer::Abstraction);
    let stays: BTreeSet<&str> = models.map(|m| m.name.as_str()).collect();
    for (name, is_view) in there {
        if stays.contains(name.as_str()) && !wanted.abstraction.contains(&name) {
            continue;
        }
        let mut sql = Sql::lit(if is_view { "DROP VIEW IF EXISTS " } else { "DROP TABLE " });
        sql.qualified("abstraction", &name).push(if is_view { " CASCADE" } else { "" });
        batch(transaction, sql).await?;
    }
    Ok(())
}

async fn roll_back(
    store: &Store,
    transaction: &mut Transaction<'_, Postgres>,
    product: &Product,
    version: i64,
) -> Result<Version, StoreError> {
    let what = "roll back a version";
    take_turn(transaction).await?;
    let target: Option<Version> =
        sqlx::query_as("SELECT * FROM control.versions WHERE version = $1 AND state = 'kept'")
            .bind(version)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(StoreError::on(what))?;
    let Some(target) = target else { return Err(StoreError::NoSuchVersion(version)) };
    let current = current_number(transaction).await?.ok_or(StoreError::NoSuchVersion(version))?;
    let outputs: Vec<&Dataset> = product.outputs().collect();
    lock_published(transaction, &outputs).await?;
    batch(transaction, make_kept(store, current)).await?;
    let schema = kept_schema(version);
    for dataset in &target.datasets {
        if let Some(described) = outputs.iter().find(|d| d.table == dataset.table) {
            write_changes(transaction, described, version, true, (&schema, &dataset.table)).await?;
        }
        let mut sql = Sql::new();
        keep(&mut sql, &dataset.table, current);
        sql.push("ALTER TABLE ").qualified(&schema, &dataset.table).push(" SET SCHEMA output;\n");
        batch(transaction, sql).await?;
    }
    let mut sql = Sql::lit("DROP SCHEMA ");
    sql.ident(&schema);
    batch(transaction, sql).await?;
    sqlx::query("UPDATE control.versions SET state = 'kept', ended_at = clock_timestamp() WHERE version = $1")
        .bind(current)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    note_current(&mut *transaction, version).await?;
    sqlx::query_as("UPDATE control.versions SET state = 'current', ended_at = NULL WHERE version = $1 RETURNING *")
        .bind(version)
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on(what))
}

/// Wait until no other transaction moves versions: which one is current must not change under this one. The key is that
/// under which the outbox is written.
async fn take_turn(transaction: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
    let taken = sqlx::query("SELECT pg_advisory_xact_lock(8387794213376275828)").execute(&mut **transaction).await;
    taken.map(|_| ()).map_err(StoreError::on("take a turn at moving versions"))
}

/// `lock_not_available` and `deadlock_detected`.
fn is_lock_conflict(error: &StoreError) -> bool {
    let StoreError::Database { source: sqlx::Error::Database(inner), .. } = error else { return false };
    inner.code().is_some_and(|code| code == "55P03" || code == "40P01")
}

/// The schema of a version that is no longer current.
pub fn kept_schema(version: i64) -> String {
    format!("kept_{version}")
}

/// Make it; its tables may be read as those of the current version are.
fn make_kept(store: &Store, version: i64) -> Sql {
    let schema = kept_schema(version);
    let mut sql = Sql::lit("CREATE SCHEMA ");
    sql.ident(&schema).push(";\nGRANT USAGE ON SCHEMA ").ident(&schema).push(" TO ");
    sql.ident(&Role::Query.name_for(store.product()));
    sql
}

async fn batch(transaction: &mut Transaction<'_, Postgres>, sql: Sql) -> Result<(), StoreError> {
    let done = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    done.map(|_| ()).map_err(StoreError::on("move tables between versions"))
}

async fn current_number(transaction: &mut Transaction<'_, Postgres>) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar("SELECT version FROM control.versions WHERE state = 'current'")
        .fetch_optional(&mut **transaction)
        .await
        .map_err(StoreError::on("read the current version"))
}

async fn exists(transaction: &mut Transaction<'_, Postgres>, schema: &str, table: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT to_regclass(format('%I.%I', $1::text, $2::text)) IS NOT NULL")
        .bind(schema)
        .bind(table)
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on("look up a table"))
}

/// Lock the published tables in one order.
async fn lock_published(transaction: &mut Transaction<'_, Postgres>, outputs: &[&Dataset]) -> Result<(), StoreError> {
    let mut tables: Vec<&str> = Vec::new();
    for dataset in outputs {
        if exists(transaction, "output", &dataset.table).await? {
            tables.push(&dataset.table);
        }
    }
    tables.sort_unstable();
    for table in tables {
        let mut sql = Sql::lit("LOCK TABLE ");
        sql.qualified("output", table).push(" IN ACCESS EXCLUSIVE MODE");
        batch(transaction, sql).await?;
    }
    Ok(())
}

/// As [`lock_published`], but readers that are waited for in vain go first, and what this transaction has done stays.
async fn lock_patiently(transaction: &mut Transaction<'_, Postgres>, outputs: &[&Dataset]) -> Result<(), StoreError> {
    let started = Instant::now();
    loop {
        batch(transaction, Sql::lit("SAVEPOINT unlocked")).await?;
        match lock_published(transaction, outputs).await {
            Err(error) if started.elapsed() < SWAP_LIMIT && is_lock_conflict(&error) => {
                batch(transaction, Sql::lit("ROLLBACK TO SAVEPOINT unlocked")).await?;
            }
            done => return done,
        }
    }
}

/// Append: the published table, with its indexes, goes to its version's schema.
fn keep(sql: &mut Sql, table: &str, version: i64) {
    sql.push("ALTER TABLE ").qualified("output", table).push(" SET SCHEMA ").ident(&kept_schema(version)).push(";\n");
}

/// Append: the built table goes from `LAYER_next` to `LAYER`, and belongs to the owner from now on.
fn publish_table(sql: &mut Sql, layer: &'static str, table: &str) {
    let next = if layer == "output" { "output_next" } else { "abstraction_next" };
    sql.push("ALTER TABLE ").qualified(next, table).push(" OWNER TO CURRENT_ROLE;\n");
    sql.push("ALTER TABLE ").qualified(next, table).push(" SET SCHEMA ").ident(layer).push(";\n");
}

/// Count what was built of a dataset.
async fn measure(transaction: &mut Transaction<'_, Postgres>, dataset: &Dataset) -> Result<DatasetVersion, StoreError> {
    let mut sql = Sql::lit("SELECT count(*) FROM ");
    sql.qualified("output_next", &dataset.table);
    let rows = sqlx::query_scalar(AssertSqlSafe(sql.into_string()))
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on("count the rows of a version"))?;
    Ok(DatasetVersion { dataset: dataset.name.clone(), table: dataset.table.clone(), rows })
}

/// The version's record; what was current is kept; versions that are too old are dropped.
async fn record(
    transaction: &mut Transaction<'_, Postgres>,
    number: i64,
    wanted: &Publish<'_>,
    datasets: &[DatasetVersion],
) -> Result<Version, StoreError> {
    let what = "record a version";
    sqlx::query("UPDATE control.versions SET state = 'kept', ended_at = clock_timestamp() WHERE state = 'current'")
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    sqlx::query("UPDATE control.runs SET version = $2 WHERE id = $1")
        .bind(wanted.run)
        .bind(number)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    let version = sqlx::query_as(
        "INSERT INTO control.versions (version, run_id, content, state, datasets, inputs, models, product_version, \
         contracts, columns, lineage) VALUES ($1, $2, $3, 'current', $4, $5, $6, $7, $8, $9, $10) RETURNING *",
    )
    .bind(number)
    .bind(wanted.run)
    .bind(wanted.content)
    .bind(Json(datasets))
    .bind(Json(wanted.inputs))
    .bind(Json(wanted.models))
    .bind(&wanted.product.version)
    .bind(Json(contracts(wanted.product)))
    .bind(Json(columns(wanted.product)))
    .bind(Json(wanted.lineage))
    .fetch_one(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    note_current(&mut *transaction, number).await?;
    drop_old(transaction, wanted.product.retention).await?;
    Ok(version)
}

fn contracts(product: &Product) -> BTreeMap<&str, &str> {
    product.contracts.iter().map(|c| (c.id.as_str(), c.version.as_str())).collect()
}

fn columns(product: &Product) -> BTreeMap<&str, BTreeMap<&str, String>> {
    let outputs = product.outputs();
    outputs
        .map(|d| (d.table.as_str(), d.fields.iter().map(|f| (f.column.as_str(), f.physical.to_string())).collect()))
        .collect()
}
