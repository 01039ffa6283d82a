//! Contracts: turns the contracts that were in force and new ones into a decision: applied, or refused with what to do.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use std::collections::BTreeMap;
use terrane_manifest::{Product, check_versions, reread};

/// Files by path, as they are stored.
type Sources = Json<BTreeMap<String, String>>;

/// Contracts of the product that were in force at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedContracts {
    /// Version of the product.
    pub version: String,
    /// The descriptor and the contracts by path.
    pub sources: BTreeMap<String, String>,
    /// From when on they were in force.
    pub applied_at: DateTime<Utc>,
}

impl Store {
    /// The contracts that were in force, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn applied_contracts(&self, limit: i64) -> Result<Vec<AppliedContracts>, StoreError> {
        let rows: Vec<(String, Sources, DateTime<Utc>)> =
            sqlx::query_as("SELECT version, sources, applied_at FROM metadata.applied ORDER BY position DESC LIMIT $1")
                .bind(limit)
                .fetch_all(self.control())
                .await
                .map_err(StoreError::on("read the history of contracts"))?;
        let applied = |(version, Json(sources), applied_at)| AppliedContracts { version, sources, applied_at };
        Ok(rows.into_iter().map(applied).collect())
    }
}

/// Compare a product's contracts with those in force; whether they are others, for [`put_in_force`]. Contracts that were in
/// force before may come back: that is how a deployment is undone.
///
/// # Errors
/// [`StoreError::Contract`] where the versions do not say what has changed.
pub(crate) async fn compare(store: &Store, product: &Product) -> Result<bool, StoreError> {
    let newest: Option<(Json<BTreeMap<String, String>>, bool)> = sqlx::query_as(
        "SELECT sources, EXISTS (SELECT FROM metadata.applied WHERE sources = $1) FROM metadata.applied ORDER BY \
         position DESC LIMIT 1",
    )
    .bind(Json(&product.sources))
    .fetch_optional(store.owner())
    .await
    .map_err(StoreError::on("compare contracts"))?;
    let Some((Json(sources), known)) = newest else { return Ok(true) };
    if sources == product.sources {
        return Ok(false);
    }
    let findings = reread(&sources).map(|old| check_versions(&old, product)).unwrap_or_default();
    if findings.is_empty() || known { Ok(true) } else { Err(StoreError::Contract(findings)) }
}

/// Note that a product's contracts are in force from now on: its layers are as they say. Their place among all that were;
/// replicas that start together give them one.
pub(crate) async fn put_in_force(store: &Store, product: &Product) -> Result<i64, StoreError> {
    let what = "put contracts in force";
    let mut transaction = store.owner().begin().await.map_err(StoreError::on(what))?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('terrane contracts', 0))")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
    sqlx::query(
        "INSERT INTO metadata.applied (version, sources) SELECT $1, $2 WHERE $2 IS DISTINCT FROM (SELECT sources FROM \
         metadata.applied ORDER BY position DESC LIMIT 1)",
    )
    .bind(&product.version)
    .bind(Json(&product.sources))
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::on(what))?;
    let position = sqlx::query_scalar("SELECT max(position) FROM metadata.applied")
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
    transaction.commit().await.map_err(StoreError::on(what))?;
    Ok(position)
}

/// The place of the contracts that are in force.
pub(crate) async fn in_force(store: &Store) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM metadata.applied")
        .fetch_one(store.owner())
        .await
        .map_err(StoreError::on("look up which contracts are in force"))
}
