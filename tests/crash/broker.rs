//! Brokers: a product that reads from a JetStream and publishes to one is killed again and again, and so is the
//! `nats-server`, which stays away for a while. Every message that the broker has acknowledged is stored exactly once, and
//! every change is published exactly once, in order.
//!
//! `TERRANE_CRASHES` says how often to kill.

use super::product::{LIMIT, Product, crashes};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, consumer, stream};
use futures_util::StreamExt as _;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terrane_testkit::{NatsServer, fresh_database, repository, state_directory};
use tokio::time::{sleep, timeout};

/// An attempt of a publisher.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two messages: the broker takes thousands in a second, and what it has must be published in the end.
const PAUSE: Duration = Duration::from_millis(20);

async fn connect(url: &str) -> Context {
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    jetstream::new(options.connect(url).await.unwrap())
}

/// Publish event after event, each until the broker has it. What it has acknowledged.
async fn publish(context: Context, stop: Arc<AtomicBool>) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let id = format!("{number:06}");
        let event = json!({"specversion": "1.0", "id": id, "source": "/crash", "type": "sale",
            "time": "2026-01-01T12:00:00Z", "data": {"code": "a", "amount": 1}});
        loop {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", "application/cloudevents+json");
            let sent = async {
                let sent = context.publish_with_headers("tills.1", headers, event.to_string().into()).await;
                sent.map_err(drop)?.await.map_err(drop)
            };
            if matches!(timeout(PATIENCE, sent).await, Ok(Ok(_))) {
                break;
            }
        }
        acknowledged.insert(id);
        sleep(PAUSE).await;
    }
    acknowledged
}

/// Positions and keys of what was published, in the stream's order.
async fn published(context: &Context) -> Vec<(i64, String)> {
    let Ok(stream) = context.get_stream("SOLD").await else { return Vec::new() };
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let config = consumer::pull::OrderedConfig::default();
    let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let read = |message: Result<jetstream::Message, _>| {
        let data: Value = serde_json::from_slice(&message.unwrap().payload).unwrap();
        assert_eq!(data["operation"], "INSERT");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["position"]).parse().unwrap(), text(&data["key"]["id"]))
    };
    messages.take(count).map(read).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_is_stored_once_and_published_once_whatever_is_killed() {
    let crashes = crashes(6);
    let mut broker = NatsServer::start();
    let context = connect(&broker.url()).await;
    let config =
        stream::Config { name: "TILLS".to_owned(), subjects: vec!["tills.>".to_owned()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    let (logs, url) = (state_directory(), fresh_database().await);
    let folder = repository().join("runtime/server/tests/products/tills");
    let log = logs.path().join("product.log");
    let mut product = Product::start(&folder, &url, &log, &["--nats-url", &broker.url()]);
    product.await_ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = tokio::spawn(publish(context.clone(), Arc::clone(&stop)));
    for crash in 1..=crashes {
        let wait = Duration::from_millis(rand::rng().random_range(0..1500));
        sleep(wait).await;
        if crash % 3 == 0 {
            broker.kill();
            sleep(wait).await;
            broker.start_again();
        } else {
            product.crash();
            product.await_ready().await;
        }
        if crash % 20 == 0 {
            eprintln!("{crash} of {crashes} crashes");
        }
    }
    stop.store(true, Ordering::Release);
    let acknowledged = publisher.await.unwrap();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let started = Instant::now();
    let stored = loop {
        let stored: Vec<String> = sqlx::query_scalar("SELECT id FROM input.sales").fetch_all(&pool).await.unwrap();
        let count = published(&context).await.len();
        if stored.len() >= acknowledged.len() && count >= acknowledged.len() {
            break stored;
        }
        let (all, log) = (acknowledged.len(), || std::fs::read_to_string(&log).unwrap());
        assert!(started.elapsed() < LIMIT, "{} and {count} of {all}\n{}", stored.len(), log());
        sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(stored.len(), acknowledged.len(), "each is stored once");
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), acknowledged);
    let published = published(&context).await;
    assert!(published.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
    assert_eq!(published.len(), acknowledged.len(), "each is published once");
    assert_eq!(published.into_iter().map(|(_, key)| key).collect::<BTreeSet<_>>(), acknowledged);
    eprintln!("{crashes} crashes: {} messages, each stored and published once", acknowledged.len());
    pool.close().await;
}
