//! Clients: turns a URL into GraphQL and plain HTTP requests over a real connection.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Sends requests to one server as one caller.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: HyperClient<HttpConnector, Full<Bytes>>,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Client {
    /// A client of `http://HOST:PORT`, without a token.
    pub fn new(base: impl Into<String>) -> Self {
        Self { http: HyperClient::builder(TokioExecutor::new()).build_http(), base: base.into(), token: None }
    }

    /// The same as the bearer of `token`.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// Send a request; `headers` come on top of the caller's token.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.try_send(method, path, headers, body).await.expect("the server answers")
    }

    /// As [`Client::send`]; the error where there is no answer.
    ///
    /// # Errors
    /// The connection's failure, as text.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).map_err(|e| e.to_string())?;
        let response = self.http.request(request).await.map_err(|e| e.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// A GraphQL request to `path`.
    pub async fn graphql_at(&self, path: &str, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        self.send(Method::POST, path, &[("content-type", "application/json")], body).await.json()
    }

    /// A GraphQL request to `/graphql`.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        self.graphql_at("/graphql", query, variables).await
    }
}
