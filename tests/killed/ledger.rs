//! The ledger: turns a database and the product `ledger` into running processes, a load of batches, runs and reads, and what
//! must be true of it afterwards.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use terrane_auth::{TokenRequest, issue};
use terrane_postgres::{Options, Server};
use terrane_testkit::{Client, Mesh, copy_folder, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const SECRET: &str = "a secret of the tests that has more than 32 characters";
/// Both datasets in one operation: what one says of the other must be so.
const READ: &str = "{ entries(first: 1) { totalCount } totals(first: 1000) { nodes { batch size allEntries } } }";
const RUN: &str = "mutation { runPipeline(pull: false) { state errorCode error version } }";

/// Random numbers, with their seed on standard error.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    /// From `least` to less than `most`.
    pub fn roll(&mut self, least: u64, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + self.0 % (most - least)
    }
}

/// Wait until something is so.
pub async fn until(what: &str, limit: Duration, mut is: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is().await {
        assert!(started.elapsed() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The product, its database, and where it answers now. The product goes first: its database is not taken away below it.
pub struct Ledger {
    pub product: Mesh,
    base: Arc<Mutex<String>>,
    database: Option<Server>,
    url: String,
    folder: PathBuf,
    logs: PathBuf,
    started: usize,
    state: TempDir,
    _scratch: TempDir,
}

impl Ledger {
    /// On a database whose files are in `state`.
    pub async fn start(state: TempDir) -> Self {
        Self::start_on(state, |_| {}).await
    }

    /// The same; `limit` gets the database's process id before anything connects to it.
    pub async fn start_on(state: TempDir, limit: impl Fn(&str)) -> Self {
        let scratch = terrane_testkit::state_directory();
        let folder = scratch.path().join("ledger");
        copy_folder(&repository().join("tests/killed/product"), &folder).unwrap();
        let database = obtain(state.path()).await;
        limit(&database.pid().unwrap().to_string());
        terrane_runtime::ensure_database(&database.admin_url(), "ledger").await.unwrap();
        let url = database.url("ledger");
        let logs = scratch.path().to_path_buf();
        let product = spawn(&folder, &url, &logs.join("product-0.log"));
        let base = Arc::new(Mutex::new(product.base()));
        let mut ledger =
            Self { product, base, database: Some(database), url, folder, logs, started: 0, state, _scratch: scratch };
        ledger.product.await_ready(Duration::from_secs(60)).await;
        ledger
    }

    /// Start the product anew; requests go to it from now on.
    pub async fn start_product(&mut self) {
        self.started += 1;
        let log = self.logs.join(format!("product-{}.log", self.started % 3));
        self.product = spawn(&self.folder, &self.url, &log);
        self.product.await_ready(Duration::from_secs(60)).await;
        *self.base.lock().unwrap() = self.product.base();
    }

    /// Another process that serves the same product from the same database.
    pub async fn replica(&self) -> Mesh {
        let mut replica = spawn(&self.folder, &self.url, &self.logs.join("replica.log"));
        replica.await_ready(Duration::from_secs(60)).await;
        replica
    }

    pub fn steward_of(&self, process: &Mesh) -> Client {
        process.client().with_token(token())
    }

    pub fn database_pid(&self) -> String {
        self.database.as_ref().and_then(Server::pid).unwrap_or_default().to_string()
    }

    /// End the database as when the power fails.
    pub fn kill_database(&self) {
        let killed = std::process::Command::new("kill").args(["-9", &self.database_pid()]).status();
        assert!(killed.unwrap().success());
    }

    pub async fn restart_database(&mut self) {
        // its lock on the directory goes with it
        drop(self.database.take());
        self.database = Some(obtain(self.state.path()).await);
    }

    /// Start the database again where it has ended by itself.
    pub async fn revive_database(&mut self) {
        if tokio::time::timeout(Duration::from_secs(5), terrane_runtime::ensure_database(&self.url, "ledger"))
            .await
            .is_ok_and(|r| r.is_ok())
        {
            return;
        }
        self.restart_database().await;
    }

    /// Whether a run publishes now.
    pub async fn try_run(&self) -> bool {
        let answer = try_graphql(&self.steward_of(&self.product), RUN).await;
        answer.is_some_and(|answer| answer["data"]["runPipeline"]["state"] == "succeeded")
    }

    pub async fn run_of(client: &Client) -> Value {
        client.graphql(RUN, json!({})).await["data"]["runPipeline"].clone()
    }

    pub async fn runs(&self) -> Vec<Value> {
        Self::runs_of(&self.steward_of(&self.product)).await
    }

    pub async fn runs_of(client: &Client) -> Vec<Value> {
        let answer = client.graphql("{ runs(first: 500) { state errorCode version } }", json!({})).await;
        answer["data"]["runs"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// Send large batches until one is refused; the status of the refusal.
    pub async fn fill(&self, limit: Duration) -> u16 {
        let client = self.steward_of(&self.product);
        let started = Instant::now();
        for number in 0.. {
            assert!(started.elapsed() < limit, "the disk does not get full");
            let key = format!("filler-{number}");
            let first = 1_000_000_000 + number * 20_000;
            let mut body = "id,batch\n".to_owned();
            let padding = "x".repeat(200);
            for id in first..first + 20_000 {
                body.push_str(&format!("{id},{key}-{padding}\n"));
            }
            match post(&client, &key, body).await {
                Some(200) => {}
                Some(status) => return status,
                // the product lost its database in the middle of an answer
                None => return 503,
            }
        }
        unreachable!("numbers do not end")
    }

    /// What must be so when everything has calmed down: every acknowledged batch is published whole and once, every other
    /// one whole or not at all, and no run is left open.
    pub async fn check(&self, seen: &Seen) {
        until("a run publishes", Duration::from_secs(60), async || self.try_run().await).await;
        let client = self.product.client();
        let mut published = BTreeMap::new();
        let mut after = Value::Null;
        loop {
            let query = "query($after: String) { totals(first: 1000, after: $after) { nodes { batch size } pageInfo { \
                         endCursor hasNextPage } } }";
            let answer = client.graphql(query, json!({ "after": after })).await;
            let page = &answer["data"]["totals"];
            for node in page["nodes"].as_array().unwrap_or_else(|| panic!("{answer}")) {
                published.insert(node["batch"].as_str().unwrap().to_owned(), node["size"].as_u64().unwrap());
            }
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
        }
        for (batch, size) in &seen.acknowledged {
            assert_eq!(published.get(batch), Some(size), "batch `{batch}` was acknowledged");
        }
        for (batch, size) in published.iter().filter(|(batch, _)| !batch.starts_with("filler")) {
            assert_eq!(Some(size), seen.sent.get(batch), "batch `{batch}` is whole, or not there");
        }
        assert!(!seen.acknowledged.is_empty(), "something was acknowledged");
        let runs = self.runs().await;
        let open: Vec<&Value> = runs.iter().filter(|r| r["state"] == "running" || r["state"] == "queued").collect();
        assert!(open.is_empty(), "{open:#?}");
    }
}

/// What a load has done and seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Batches that were acknowledged, with their sizes.
    pub acknowledged: BTreeMap<String, u64>,
    /// All that were sent.
    pub sent: BTreeMap<String, u64>,
    /// Consistent answers.
    pub reads: usize,
}

/// Writers, a runner and readers, until they are stopped. A reader that sees a part of something panics.
pub struct Load {
    stop: Arc<AtomicBool>,
    writer: tokio::task::JoinHandle<(BTreeMap<String, u64>, BTreeMap<String, u64>)>,
    others: Vec<tokio::task::JoinHandle<()>>,
    reads: Arc<AtomicUsize>,
}

impl Load {
    pub fn start(ledger: &Ledger) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let base = ledger.base.clone();
        let client = move || Client::new(base.lock().unwrap().clone()).with_token(token());
        let writer = tokio::spawn(write(client.clone(), stop.clone()));
        let mut others = vec![tokio::spawn(run(client.clone(), stop.clone()))];
        for _ in 0..2 {
            others.push(tokio::spawn(read(client.clone(), stop.clone(), reads.clone())));
        }
        Self { stop, writer, others, reads }
    }

    pub async fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let (acknowledged, sent) = self.writer.await.unwrap();
        for task in self.others {
            task.await.unwrap();
        }
        Seen { acknowledged, sent, reads: self.reads.load(Ordering::Relaxed) }
    }
}

/// Send batches one after the other, each as often as it takes until it is acknowledged, under one key.
async fn write(client: impl Fn() -> Client, stop: Arc<AtomicBool>) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let (mut acknowledged, mut sent) = (BTreeMap::new(), BTreeMap::new());
    let mut dice = Dice::new();
    let mut first = 0;
    for number in 0.. {
        let key = format!("batch-{number}");
        let size = dice.roll(1, 2_000);
        let body: String = (first..first + size).map(|id| format!("{id},{key}\n")).collect();
        first += size;
        sent.insert(key.clone(), size);
        loop {
            if stop.load(Ordering::Relaxed) {
                return (acknowledged, sent);
            }
            if post(&client(), &key, format!("id,batch\n{body}")).await == Some(200) {
                acknowledged.insert(key, size);
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(0, 60))).await;
    }
    unreachable!("numbers do not end")
}

async fn run(client: impl Fn() -> Client, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        if try_graphql(&client(), RUN).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn read(client: impl Fn() -> Client, stop: Arc<AtomicBool>, reads: Arc<AtomicUsize>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = try_graphql(&client(), READ).await;
        let Some(data) = answer.filter(|a| a["errors"].is_null()).map(|a| a["data"].clone()) else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let count = data["entries"]["totalCount"].as_u64().unwrap_or_else(|| panic!("{data}"));
        let totals = data["totals"]["nodes"].as_array().unwrap();
        for total in totals {
            assert_eq!(total["allEntries"].as_u64(), Some(count), "two versions in one answer: {data}");
        }
        if totals.len() < 1000 {
            let sum: u64 = totals.iter().map(|total| total["size"].as_u64().unwrap()).sum();
            assert_eq!(sum, count, "two versions in one answer: {data}");
        }
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn token() -> String {
    let request = TokenRequest {
        subject: "tests".to_owned(),
        roles: vec!["steward".to_owned()],
        lifetime_seconds: 3600,
        ..TokenRequest::default()
    };
    issue(SECRET, &request).unwrap()
}

async fn post(client: &Client, key: &str, body: String) -> Option<u16> {
    let headers = [("content-type", "text/csv"), ("idempotency-key", key)];
    let sent = client.try_send(http::Method::POST, "/input/entries_raw?mode=append", &headers, body);
    tokio::time::timeout(Duration::from_secs(60), sent).await.ok()?.ok().map(|answer| answer.status.as_u16())
}

async fn try_graphql(client: &Client, query: &str) -> Option<Value> {
    let body = json!({ "query": query }).to_string();
    let sent = client.try_send(http::Method::POST, "/graphql", &[("content-type", "application/json")], body);
    let answer = tokio::time::timeout(Duration::from_secs(60), sent).await.ok()?.ok()?;
    serde_json::from_slice(&answer.body).ok()
}

fn spawn(folder: &Path, url: &str, log: &Path) -> Mesh {
    let folder = folder.to_str().unwrap();
    let arguments = ["product", folder, "--listen", "127.0.0.1:{port}", "--database-url", url, "--jwt-secret", SECRET];
    Mesh::spawn(Path::new(BINARY), &arguments, log)
}

/// A durable server; what is left of a killed one may need a moment to end.
async fn obtain(state: &Path) -> Server {
    let started = Instant::now();
    loop {
        let options = Options { external: None, state: state.to_path_buf(), cache: None, durable: true };
        let server = tokio::task::spawn_blocking(move || Server::obtain(&options, &|line| eprintln!("{line}"))).await;
        match server.unwrap() {
            Ok(server) => return server,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(90), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
