//! Subgraphs that answer as a test says, and gateways over them.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use terrane_testkit::{Answer, Client, Mesh};
use tokio::net::TcpListener;

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

/// A secret of test tokens.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a subgraph was sent.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Value,
}

/// A subgraph on a free port.
pub struct Subgraph {
    pub address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Subgraph {
    /// Answer every request, numbered from 0, by `answer`.
    pub async fn start<F, A>(answer: A) -> Self
    where
        F: Future<Output = (StatusCode, Value)> + Send + 'static,
        A: Fn(usize, Received) -> F + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/graphql", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = received.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let one = Received { headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or_default() };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(one.clone());
                    log.len() - 1
                };
                let (status, body) = answer(number, one).await;
                Response::builder()
                    .status(status)
                    .header("content-type", "application/json")
                    .body(axum::body::Body::from(body.to_string()))
                    .unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    /// Always the same data.
    pub async fn always(data: Value) -> Self {
        Self::start(move |_, _| {
            let body = json!({ "data": data });
            async move { (StatusCode::OK, body) }
        })
        .await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

/// A gateway, and the folder of its files.
pub struct Gateway {
    pub mesh: Mesh,
    pub folder: tempfile::TempDir,
}

impl Gateway {
    /// A gateway over subgraphs by name, address and SDL; `settings` is YAML, in which `{folder}` stands for the folder.
    pub async fn start(subgraphs: &[(&str, &str, &str)], settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let subgraphs: Vec<Value> =
            subgraphs.iter().map(|(name, url, sdl)| json!({"name": name, "url": url, "sdl": sdl})).collect();
        let settings = settings.replace("{folder}", folder.path().to_str().unwrap());
        let config = format!("subgraphs: {}\n{settings}\n", json!(subgraphs));
        let path = folder.path().join("gateway.yaml");
        std::fs::write(&path, config).unwrap();
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", path.to_str().unwrap()];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &folder.path().join("log")).await;
        Self { mesh, folder }
    }

    pub fn client(&self) -> Client {
        self.mesh.client()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Put a file in the place of another in one step.
    pub fn replace(&self, name: &str, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    /// The value of a metric, by its line's beginning; 0 where there is none.
    pub async fn metric(&self, line: &str) -> f64 {
        let text = self.client().get("/metrics").await.text();
        let found = text.lines().find_map(|candidate| candidate.strip_prefix(line));
        found.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

/// Send an operation as a client that knows of GraphQL responses, with more headers.
pub async fn ask(client: &Client, query: &str, variables: Value, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"query": query, "variables": variables}).to_string();
    let mut all = vec![("content-type", "application/json"), ("accept", "application/graphql-response+json")];
    all.extend(headers);
    client.send(http::Method::POST, "/graphql", &all, body).await
}

/// The codes of an answer's errors.
pub fn codes(answer: &Value) -> Vec<&str> {
    let list = answer["errors"].as_array().into_iter().flatten();
    list.map(|error| error["extensions"]["code"].as_str().unwrap_or_default()).collect()
}

/// Wait until something holds.
pub async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "it never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
