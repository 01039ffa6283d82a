//! Upstreams: turns another product's output dataset into pages of rows, over its standard ports (typed client).

use crate::{IngestError, Transport};
use bytes::Bytes;
use cynic::{GraphQlResponse, QueryBuilder as _};
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use std::collections::BTreeMap;
use terrane_telemetry::{along, trace};
use tower::{Service as _, ServiceExt as _};

/// Rows asked for at once.
const PAGE: i32 = 1000;

#[cynic::schema("product")]
mod schema {}

/// A JSON value of any form.
#[derive(Debug, Clone, cynic::Scalar)]
#[cynic(graphql_type = "JSON")]
pub struct Json(pub serde_json::Value);

#[derive(Debug, cynic::QueryVariables)]
struct RowsVariables {
    dataset: String,
    columns: Option<Vec<String>>,
    first: i32,
    after: Option<String>,
}

#[derive(Debug, cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "RowsVariables")]
struct RowsQuery {
    #[arguments(dataset: $dataset, columns: $columns, first: $first, after: $after)]
    rows: RowPage,
}

/// One page of another product's rows.
#[derive(Debug, cynic::QueryFragment)]
pub struct RowPage {
    /// Version they are of.
    pub version: i32,
    /// Their columns.
    pub columns: Vec<String>,
    /// A JSON array per row.
    pub rows: Vec<Json>,
    /// Where the next page starts.
    pub end_cursor: Option<String>,
    /// Whether there is one.
    pub has_next_page: bool,
}

#[derive(Debug, cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct VersionQuery {
    product: CurrentVersion,
}

#[derive(Debug, cynic::QueryFragment)]
#[cynic(graphql_type = "ProductInfo")]
struct CurrentVersion {
    current_version: Option<VersionNumber>,
}

#[derive(Debug, cynic::QueryFragment)]
#[cynic(graphql_type = "Version")]
struct VersionNumber {
    version: i32,
}

/// Another product that this one reads from.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// How it is reached.
    pub transport: Transport,
    /// The `authorization` header to show there.
    pub authorization: Option<HeaderValue>,
}

/// Products by id.
pub type Upstreams = BTreeMap<String, Upstream>;

impl Upstream {
    /// One page of `dataset`.
    ///
    /// # Errors
    /// [`IngestError::Upstream`] with the product's own words.
    pub async fn page(
        &self,
        product: &str,
        dataset: &str,
        columns: &[String],
        after: Option<String>,
    ) -> Result<RowPage, IngestError> {
        let variables =
            RowsVariables { dataset: dataset.to_owned(), columns: Some(columns.to_vec()), first: PAGE, after };
        let answer: RowsQuery = self.ask(product, &RowsQuery::build(variables)).await?;
        Ok(answer.rows)
    }

    /// The version that its readers see; none where it has published nothing.
    ///
    /// # Errors
    /// [`IngestError::Upstream`] with the product's own words.
    pub async fn version(&self, product: &str) -> Result<Option<i32>, IngestError> {
        let answer: VersionQuery = self.ask(product, &VersionQuery::build(())).await?;
        Ok(answer.product.current_version.map(|version| version.version))
    }

    async fn ask<Q: serde::de::DeserializeOwned, V: serde::Serialize>(
        &self,
        product: &str,
        operation: &cynic::Operation<Q, V>,
    ) -> Result<Q, IngestError> {
        let failed = |reason: String| IngestError::Upstream { product: product.to_owned(), reason };
        let body = serde_json::to_vec(operation).map_err(|e| failed(e.to_string()))?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/graphql-response+json, application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let (trace, mut span) = trace::request("product request");
        span.set("terrane.product", product.to_owned());
        along::write_id(request.headers_mut());
        trace.write(request.headers_mut());
        let mut transport = self.transport.clone();
        let service = transport.ready().await.map_err(|e| failed(e.to_string()))?;
        let response = service.call(request).await.map_err(|e| failed(format!("no answer: {e}")))?;
        let status = response.status();
        let answer: GraphQlResponse<Q> = serde_json::from_slice(response.body())
            .map_err(|_| failed(format!("its answer (status {status}) is no GraphQL response")))?;
        if let Some(errors) = answer.errors.filter(|errors| !errors.is_empty()) {
            let words: Vec<String> = errors.into_iter().map(|e| e.message).collect();
            return Err(failed(words.join("; ")));
        }
        answer.data.ok_or_else(|| failed("it answered without data".to_owned()))
    }
}
