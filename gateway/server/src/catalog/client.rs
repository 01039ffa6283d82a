//! The client: turns questions about a product into typed operations on its standard ports, as the caller.

use super::description::{InputPortInfo, ProductInfo};
use super::runs::{Run, RunRecord};
use crate::subgraph::SubgraphSource;
use bytes::Bytes;
use cynic::{GraphQlResponse, MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};
use http::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tower::ServiceExt as _;

#[cynic::schema("product")]
pub mod schema {}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct DescribeProduct {
    product: ProductInfo,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct ReadInputPorts {
    input_ports: Vec<InputPortInfo>,
}

#[derive(Debug, QueryVariables)]
struct RunsVariables {
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "RunsVariables")]
struct NewestRuns {
    #[arguments(first: $first)]
    runs: Vec<RunRecord>,
}

#[derive(Debug, QueryVariables)]
struct OneRunVariables {
    id: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "OneRunVariables")]
struct OneRun {
    #[arguments(id: $id)]
    run: Option<RunRecord>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "OneRunVariables")]
struct CancelRun {
    #[arguments(id: $id)]
    cancel_run: RunRecord,
}

#[derive(Debug, QueryVariables)]
struct RunVariables {
    pull: bool,
    wait: bool,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "RunVariables")]
struct RunPipeline {
    #[arguments(pull: $pull, wait: $wait)]
    run_pipeline: RunRecord,
}

/// What a product refused, or why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// The product's own code, or `PRODUCT_UNAVAILABLE`.
    pub code: String,
    /// For the caller.
    pub message: String,
}

/// How long an answer to a question is waited for.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(10);
/// A run may take long; its client waits as long as a subgraph's answer is waited for at most.
pub(super) const RUN_LIMIT: Duration = Duration::from_secs(600);

/// What a product says of itself.
///
/// # Errors
/// [`ClientError`].
pub async fn describe(source: &SubgraphSource, caller: Option<&HeaderValue>) -> Result<ProductInfo, ClientError> {
    let data: DescribeProduct = ask(source, caller, &DescribeProduct::build(()), READ_LIMIT).await?;
    Ok(data.product)
}

/// A product's input ports, without what else it says of itself.
///
/// # Errors
/// [`ClientError`].
pub async fn input_ports(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
) -> Result<Vec<InputPortInfo>, ClientError> {
    let data: ReadInputPorts = ask(source, caller, &ReadInputPorts::build(()), READ_LIMIT).await?;
    Ok(data.input_ports)
}

/// A product's newest runs.
///
/// # Errors
/// [`ClientError`].
pub async fn runs(source: &SubgraphSource, caller: Option<&HeaderValue>, first: i32) -> Result<Vec<Run>, ClientError> {
    let data: NewestRuns = ask(source, caller, &NewestRuns::build(RunsVariables { first }), READ_LIMIT).await?;
    Ok(data.runs.into_iter().map(|run| Run::of(&source.name, run)).collect())
}

/// One run of a product.
///
/// # Errors
/// [`ClientError`].
pub async fn run(source: &SubgraphSource, caller: Option<&HeaderValue>, id: &str) -> Result<Option<Run>, ClientError> {
    let data: OneRun = ask(source, caller, &OneRun::build(OneRunVariables { id: id.to_owned() }), READ_LIMIT).await?;
    Ok(data.run.map(|run| Run::of(&source.name, run)))
}

/// Cancel a run of a product.
///
/// # Errors
/// [`ClientError`].
pub async fn cancel_run(source: &SubgraphSource, caller: Option<&HeaderValue>, id: &str) -> Result<Run, ClientError> {
    let operation = CancelRun::build(OneRunVariables { id: id.to_owned() });
    let data: CancelRun = ask(source, caller, &operation, READ_LIMIT).await?;
    Ok(Run::of(&source.name, data.cancel_run))
}

/// Run a product's pipeline.
///
/// # Errors
/// [`ClientError`].
pub async fn run_pipeline(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
    pull: bool,
    wait: bool,
) -> Result<Run, ClientError> {
    let data: RunPipeline = ask(source, caller, &RunPipeline::build(RunVariables { pull, wait }), RUN_LIMIT).await?;
    Ok(Run::of(&source.name, data.run_pipeline))
}

/// Ask a product something as `caller`, and read the answer by its type.
///
/// # Errors
/// [`ClientError`].
pub(super) async fn ask<T: DeserializeOwned>(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
    operation: &impl Serialize,
    limit: Duration,
) -> Result<T, ClientError> {
    let unavailable = |message: String| ClientError { code: "PRODUCT_UNAVAILABLE".to_owned(), message };
    let body = serde_json::to_vec(operation).map_err(|e| unavailable(e.to_string()))?;
    let request = source.request(Bytes::from(body), caller).map_err(unavailable)?;
    let answered = tokio::time::timeout(limit, source.transport.clone().oneshot(request)).await;
    let response = answered
        .map_err(|_| unavailable(format!("product `{}` did not answer in time", source.name)))?
        .map_err(|e| unavailable(e.public_message(&source.name)))?;
    let answer: GraphQlResponse<T, ErrorExtensions> = serde_json::from_slice(response.body()).map_err(|_| {
        unavailable(format!("product `{}` answered something else than its standard ports", source.name))
    })?;
    if let Some(error) = answer.errors.and_then(|errors| errors.into_iter().next()) {
        let code = error.extensions.and_then(|e| e.code).unwrap_or_else(|| "PRODUCT_ERROR".to_owned());
        return Err(ClientError { code, message: error.message });
    }
    answer.data.ok_or_else(|| unavailable(format!("product `{}` answered without data", source.name)))
}

#[derive(Debug, serde::Deserialize)]
struct ErrorExtensions {
    #[serde(default)]
    code: Option<String>,
}
