//! Support: turns the settings of a test into a running gateway over a subgraph that tells what reached it.

use async_graphql::{Context, EmptySubscription, Object, Schema};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use terrane_testkit::{Answer, Client, Mesh, state_directory};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

/// What a test sees of the subgraph, and how it holds answers back.
#[derive(Clone)]
pub struct Seen {
    /// Operations that came.
    pub count: Arc<AtomicUsize>,
    /// `held` is answered as often as this lets it.
    pub gate: Arc<Semaphore>,
}

struct Query;

#[Object]
impl Query {
    /// Greets.
    async fn hello(&self, name: Option<String>) -> String {
        format!("hello {}", name.as_deref().unwrap_or("you"))
    }

    /// The value of a header that came.
    async fn header(&self, context: &Context<'_>, name: String) -> Option<String> {
        let headers = context.data_unchecked::<HeaderMap>();
        let values: Vec<&str> = headers.get_all(&name).iter().map(|value| value.to_str().unwrap()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The version of HTTP that is spoken with it.
    async fn version(&self, context: &Context<'_>) -> String {
        format!("{:?}", context.data_unchecked::<http::Version>())
    }

    /// A text of a size.
    async fn text(&self, length: usize) -> String {
        "long ".repeat(length / 5)
    }

    /// Waits for the test.
    async fn held(&self, context: &Context<'_>) -> bool {
        let seen = context.data_unchecked::<Seen>();
        seen.gate.acquire().await.unwrap().forget();
        true
    }

    #[graphql(entity)]
    async fn find_thing(&self, id: String) -> Thing {
        Thing { id }
    }

    async fn thing(&self) -> Thing {
        Thing { id: "1".to_owned() }
    }
}

/// An entity, of which parts can be deferred.
struct Thing {
    id: String,
}

#[Object]
impl Thing {
    async fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the test.
    async fn late(&self, context: &Context<'_>) -> String {
        let seen = context.data_unchecked::<Seen>();
        seen.gate.acquire().await.unwrap().forget();
        "late".to_owned()
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn change(&self) -> bool {
        true
    }
}

type Graph = Schema<Query, Mutation, EmptySubscription>;

async fn answer(
    State((schema, seen)): State<(Graph, Seen)>,
    version: http::Version,
    headers: HeaderMap,
    body: String,
) -> String {
    seen.count.fetch_add(1, Ordering::SeqCst);
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    let response = schema.execute(request.data(headers).data(version).data(seen)).await;
    serde_json::to_string(&response).unwrap()
}

/// A subgraph on a free port.
pub struct Subgraph {
    pub url: String,
    pub seen: Seen,
}

impl Subgraph {
    pub async fn start() -> Self {
        let (router, seen) = Self::router();
        Self::serve(router, seen).await
    }

    pub async fn serve(router: Router, seen: Seen) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, seen }
    }

    pub fn router() -> (Router, Seen) {
        let seen = Seen { count: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        let schema = Schema::build(Query, Mutation, EmptySubscription).enable_federation().finish();
        (Router::new().route("/graphql", post(answer)).with_state((schema, seen.clone())), seen)
    }

    pub fn count(&self) -> usize {
        self.seen.count.load(Ordering::SeqCst)
    }
}

/// A running gateway over one subgraph.
pub struct Gateway {
    pub mesh: Mesh,
    pub subgraph: Subgraph,
    pub folder: TempDir,
}

impl Gateway {
    /// With `settings` after the list of subgraphs; `DIR` in them is the test's folder.
    pub async fn start(settings: &str) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// With `files` in the test's folder.
    pub async fn start_with(settings: &str, files: &[(&str, &str)]) -> Self {
        let (subgraph, folder) = (Subgraph::start().await, state_directory());
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        let config = write_settings(folder.path(), &subgraph.url, settings);
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &folder.path().join("gateway.log")).await;
        Self { mesh, subgraph, folder }
    }

    /// Over a subgraph that the test serves, listed as `entry` has it.
    pub async fn over(subgraph: Subgraph, entry: &str, files: &[(&str, &str)], settings: &str) -> Self {
        let folder = state_directory();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        let text = format!("subgraphs: [{{name: a, url: \"{}\", {entry}}}]\n{settings}", subgraph.url);
        let config = folder.path().join("gateway.yaml");
        std::fs::write(&config, text.replace("DIR", folder.path().to_str().unwrap())).unwrap();
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &folder.path().join("gateway.log")).await;
        Self { mesh, subgraph, folder }
    }

    /// With TLS, of a certificate and a key as PEM; ready when the port is open.
    pub async fn start_tls(certificate: &str, key: &str) -> Self {
        let (subgraph, folder) = (Subgraph::start().await, state_directory());
        std::fs::write(folder.path().join("certificate.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        let settings = "server: {tls: {certificate: DIR/certificate.pem, key: DIR/key.pem}}\n";
        let config = write_settings(folder.path(), &subgraph.url, settings);
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
        let mesh = Mesh::spawn(Path::new(BINARY), &arguments, &folder.path().join("gateway.log"));
        while !mesh.output().contains("listening") {
            tokio::task::yield_now().await;
        }
        Self { mesh, subgraph, folder }
    }

    pub fn client(&self) -> Client {
        self.mesh.client()
    }

    /// The head of the answer to `GET /graphql`; its body may never end.
    pub async fn head(&self, headers: &[(&str, &str)]) -> http::response::Parts {
        let client = HyperClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request = http::Request::get(format!("{}/graphql", self.mesh.base()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.request(request.body(Full::default()).unwrap()).await.unwrap().into_parts().0
    }

    /// Post a body.
    pub async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.client().send(Method::POST, "/graphql", &all, body.into()).await
    }

    /// Post JSON without more headers, and get JSON.
    pub async fn ask(&self, body: Value) -> Value {
        self.post(&[], body.to_string()).await.json()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Write the settings anew.
    pub fn configure(&self, settings: &str) {
        write_settings(self.folder.path(), &self.subgraph.url, settings);
    }

    /// Ask until the answer is as wanted.
    pub async fn until(&self, body: Value, wanted: impl Fn(&Value) -> bool) {
        for _ in 0..2_000 {
            if wanted(&self.ask(body.clone()).await) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("not as wanted: {}\n{}", self.ask(body).await, self.mesh.output());
    }
}

/// Serve a router over TLS on a free port; the port.
pub async fn serve_tls(router: Router, config: rustls::ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // an error is the end of the connection
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                }
            });
        }
    });
    port
}

pub fn write_settings(folder: &Path, url: &str, settings: &str) -> PathBuf {
    let path = folder.join("gateway.yaml");
    let settings = settings.replace("DIR", folder.to_str().unwrap());
    std::fs::write(&path, format!("subgraphs: [{{name: a, url: \"{url}\"}}]\n{settings}")).unwrap();
    path
}

/// The code of the first error.
pub fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}
