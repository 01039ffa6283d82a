//! The audit log: turns requests to a product that is killed at any moment into their records: each request whose answer was
//! received has one, and no request has two.

use super::product::{Database, Product, crashes};
use http::Method;
use rand::Rng as _;
use serde_json::json;
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use terrane_testkit::{Client, repository, state_directory};
use tokio::sync::Mutex;
use tokio::time::sleep;

const READERS: usize = 4;
const QUICK: u32 = 8;
/// Every so many kills, the database is killed as well.
const OF_THE_DATABASE: u32 = 3;
const RETRY: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Answered {
    stop: AtomicBool,
    ids: Mutex<BTreeSet<String>>,
    sent: AtomicU64,
}

/// Read in all kinds of ways, each request under an id of its own.
async fn read(client: Client, reader: usize, answered: Arc<Answered>) {
    for number in 0.. {
        if answered.stop.load(Ordering::Acquire) {
            return;
        }
        let id = format!("{reader}-{number}");
        let headers = [("content-type", "application/json"), ("x-request-id", id.as_str())];
        let query = |text: &str| json!({ "query": text }).to_string();
        let (method, path, body) = match number % 3 {
            0 => (Method::POST, "/graphql", query("{ lines(first: 3) { nodes { id } totalCount } }")),
            1 => (Method::GET, "/output/lines.csv?limit=5", String::new()),
            _ => (Method::POST, "/graphql", query("{ auditLog { position } }")),
        };
        answered.sent.fetch_add(1, Ordering::Relaxed);
        // whatever it says: an answer was received, and so there is a record
        match client.try_send(method, path, &headers, body).await {
            Ok(_) => _ = answered.ids.lock().await.insert(id),
            Err(_) => sleep(RETRY).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_that_was_answered_is_on_record_once() {
    let state = state_directory();
    let mut database = Database::start(state.path()).await;
    let url = database.create("ledger").await;
    let folder = repository().join("tests/crash/ledger");
    let mut product = Product::start(&folder, &url, &state.path().join("product.log"), &[]);
    product.await_ready().await;
    let client = product.steward();
    let headers = [("content-type", "text/csv"), ("idempotency-key", "first")];
    let posted = client.send(Method::POST, "/input/files?mode=append", &headers, "id,file\na,1\nb,1\n").await;
    assert!(posted.status.is_success(), "{}", posted.text());
    let ran = client.graphql("mutation { runPipeline(pull: false) { state } }", json!({})).await;
    assert_eq!(ran["data"]["runPipeline"]["state"], "succeeded", "{ran}");

    let answered = Arc::new(Answered::default());
    let readers: Vec<_> =
        (0..READERS).map(|reader| tokio::spawn(read(client.clone(), reader, Arc::clone(&answered)))).collect();
    let kills = crashes(QUICK);
    for kill in 1..=kills {
        // shorter and longer than what waits does until it is moved
        let wait = rand::rng().random_range(0..900);
        sleep(Duration::from_millis(wait)).await;
        if kill % OF_THE_DATABASE == 0 {
            product.kill();
            database.crash().await;
            product.start_again();
        } else {
            product.crash();
        }
        product.await_ready().await;
    }
    answered.stop.store(true, Ordering::Release);
    for reader in readers {
        reader.await.unwrap();
    }
    // who looks has all brought into the database before
    let verified = client.graphql("{ auditVerification { intact broken entries } }", json!({})).await;
    assert_eq!(verified["data"]["auditVerification"]["intact"], true, "{verified}");

    let pool = PgPool::connect(&url).await.unwrap();
    let records: Vec<(String, i64)> = sqlx::query_as(
        "SELECT record ->> 'request', count(*) FILTER (WHERE record ->> 'ends' IS NULL) FROM control.audit \
         WHERE record ->> 'request' ~ '^[0-9]+-[0-9]+$' GROUP BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    let records: BTreeMap<String, i64> = records.into_iter().collect();
    let ids = answered.ids.lock().await;
    let lost: Vec<&String> = ids.iter().filter(|id| !records.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} answered requests have no record: {lost:?}", lost.len());
    let more: Vec<_> = records.iter().filter(|(_, count)| **count != 1).collect();
    assert!(more.is_empty(), "not recorded once: {more:?}");
    assert!(ids.len() > 20, "few requests were answered: {}", ids.len());
    eprintln!(
        "{kills} kills; {} requests sent, {} answered, {} on record",
        answered.sent.load(Ordering::Relaxed),
        ids.len(),
        records.len()
    );
    drop(ids);
    drop(product);
    database.stop().await;
}
