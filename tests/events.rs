//! The events of the mesh: products as processes of their own, one of which is killed and started again, and a reader who goes away
//! and comes back. Nothing is lost, and nothing comes twice.

#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use terrane_testkit::{Client, Mesh, fresh_database, product_folder, state_directory};
use tokio::task::JoinHandle;

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

/// A product that can be started again at its address, on its database.
struct Product {
    name: &'static str,
    database: String,
    mesh: Mesh,
    logs: std::path::PathBuf,
}

impl Product {
    async fn start(name: &'static str, logs: &Path) -> Self {
        let database = fresh_database().await;
        let mut mesh = spawn(name, "127.0.0.1:{port}", &database, &logs.join(format!("{name}.log")));
        mesh.await_ready(Duration::from_secs(240)).await;
        Self { name, database, mesh, logs: logs.to_owned() }
    }

    async fn start_again(&mut self) {
        let port = self.mesh.port;
        let log = self.logs.join(format!("{}-again.log", self.name));
        self.mesh = spawn(self.name, &format!("127.0.0.1:{port}"), &self.database, &log);
        self.mesh.port = port;
        self.mesh.await_ready(Duration::from_secs(240)).await;
    }

    fn client(&self, token: &str) -> Client {
        self.mesh.client().with_token(token)
    }

    /// Have it say something else, which is an event.
    async fn say(&self, token: &str, text: &str) {
        let mutation = "mutation($text: String) { updateDescription(purpose: $text) { state } }";
        let done = self.client(token).graphql(mutation, json!({ "text": text })).await;
        assert_eq!(done["data"]["updateDescription"]["state"], "holds", "{done}");
    }
}

fn spawn(name: &str, listen: &str, database: &str, log: &Path) -> Mesh {
    let folder = product_folder(name);
    let folder = folder.to_str().unwrap();
    let arguments = ["product", folder, "--listen", listen, "--database-url", database, "--jwt-secret", SECRET];
    Mesh::spawn(Path::new(BINARY), &arguments, log)
}

