//! Asking a mesh: turns an operation and its variables into the data of the answer, or into what the mesh said against it.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use terrane_gateway::HttpTransport;

/// Bytes of an answer at most.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A mesh that is asked as somebody.
pub struct Mesh {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Who asks.
    pub token: String,
}

impl Mesh {
    /// Ask the gateway.
    ///
    /// # Errors
    /// Nobody answers, or the first of the answer's errors.
    pub async fn ask(&self, operation: &str, variables: &Value) -> Result<Value> {
        self.ask_at(&format!("{}/graphql", self.url), operation, variables).await
    }

    /// Ask at an address of it.
    ///
    /// # Errors
    /// As [`Mesh::ask`].
    pub async fn ask_at(&self, address: &str, operation: &str, variables: &Value) -> Result<Value> {
        let body = json!({"query": operation, "variables": variables}).to_string();
        let request = http::Request::post(address)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::from(body))
            .context("--url is no address")?;
        let transport = HttpTransport::new(LARGEST_ANSWER).transport(&self.url);
        let response = tower::ServiceExt::oneshot(transport, request).await.with_context(|| {
            format!("no mesh answers at {}; start it with `terrane`, or name it with --url", self.url)
        })?;
        let mut answer: Value = serde_json::from_slice(response.body()).context("the answer is no GraphQL response")?;
        if let Some(error) = answer["errors"].get(0) {
            bail!("{}", error["message"].as_str().unwrap_or("the mesh refused"));
        }
        Ok(answer["data"].take())
    }
}
