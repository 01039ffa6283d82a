//! What is said: what a product says of a search, of the history of its contracts and of its quality through its standard ports.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::client::{ClientError, READ_LIMIT, ask, schema};
use super::timestamp::Timestamp;
use crate::subgraph::SubgraphSource;
use async_graphql::SimpleObject;
use cynic::{QueryBuilder as _, QueryFragment, QueryVariables};
use http::HeaderValue;

/// A text about a product that has words which were searched for.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct MetadataMatch {
    /// `product`, `dataset` or `field`.
    pub kind: String,
    /// The dataset; null where it is about the product.
    pub dataset: Option<String>,
    /// The field by its name in GraphQL, where it is about one.
    pub field: Option<String>,
    /// `name`, `synonym`, `tag`, `domain`, `owner` or `description`.
    pub place: String,
    /// The text.
    pub text: String,
    /// Words of the search that are in it, or stand for some that are; without accents and capitals.
    pub words: Vec<String>,
    /// How well it fits; only to be compared with others.
    pub score: f64,
    /// Whether a word was taken for another one that was mistyped.
    pub approximate: bool,
}

/// What changed when other contracts came into force.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct ContractRevision {
    /// Version of the product.
    pub version: String,
    /// From when on.
    pub applied_at: Timestamp,
    /// Whether it broke what consumers or senders relied on.
    pub breaking: bool,
    /// What changed; empty for the first contracts.
    pub changes: Vec<RevisedContract>,
}

/// One change of a contract.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct RevisedContract {
    /// Id of the contract.
    pub contract: String,
    /// `input` or `output`.
    pub layer: String,
    /// The dataset; null where the whole contract came or went.
    pub dataset: Option<String>,
    /// The field, for changes of one.
    pub field: Option<String>,
    /// Stable code.
    pub code: String,
    /// `breaking`, `addition` or `note`.
    pub severity: String,
    /// What changed.
    pub message: String,
}

/// What the checks of one run found, in numbers.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct QualityPoint {
    /// When.
    pub at: Timestamp,
    /// The version that the run published; null where it published none.
    pub version: Option<i32>,
    /// Checks that passed.
    pub passed: i32,
    /// Checks that failed and only warn or inform.
    pub warned: i32,
    /// Checks that failed and keep a version from being published.
    pub failed: i32,
}

#[derive(Debug, QueryVariables)]
struct SearchVariables {
    text: String,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "SearchVariables")]
struct Search {
    #[arguments(text: $text, first: $first)]
    search_metadata: Vec<MetadataMatch>,
}

#[derive(Debug, QueryVariables)]
struct FirstVariables {
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "FirstVariables")]
struct Revisions {
    #[arguments(first: $first)]
    contract_revisions: Vec<ContractRevision>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "FirstVariables")]
struct Trend {
    #[arguments(first: $first)]
    quality_trend: Vec<QualityPoint>,
}

/// The texts about a product that have the words of `text`.
///
/// # Errors
/// [`ClientError`], as all of these.
pub async fn search(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
    text: &str,
    first: i32,
) -> Result<Vec<MetadataMatch>, ClientError> {
    let variables = SearchVariables { text: text.to_owned(), first };
    let data: Search = ask(source, caller, &Search::build(variables), READ_LIMIT).await?;
    Ok(data.search_metadata)
}

/// When which contracts of a product came into force.
///
/// # Errors
/// [`ClientError`].
pub async fn revisions(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
    first: i32,
) -> Result<Vec<ContractRevision>, ClientError> {
    let data: Revisions = ask(source, caller, &Revisions::build(FirstVariables { first }), READ_LIMIT).await?;
    Ok(data.contract_revisions)
}

/// What the checks of a product's newest runs found.
///
/// # Errors
/// [`ClientError`].
pub async fn trend(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
    first: i32,
) -> Result<Vec<QualityPoint>, ClientError> {
    let data: Trend = ask(source, caller, &Trend::build(FirstVariables { first }), READ_LIMIT).await?;
    Ok(data.quality_trend)
}
