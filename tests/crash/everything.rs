//! Never lost, never twice: a product that is killed again and again while events and files come in, versions are made, and
//! changes leave, with Postgres killed as well. Every acknowledged event and row is stored and published exactly once, a
//! reader never sees a part of a version, and a subscriber that comes back with its last position has heard of each row
//! exactly once, in order.
//!
//! `TERRANE_CRASHES` says how often to kill. Every second time it is at any moment, else while a run publishes.

use super::feed::Follower;
use super::load::Load;
use super::moments::Moments;
use super::product::{Database, LIMIT, Product, crashes};
use rand::Rng as _;
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use terrane_testkit::{repository, state_directory};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_and_told_once_whatever_is_killed() {
    let crashes = crashes(6);
    let state = state_directory();
    let mut database = Database::start(state.path()).await;
    let url = database.create("ledger").await;
    let folder = repository().join("tests/crash/ledger");
    let mut product = Product::start(&folder, &url, &state.path().join("product.log"), &[]);
    product.await_ready().await;
    let load = Load::start(&product.steward());
    let followers = ["entries", "lines"].map(|dataset| Follower::start(&product.base(), dataset));
    let mut moments = Moments::of(&url).await;
    for crash in 1..=crashes {
        let wait = Duration::from_millis(rand::rng().random_range(0..1500));
        match crash % 2 {
            0 => moments.await_publish().await,
            _ => sleep(wait).await,
        }
        if crash % 5 == 0 {
            database.crash().await;
            sleep(wait).await;
        }
        product.kill();
        moments.note().await;
        product.start_again();
        if crash % 3 != 0 {
            // else it is killed while it starts
            product.await_ready().await;
        }
        if crash % 20 == 0 {
            eprintln!("{crash} of {crashes} crashes: {moments}");
        }
        for follower in &followers {
            follower.count().await;
        }
    }
    product.await_ready().await;
    let known = load.stop().await;
    // what came last is brought in by a run
    let client = product.steward();
    let started = Instant::now();
    let expected = [known.events.lock().await.clone(), known.rows.lock().await.clone()];
    let mutation = "mutation { runPipeline(pull: false) { state } }";
    while client.graphql(mutation, serde_json::json!({})).await["data"]["runPipeline"]["state"] != "succeeded" {
        assert!(started.elapsed() < LIMIT, "no run succeeds any more");
        sleep(Duration::from_millis(100)).await;
    }
    let pool = PgPool::connect(&url).await.unwrap();
    for ((follower, expected), tables) in
        followers.iter().zip(&expected).zip([["input.events", "output.entries"], ["input.files", "output.lines"]])
    {
        while follower.count().await < expected.len() {
            let heard = follower.count().await;
            assert!(started.elapsed() < LIMIT, "{heard} of {} were told of {tables:?}", expected.len());
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(follower.heard.lock().await.keys.keys().cloned().collect::<BTreeSet<_>>(), *expected);
        for table in tables {
            let select = sqlx::AssertSqlSafe(format!("SELECT id FROM {table}"));
            let stored: Vec<String> = sqlx::query_scalar(select).fetch_all(&pool).await.unwrap();
            let once: BTreeSet<String> = stored.iter().cloned().collect();
            assert_eq!(stored.len(), once.len(), "{table}: each once");
            assert_eq!(once, *expected, "{table}: all that were acknowledged");
        }
    }
    let unfinished: Vec<String> =
        sqlx::query_scalar("SELECT id::text FROM control.runs WHERE state = 'running'").fetch_all(&pool).await.unwrap();
    assert!(unfinished.is_empty(), "runs that were cut off are closed: {unfinished:?}");
    assert!(crashes < 20 || moments.cut_runs() > 0, "no kill fell into a run");
    let (reads, runs) = (known.reads.load(Ordering::Acquire), known.runs.load(Ordering::Acquire));
    assert!(reads > 0 && runs > 0, "{reads} reads, {runs} runs");
    let connections = followers[0].heard.lock().await.connections;
    eprintln!(
        "{crashes} crashes: {} events and {} rows, each stored, published and told once; {runs} runs published; {reads} \
         answers, none of them of parts of a version; the subscriber has come {connections} times; {moments}",
        expected[0].len(),
        expected[1].len()
    );
    pool.close().await;
    moments.close().await;
    drop(product);
    database.stop().await;
}
