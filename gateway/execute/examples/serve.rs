//! A minimal gateway: `serve --listen ADDR --supergraph FILE` answers GraphQL at any path over HTTP/1.1.

use anyhow::Context;
use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use terrane_execute::{Executor, HttpTransport, Program, SubgraphClient};
use terrane_graphql::error::request_error_body;
use terrane_graphql::{GraphqlError, Request};
use terrane_plan::{PlanOptions, Supergraph};

/// Programs by operation text and name.
type Programs = HashMap<(String, Option<String>), Arc<Program>>;

struct Gateway {
    supergraph: Arc<Supergraph>,
    executor: Executor,
    programs: RwLock<Programs>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1));
    let listen = value("--listen").context("--listen ADDR is missing")?;
    let file = value("--supergraph").context("--supergraph FILE is missing")?;
    let supergraph = Arc::new(Supergraph::parse(&std::fs::read_to_string(file)?)?);
    let pool = HttpTransport::new(64 << 20);
    let clients = supergraph.subgraphs().iter().map(|subgraph| {
        Ok(SubgraphClient {
            name: subgraph.name.clone(),
            uri: subgraph.url.parse().with_context(|| format!("url of `{}`", subgraph.name))?,
            transport: pool.transport(&subgraph.url),
            timeout: Duration::from_secs(10),
        })
    });
    let executor = Executor::new(clients.collect::<anyhow::Result<_>>()?, 500);
    let gateway = Arc::new(Gateway { supergraph, executor, programs: RwLock::default() });
    let listener = tokio::net::TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&gateway), request));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _closed = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    gateway: Arc<Gateway>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let body = match request.into_body().collect().await {
        Ok(body) => gateway.run(&body.to_bytes()).await.unwrap_or_else(|error| request_error_body(&[error])),
        Err(error) => request_error_body(&[GraphqlError::new("BAD_REQUEST", error.to_string())]),
    };
    let mut response = hyper::Response::new(Full::new(Bytes::from(body)));
    let json = hyper::header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}

impl Gateway {
    async fn run(&self, body: &[u8]) -> Result<Vec<u8>, GraphqlError> {
        let request = Request::from_json(body).map_err(|e| GraphqlError::new(e.code(), e.to_string()))?;
        let text = request.text().map_err(|e| GraphqlError::new(e.code(), e.to_string()))?;
        let program = self.program(text, request.operation_name.as_deref())?;
        let answered = self.executor.execute(&program, request.variables.as_ref(), &http::HeaderMap::new()).await;
        answered.map_err(|e| GraphqlError::new(e.code(), e.to_string()))
    }

    fn program(&self, text: &str, name: Option<&str>) -> Result<Arc<Program>, GraphqlError> {
        let key = (text.to_owned(), name.map(str::to_owned));
        if let Some(known) = self.programs.read().expect("nothing panics while it is held").get(&key) {
            return Ok(Arc::clone(known));
        }
        let document = ExecutableDocument::parse_and_validate(self.supergraph.api_schema(), text, "operation.graphql")
            .map_err(|e| GraphqlError::new("GRAPHQL_VALIDATION_FAILED", e.errors.to_string()))?;
        let plan = terrane_plan::plan(&self.supergraph, &document, name, &PlanOptions::default())
            .map_err(|e| GraphqlError::new(e.code(), e.to_string()))?;
        let program = Arc::new(Program::compile(Arc::clone(&self.supergraph), Arc::new(document), name, plan));
        self.programs.write().expect("nothing panics while it is held").insert(key, Arc::clone(&program));
        Ok(program)
    }
}
