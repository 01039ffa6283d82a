//! Asking: turns an operation of the catalog into typed answers, with the visitor's own identity.

use crate::gateway::Gateway;
use crate::graph::{Graph, RunError};
use apollo_compiler::executable::OperationType;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;

/// The type that says of a graph that the catalog is part of it.
const CATALOG_TYPE: &str = "DataProduct";

/// Why there is no page of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The token was refused.
    #[error("{0}")]
    Unauthenticated(String),
    /// Nothing composes.
    #[error("there is no graph yet")]
    NoGraph,
    /// The served graph has no catalog.
    #[error("the catalog is not part of the graph that this gateway serves")]
    NoCatalog,
    /// The operation failed; the text is for the log.
    #[error("the catalog did not answer: {0}")]
    Failed(String),
}

/// A visitor and the graph that they see.
pub struct Asking {
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What is asked.
    pub graph: Arc<Graph>,
    forwarded: HeaderMap,
}

/// The body of a response.
#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<AnsweredError>,
}

#[derive(Deserialize)]
struct AnsweredError {
    message: String,
    #[serde(default)]
    extensions: Value,
}

/// What came of an operation.
pub struct Asked<T> {
    /// The data, where there is any.
    pub data: Option<T>,
    /// Code and text of the first error.
    pub error: Option<(String, String)>,
}

/// Who sent these headers.
///
/// # Errors
/// [`PageError::Unauthenticated`].
pub async fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<Arc<Caller>, PageError> {
    gateway.caller(headers).await.map_err(|e| PageError::Unauthenticated(e.to_string()))
}

impl Asking {
    /// Ask the served graph as whoever sent `headers`.
    ///
    /// # Errors
    /// All of [`PageError`] but [`PageError::Failed`].
    pub async fn begin(gateway: &Gateway, headers: &HeaderMap) -> Result<Self, PageError> {
        let caller = authenticate(gateway, headers).await?;
        let graph = gateway.graph().ok_or(PageError::NoGraph)?;
        if !graph.supergraph().api_schema().types.contains_key(CATALOG_TYPE) {
            return Err(PageError::NoCatalog);
        }
        let forwarded = gateway.forwarded(headers, &caller);
        Ok(Self { caller, graph, forwarded })
    }

    /// Run a query.
    ///
    /// # Errors
    /// [`PageError::Failed`] where it did not run.
    pub async fn ask<T: DeserializeOwned>(&self, query: &str, variables: Value) -> Result<Asked<T>, PageError> {
        self.run(query, variables, false).await
    }

    /// Run a mutation, for a form that was checked to come from the own pages.
    ///
    /// # Errors
    /// [`PageError::Failed`] where it did not run.
    pub async fn change<T: DeserializeOwned>(&self, query: &str, variables: Value) -> Result<Asked<T>, PageError> {
        self.run(query, variables, true).await
    }

    /// Whether an operation is a query that the visitor can run as it is.
    pub fn can_run(&self, query: &str) -> bool {
        let request = Request { query: Some(query.to_owned().into()), ..Request::default() };
        self.graph.kind(&request, &self.caller).is_ok_and(|kind| kind == OperationType::Query)
    }

    async fn run<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
        mutations: bool,
    ) -> Result<Asked<T>, PageError> {
        let body = serde_json::json!({ "query": query, "variables": variables }).to_string();
        let request = Request::from_json(body.as_bytes()).map_err(|e| PageError::Failed(e.to_string()))?;
        let answered = self.graph.run(&request, &self.caller, &self.forwarded, mutations).await;
        let response = answered.map_err(|error| PageError::Failed(describe(&error)))?;
        let answer: Answer<T> = serde_json::from_slice(&response.body).map_err(|e| PageError::Failed(e.to_string()))?;
        let error = answer
            .errors
            .into_iter()
            .next()
            .map(|error| (error.extensions["code"].as_str().unwrap_or_default().to_owned(), error.message));
        Ok(Asked { data: answer.data, error })
    }
}

impl<T> Asked<T> {
    /// The data.
    ///
    /// # Errors
    /// [`PageError::Failed`] where there is none.
    pub fn into_data(self) -> Result<T, PageError> {
        let Self { data, error } = self;
        data.ok_or_else(|| PageError::Failed(error.map_or_else(String::new, |(_, message)| message)))
    }
}

fn describe(error: &RunError) -> String {
    match error {
        RunError::Request(errors) => errors.first().map_or_else(String::new, |e: &GraphqlError| e.message.clone()),
        RunError::NotAQuery => "not a query".to_owned(),
    }
}
