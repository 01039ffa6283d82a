//! Load: turns a product into one that is written to, run and read all the time, and what it answers into what must hold.

use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use terrane_testkit::Client;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Events of a post, and rows of a file: each is there as a whole, or not at all.
pub const EVENTS: usize = 3;
pub const ROWS: usize = 20;
const POSTERS: usize = 3;
/// Who ask for runs: while one waits for its run, another one's is in the queue.
const RUNNERS: usize = 2;
/// Between two attempts, and between two files.
const RETRY: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(100);

/// What the product has acknowledged, and what was seen of it.
#[derive(Default)]
pub struct Known {
    stop: AtomicBool,
    pub events: Mutex<BTreeSet<String>>,
    pub rows: Mutex<BTreeSet<String>>,
    /// Answers that readers have looked at, and runs that have published.
    pub reads: AtomicU64,
    pub runs: AtomicU64,
}

/// Clients of all kinds.
pub struct Load {
    pub known: Arc<Known>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(client: &Client) -> Self {
        let known = Arc::new(Known::default());
        let mut tasks: Vec<JoinHandle<()>> =
            (0..POSTERS).map(|poster| tokio::spawn(post_events(client.clone(), poster, Arc::clone(&known)))).collect();
        tasks.push(tokio::spawn(post_files(client.clone(), Arc::clone(&known))));
        tasks.extend((0..RUNNERS).map(|_| tokio::spawn(run(client.clone(), Arc::clone(&known)))));
        tasks.push(tokio::spawn(read(client.clone(), Arc::clone(&known))));
        Self { known, tasks }
    }

    /// Let all that is under way be acknowledged, and end.
    pub async fn stop(self) -> Arc<Known> {
        self.known.stop.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.known
    }
}

impl Known {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Send it until it is acknowledged.
async fn insist(client: &Client, path: &str, headers: &[(&str, &str)], body: &str) {
    loop {
        match client.try_send(Method::POST, path, headers, body.to_owned()).await {
            Ok(answer) if answer.status.is_success() => return,
            // what is right is never refused
            Ok(answer) => assert!(answer.status.is_server_error(), "{} {}", answer.status, answer.text()),
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}

async fn post_events(client: Client, poster: usize, known: Arc<Known>) {
    for number in 0.. {
        if known.is_over() {
            return;
        }
        let ids: Vec<String> = (0..EVENTS).map(|i| format!("{poster}-{number}-{i}")).collect();
        let event = |id: &String| {
            json!({"specversion": "1.0", "id": id, "source": "/crash", "type": "entry",
                "time": "2026-01-01T00:00:00Z", "data": {"post": format!("{poster}-{number}")}})
        };
        let body = Value::Array(ids.iter().map(event).collect()).to_string();
        let headers = [("content-type", "application/cloudevents-batch+json")];
        insist(&client, "/input/events/events", &headers, &body).await;
        known.events.lock().await.extend(ids);
    }
}

async fn post_files(client: Client, known: Arc<Known>) {
    for number in 0.. {
        if known.is_over() {
            return;
        }
        let ids: Vec<String> = (0..ROWS).map(|i| format!("{number}-{i}")).collect();
        let rows: String = ids.iter().map(|id| format!("{id},{number}\n")).collect();
        let key = format!("file {number}");
        let headers = [("content-type", "text/csv"), ("idempotency-key", key.as_str())];
        insist(&client, "/input/files?mode=append", &headers, &format!("id,file\n{rows}")).await;
        known.rows.lock().await.extend(ids);
        sleep(PAUSE).await;
    }
}

/// Make version after version. A run may be cut off, or find another one under way.
async fn run(client: Client, known: Arc<Known>) {
    let mutation = json!({"query": "mutation { runPipeline(pull: false) { state errorCode error } }"}).to_string();
    while !known.is_over() {
        let headers = [("content-type", "application/json")];
        if let Ok(answer) = client.try_send(Method::POST, "/graphql", &headers, mutation.clone()).await
            && answer.status.is_success()
        {
            let run = &answer.json()["data"]["runPipeline"];
            assert_ne!(run["errorCode"], "CHECKS_FAILED", "{run}");
            known.runs.fetch_add(u64::from(run["state"] == "succeeded"), Ordering::AcqRel);
        }
        sleep(RETRY).await;
    }
}

/// Read, and compare: in every answer the rows are those that their sums speak of, and there are never less than before.
async fn read(client: Client, known: Arc<Known>) {
    let query = "{ entries { totalCount } posts { totalCount aggregate { sum { entries } } }
        lines { totalCount } filesRead { totalCount aggregate { sum { lines } } } }";
    let body = json!({ "query": query }).to_string();
    let number = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if text == "null" { 0 } else { text.parse::<usize>().unwrap() }
    };
    let mut before = [0, 0];
    while !known.is_over() {
        let headers = [("content-type", "application/json")];
        let answer = client.try_send(Method::POST, "/graphql", &headers, body.clone()).await;
        // while Postgres is away there is no data, or not all of it
        let data = answer.ok().filter(|a| a.status.is_success()).map(|a| a.json());
        if let Some(data) = data.filter(|answer| answer["errors"].is_null()).map(|mut answer| answer["data"].take()) {
            for (list, sums, sum, whole) in
                [("entries", "posts", "entries", EVENTS), ("lines", "filesRead", "lines", ROWS)]
            {
                let rows = number(&data[list]["totalCount"]);
                assert_eq!(rows, number(&data[sums]["aggregate"]["sum"][sum]), "parts of two versions: {data}");
                assert_eq!(rows, number(&data[sums]["totalCount"]) * whole, "a part of a post: {data}");
                let before = &mut before[usize::from(list == "lines")];
                assert!(rows >= *before, "{list}: {rows} after {before}");
                *before = rows;
            }
            known.reads.fetch_add(1, Ordering::AcqRel);
        }
        sleep(RETRY).await;
    }
}
