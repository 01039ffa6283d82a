//! Versions: what a product says of all that it published, and the way back to what it kept.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use super::super::description::DatasetSize;
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use super::CHANGE_LIMIT;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};
use serde_json::Value;

/// A version of a product, with what it was made from.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "Version", schema = "product")]
pub struct PublishedVersion {
    /// Number, from 1.
    pub version: i32,
    /// `batch` is made by a run, beside what was published; `stream` in place, by rows that came in since.
    pub kind: String,
    /// The run that made it.
    pub run_id: String,
    /// When readers first saw it.
    pub published_at: Timestamp,
    /// `current`, `kept` or `dropped`.
    pub state: String,
    /// Sizes of its datasets.
    pub datasets: Vec<DatasetSize>,
    /// When it stopped being the one that readers see.
    pub ended_at: Option<Timestamp>,
    /// When its rows were dropped.
    pub dropped_at: Option<Timestamp>,
    /// Version of the product that it was published by.
    pub product_version: Option<String>,
    /// Versions of the product's contracts.
    pub contracts: Vec<ContractVersion>,
    /// What it was made from: `inputs` with their batches, `upstreams` with their versions, `models` with the hashes of
    /// their texts.
    pub made_from: Value,
}

/// The version of a contract.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct ContractVersion {
    /// Id of the contract.
    pub contract: String,
    /// Its semantic version.
    pub version: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Versions {
    versions: Vec<PublishedVersion>,
}

#[derive(Debug, QueryVariables)]
struct RollbackVariables {
    version: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "RollbackVariables")]
struct Rollback {
    #[arguments(version: $version)]
    rollback: PublishedVersion,
}

impl Asked<'_> {
    /// All versions, the newest first.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn versions(self) -> Result<Vec<PublishedVersion>, ClientError> {
        let data: Versions = ask(self.source, self.caller, &Versions::build(()), READ_LIMIT).await?;
        Ok(data.versions)
    }

    /// Make a kept version the one that readers see.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rollback(self, version: i32) -> Result<PublishedVersion, ClientError> {
        let operation = Rollback::build(RollbackVariables { version });
        let data: Rollback = ask(self.source, self.caller, &operation, CHANGE_LIMIT).await?;
        Ok(data.rollback)
    }
}

/// The query for versions.
#[derive(Debug, Default)]
pub struct VersionsQuery;

#[Object]
impl VersionsQuery {
    /// What a product published, the newest first; for who may see its runs.
    async fn versions(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<PublishedVersion>> {
        asked(ctx, &product)?.versions().await.map_err(refused)
    }
}

/// The mutation of versions.
#[derive(Debug, Default)]
pub struct VersionsMutation;

#[Object]
impl VersionsMutation {
    /// Make a kept version of a product the one that readers see; the product decides whether you may.
    async fn rollback(&self, ctx: &Context<'_>, product: ID, version: i32) -> Result<PublishedVersion> {
        asked(ctx, &product)?.rollback(version).await.map_err(refused)
    }
}