fn token(subject: &str, role: &str) -> String {
    let arguments = ["token", "--subject", subject, "--role", role];
    let made = Command::new(BINARY).args(arguments).env("TERRANE_JWT_SECRET", SECRET).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

async fn gateway(products: &[&Product], logs: &Path) -> Mesh {
    let subgraph =
        |p: &&Product| format!("  - {{name: {}, url: \"{}/graphql\", product: true}}\n", p.name, p.mesh.base());
    let subgraphs: String = products.iter().map(subgraph).collect();
    let config = logs.join("gateway.yaml");
    let text = format!("subgraphs:\n{subgraphs}auth: {{jwt: {{secret: {SECRET}}}}}\npoll_seconds: 1\n");
    std::fs::write(&config, text).unwrap();
    let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
    Mesh::start(Path::new(BINARY), &arguments, &logs.join("gateway.log")).await
}

/// What names an event: its source and id.
fn name_of(event: &Value) -> (String, String) {
    let text = |key: &str| event[key].as_str().unwrap_or_else(|| panic!("{key}: {event}")).to_owned();
    (text("source"), text("id"))
}

/// All events, page by page.
async fn paged(client: &Client, first: usize) -> Vec<Value> {
    let (mut events, mut path) = (Vec::new(), format!("/events?first={first}"));
    loop {
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let told: Vec<Value> = page.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(told.len() <= first);
        if told.is_empty() {
            return events;
        }
        events.extend(told);
        let link = page.headers["link"].to_str().unwrap();
        path = link.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
    }
}

/// What each product itself tells.
async fn told_by(products: &[&Product], token: &str) -> BTreeSet<(String, String)> {
    let mut names = BTreeSet::new();
    for product in products {
        let events = product.client(token).get("/events?first=1000").await.json();
        names.extend(events.as_array().unwrap().iter().map(name_of));
    }
    names
}

/// Somebody who reads the stream.
struct Reader {
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Value>,
    /// The id of the newest.
    last: Option<String>,
}

impl Reader {
    /// Go on where `heard` is.
    async fn connect(base: &str, token: &str, heard: Arc<Mutex<Heard>>) -> Self {
        let mut request = Request::get(format!("{base}/events"))
            .header("accept", "text/event-stream")
            .header("authorization", format!("Bearer {token}"));
        if let Some(last) = &heard.lock().unwrap().last {
            request = request.header("last-event-id", last);
        }
        let client = HyperClient::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        let (mut body, kept) = (response.into_body(), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            let mut text = String::new();
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                text.push_str(str::from_utf8(&data).unwrap());
                while let Some(end) = text.find("\n\n") {
                    let frame: String = text.drain(..end + 2).collect();
                    let field = |name: &str| {
                        frame.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                    };
                    let (Some(id), Some(data)) = (field("id:"), field("data:")) else { continue };
                    let mut heard = kept.lock().unwrap();
                    heard.events.push(serde_json::from_str(&data).unwrap());
                    heard.last = Some(id);
                }
            }
        });
        Self { heard, task }
    }

    /// Wait until as many events were heard.
    async fn await_events(&self, many: usize) {
        let started = Instant::now();
        while self.heard.lock().unwrap().events.len() < many {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{many} were to come: {:#?}",
                self.heard.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn leave(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_comes_twice_while_products_and_readers_come_and_go() {
    let logs = state_directory();
    let continents = Product::start("continents", logs.path()).await;
    let mut countries = Product::start("countries", logs.path()).await;
    let gateway = gateway(&[&continents, &countries], logs.path()).await;
    let steward = token("ann", "steward");
    let client = gateway.client().with_token(&steward);
    let heard = Arc::new(Mutex::new(Heard::default()));
    let reader = Reader::connect(&gateway.base(), &steward, Arc::clone(&heard)).await;
    let begun = told_by(&[&continents, &countries], &steward).await.len();
    assert!(begun >= 4, "each has contracts and a version");
    reader.await_events(begun).await;

    // one is away: the other's come, and a page says who is missing
    countries.mesh.end("KILL");
    for number in 0..5 {
        continents.say(&steward, &format!("Away {number}")).await;
    }
    reader.await_events(begun + 5).await;
    let page = client.get("/events?first=1000").await;
    assert_eq!((page.status, &page.headers["terrane-away"]), (StatusCode::OK, &"countries".parse().unwrap()));
    reader.leave().await;

    // it comes back while the reader is away, and both go on where they were
    countries.start_again().await;
    for number in 0..5 {
        countries.say(&steward, &format!("Back {number}")).await;
        continents.say(&steward, &format!("Also {number}")).await;
    }
    let reader = Reader::connect(&gateway.base(), &steward, Arc::clone(&heard)).await;
    reader.await_events(begun + 15).await;
    // it goes and comes back while the reader stays
    countries.mesh.end("KILL");
    continents.say(&steward, "Between").await;
    countries.start_again().await;
    countries.say(&steward, "Again").await;
    let expected = told_by(&[&continents, &countries], &steward).await;
    reader.await_events(expected.len()).await;
    reader.leave().await;

    let heard = heard.lock().unwrap().events.clone();
    let names: Vec<(String, String)> = heard.iter().map(name_of).collect();
    let once: BTreeSet<(String, String)> = names.iter().cloned().collect();
    assert_eq!(once.len(), names.len(), "an event came twice: {names:#?}");
    assert_eq!(once, expected);
    in_order(&heard);
    // page by page, it is the same
    for first in [1, 7, 1000] {
        let events = paged(&client, first).await;
        let names: Vec<(String, String)> = events.iter().map(name_of).collect();
        assert_eq!(names.len(), expected.len(), "{first} at a time");
        assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
        in_order(&events);
    }
    // what is none of its positions, and what it does not speak
    for path in ["/events?after=nonsense", "/events?first=0", "/events?first=1001"] {
        assert_eq!(client.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let odd = client.send(http::Method::GET, "/events", &[("accept", "image/png")], "").await;
    assert_eq!(odd.status, StatusCode::NOT_ACCEPTABLE);
    let batch =
        client.send(http::Method::GET, "/events", &[("accept", "application/cloudevents-batch+json")], "").await;
    assert_eq!(batch.json().as_array().unwrap().len(), expected.len().min(100));
    let refused = gateway.client().with_token("x.y.z").get("/events").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

/// Each product's events are in its order.
fn in_order(events: &[Value]) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events {
        let position = event["sequence"].as_str().unwrap().parse().unwrap();
        let before = last.insert(event["source"].as_str().unwrap(), position);
        assert!(before.is_none_or(|before| before < position), "{event} after {before:?}");
    }
}
