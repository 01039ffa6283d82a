//! Never lost, never twice: a product that is killed again and again while events come in and changes leave, with Postgres
//! killed as well. Every acknowledged event is stored and published exactly once, and a subscriber that comes back with its
//! last position has heard of each exactly once, in order.
//!
//! `TERRANE_CRASHES` says how often to kill (12 by default).

use super::product::{Product, free_port, token};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terrane_postgres::{Options, Server};
use terrane_testkit::{Client, state_directory};
use tokio::sync::Mutex;
use tokio::time::sleep;

const POSTERS: usize = 4;

/// What the world knows of the events.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<String>,
    /// Keys in the order in which the subscriber heard of them, with their positions.
    heard: BTreeMap<String, i64>,
    last: i64,
    connections: u32,
}

/// Post event after event, each until it is acknowledged.
async fn post(base: String, poster: usize, known: Arc<Mutex<Known>>, stop: Arc<AtomicBool>) {
    let client = Client::new(base).with_token(token());
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let ids: Vec<String> = (0..3).map(|i| format!("{poster}-{number}-{i}")).collect();
        let event = |id: &String| {
            json!({"specversion": "1.0", "id": id, "source": "/till", "type": "sale",
            "time": "2026-01-01T00:00:00Z", "data": {"code": "a", "amount": 1}})
        };
        let body = Value::Array(ids.iter().map(event).collect()).to_string();
        loop {
            let headers = [("content-type", "application/cloudevents-batch+json")];
            let sent = client.try_send(http::Method::POST, "/input/sales/events", &headers, body.clone()).await;
            match sent {
                Ok(answer) if answer.status.is_success() => break,
                Ok(answer) => assert!(answer.status.is_server_error(), "{}", answer.text()),
                Err(_) => {}
            }
            sleep(Duration::from_millis(20)).await;
        }
        known.lock().await.acknowledged.extend(ids);
    }
}

/// Follow the changes, and come back where it was whenever the stream breaks.
async fn follow(base: String, known: Arc<Mutex<Known>>) {
    let http = Http::builder(TokioExecutor::new()).build_http::<String>();
    loop {
        let last = known.lock().await.last;
        let request = http::Request::get(format!("{base}/output/sold/changes?after=0")).header("last-event-id", last);
        let response = http.request(request.body(String::new()).unwrap()).await;
        if let Ok(response) = response
            && response.status().is_success()
        {
            known.lock().await.connections += 1;
            let mut body = response.into_body().into_data_stream();
            let mut text = String::new();
            while let Some(Ok(piece)) = body.next().await {
                text.push_str(str::from_utf8(&piece).unwrap());
                while let Some((event, rest)) = text.split_once("\n\n") {
                    hear(event, &mut *known.lock().await);
                    text = rest.to_owned();
                }
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn hear(event: &str, known: &mut Known) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let Some(id) = field("id:") else { return };
    let id: i64 = id.parse().unwrap();
    if field("event:") == Some("change") {
        let data: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
        assert!(id > known.last, "{id} after {}", known.last);
        assert_eq!(data["operation"], "INSERT");
        let key = data["key"]["id"].as_str().unwrap().to_owned();
        assert!(known.heard.insert(key, id).is_none(), "heard twice: {data}");
    }
    assert!(id >= known.last, "{id} after {}", known.last);
    known.last = id;
}

/// Kill the server's process, and start it again over what it had written.
fn crash_postgres(server: Server, options: &Options) -> Server {
    let pid = server.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    drop(server);
    let started = Instant::now();
    loop {
        // its children see that it is gone a moment later
        match Server::obtain(options, &|_| {}) {
            Ok(server) => return server,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_event_is_there_once_and_told_once_whatever_is_killed() {
    let crashes: u32 = std::env::var("TERRANE_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let state = state_directory();
    let options = Options { external: None, state: state.path().to_path_buf(), cache: None, durable: true };
    let starting = options.clone();
    let obtain = move || Server::obtain(&starting, &|_| {}).unwrap();
    let mut server = tokio::task::spawn_blocking(obtain).await.unwrap();
    terrane_runtime::ensure_database(&server.admin_url(), "stock").await.unwrap();
    let port = free_port();
    let log = state.path().join("product.log");
    let mut product = Product::start(&server.url("stock"), port, &log);
    product.await_ready().await;
    let (known, stop) = (Arc::new(Mutex::new(Known::default())), Arc::new(AtomicBool::new(false)));
    let posters: Vec<_> = (0..POSTERS)
        .map(|poster| tokio::spawn(post(product.base(), poster, Arc::clone(&known), Arc::clone(&stop))))
        .collect();
    let follower = tokio::spawn(follow(product.base(), Arc::clone(&known)));
    for crash in 1..=crashes {
        let wait = rand::rng().random_range(0..1500);
        sleep(Duration::from_millis(wait)).await;
        if crash % 4 == 0 {
            let (old, options) = (server, options.clone());
            server = tokio::task::spawn_blocking(move || crash_postgres(old, &options)).await.unwrap();
            sleep(Duration::from_millis(wait)).await;
        }
        product.crash();
        if crash % 3 != 0 {
            // else it is killed while it starts
            product.await_ready().await;
        }
        assert!(!follower.is_finished(), "the subscriber has seen something wrong");
    }
    product.await_ready().await;
    stop.store(true, Ordering::Release);
    for poster in posters {
        poster.await.unwrap();
    }
    let acknowledged = known.lock().await.acknowledged.clone();
    let started = Instant::now();
    while known.lock().await.heard.len() < acknowledged.len() {
        assert!(!follower.is_finished(), "the subscriber has seen something wrong");
        let seen = known.lock().await.heard.len();
        assert!(started.elapsed() < Duration::from_secs(120), "{seen} of {} were told", acknowledged.len());
        sleep(Duration::from_millis(100)).await;
    }
    let known = known.lock().await;
    let pool = sqlx::PgPool::connect(&server.url("stock")).await.unwrap();
    for statement in ["SELECT id FROM input.sales", "SELECT id FROM output.sold"] {
        let stored: Vec<String> = sqlx::query_scalar(statement).fetch_all(&pool).await.unwrap();
        let once: BTreeSet<String> = stored.iter().cloned().collect();
        assert_eq!(stored.len(), once.len(), "{statement}: each once");
        assert_eq!(once, acknowledged, "{statement}: all that were acknowledged");
    }
    assert_eq!(known.heard.keys().cloned().collect::<BTreeSet<_>>(), acknowledged);
    let (events, connections) = (acknowledged.len(), known.connections);
    eprintln!("{events} events, {crashes} crashes, {connections} connections of the subscriber: each event once");
    follower.abort();
    pool.close().await;
    drop(product);
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
}
