//! Batches that are being written for a long time: nobody waits for them, and each is in a version as a whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test")]

use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terrane_ingest::Upstreams;
use terrane_manifest::{Layer, Product};
use terrane_pipeline::{Applied, Pipeline, PipelineError, RunRequest};
use terrane_store::{BatchMode, BatchWriter, Closing, Incoming, RunTrigger, Store, StoreError, StoreOptions};
use terrane_testkit::fresh_database;

const DESCRIPTOR: &str = "apiVersion: v1.1.0
kind: DataProduct
id: shop
name: Shop
version: 1.0.0
status: active
inputPorts: [{name: events, version: 1.0.0, contractId: events}]
outputPorts: [{name: items, version: 1.0.0, type: graphql, contractId: items}]
team: {members: [{username: shop@example.org, role: owner}]}
";
/// By the keys of what came, all anew, and through a view.
const MODELS: [&[(&str, &str)]; 3] = [
    &[(
        "models/output/items.sql",
        "-- materialized: incremental\n-- key: id\nSELECT DISTINCT ON (id) id, amount FROM input.events ORDER BY id, \
         _position DESC",
    )],
    &[("models/output/items.sql", "SELECT DISTINCT ON (id) id, amount FROM input.events ORDER BY id, _position DESC")],
    &[
        ("models/abstraction/all_events.sql", "-- materialized: view\nSELECT id, amount FROM input.events"),
        ("models/output/items.sql", "SELECT id, max(amount) AS amount FROM abstraction.all_events GROUP BY id"),
    ],
];

async fn open(models: &[(&str, &str)]) -> (Store, Pipeline) {
    let mut files = BTreeMap::from([("dataproduct.odps.yaml".to_owned(), DESCRIPTOR.to_owned())]);
    for (name, key) in [("events", ""), ("items", ", primaryKey: true")] {
        let text = format!(
            "apiVersion: v3.2.0\nkind: DataContract\nid: {name}\nversion: 1.0.0\nschema:\n  - name: {name}\n    \
             properties:\n      - {{name: id, logicalType: string, physicalType: text, required: true{key}}}\n      - \
             {{name: amount, logicalType: integer, physicalType: bigint}}\n"
        );
        files.insert(format!("contracts/{name}.odcs.yaml"), text);
    }
    files.extend(models.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let loaded = terrane_manifest::load(&files);
    let product: Arc<Product> =
        Arc::new(loaded.unwrap_or_else(|d| panic!("{}", terrane_diagnostics::render_all(&d))).product);
    let store = Store::open(&StoreOptions::new(fresh_database().await), &product).await.unwrap();
    let pipeline = Pipeline::new(store.clone(), product, "/nowhere".into(), Arc::new(Upstreams::new()));
    rebuild(&pipeline).await;
    (store, pipeline)
}

async fn rebuild(pipeline: &Pipeline) {
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
    let run = pipeline.run(&request).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
}

/// An event, stored at once.
async fn event(store: &Store, id: &str) {
    sqlx::query("INSERT INTO input.events (id, amount, _batch) VALUES ($1, 1, gen_random_uuid())")
        .bind(id)
        .execute(store.owner())
        .await
        .unwrap();
}

async fn writer(store: &Store, pipeline: &Pipeline, mode: BatchMode, key: Option<&str>) -> BatchWriter {
    let product = pipeline.amended_product().await.unwrap();
    let dataset = product.dataset(Layer::Input, "events").unwrap();
    let incoming = Incoming { dataset, origin: "test", mode, from: None, key };
    let mut writer = store.open_batch(&incoming).await.unwrap().expect("a new batch");
    writer.start(&["id", "amount"]).await.unwrap();
    writer
}

async fn position(store: &Store) -> i64 {
    let sql =
        "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('input.events', '_position')::regclass), 0)";
    sqlx::query_scalar(sql).fetch_one(store.owner()).await.unwrap()
}

/// Binary COPY data.
async fn send(writer: &mut BatchWriter, ids: &[String], amount: i64) {
    let mut piece = Vec::new();
    for id in ids {
        piece.extend_from_slice(&3i16.to_be_bytes());
        piece.extend_from_slice(&i32::try_from(id.len()).unwrap().to_be_bytes());
        piece.extend_from_slice(id.as_bytes());
        piece.extend_from_slice(&8i32.to_be_bytes());
        piece.extend_from_slice(&amount.to_be_bytes());
        piece.extend_from_slice(&16i32.to_be_bytes());
        piece.extend_from_slice(writer.id().as_bytes());
    }
    writer.send(piece).await.unwrap();
}

/// Send, and wait until the rows have their positions.
async fn write(store: &Store, writer: &mut BatchWriter, ids: &[&str]) {
    let before = position(store).await;
    send(writer, &ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), 1).await;
    let started = Instant::now();
    while position(store).await < before + ids.len() as i64 {
        assert!(started.elapsed() < Duration::from_secs(30), "the rows are not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn items(store: &Store) -> Vec<String> {
    sqlx::query_scalar("SELECT id FROM output.items ORDER BY id").fetch_all(store.query()).await.unwrap()
}

async fn apply(pipeline: &Pipeline) -> Applied {
    let started = Instant::now();
    let applied = pipeline.apply_changes().await.unwrap();
    // a writer that is waited for makes it ten
    assert!(started.elapsed() < Duration::from_secs(8), "it waited {:?}", started.elapsed());
    applied
}

#[tokio::test]
async fn a_batch_that_takes_long_holds_up_neither_events_nor_runs_and_is_published_when_it_is_in() {
    for models in MODELS {
        let (store, pipeline) = open(models).await;
        let mut long = writer(&store, &pipeline, BatchMode::Append, Some("once")).await;
        write(&store, &mut long, &["u1", "u2"]).await;
        event(&store, "e1").await;
        assert!(matches!(apply(&pipeline).await, Applied::Published(_)), "{models:?}");
        assert_eq!(items(&store).await, ["e1"]);
        write(&store, &mut long, &["u3"]).await;
        event(&store, "e2").await;
        let started = Instant::now();
        rebuild(&pipeline).await;
        assert!(started.elapsed() < Duration::from_secs(8), "the run waited {:?}", started.elapsed());
        assert_eq!(items(&store).await, ["e1", "e2"]);
        let before = store.current_version().await.unwrap().unwrap();
        assert_eq!(before.inputs["events"].open.len(), 1);
        write(&store, &mut long, &["u4"]).await;
        let taken = long.finish(&Closing { rows: 4, ..Closing::default() }).await.unwrap();
        assert!(matches!(apply(&pipeline).await, Applied::Published(_)), "{models:?}");
        assert_eq!(items(&store).await, ["e1", "e2", "u1", "u2", "u3", "u4"], "{models:?}");
        assert_eq!(apply(&pipeline).await, Applied::Nothing);
        assert_eq!(store.current_version().await.unwrap().unwrap().inputs["events"].open, []);
        // the same once more is the same
        let product = pipeline.amended_product().await.unwrap();
        let dataset = product.dataset(Layer::Input, "events").unwrap();
        let incoming = Incoming { dataset, origin: "x", mode: BatchMode::Append, from: None, key: Some("once") };
        let known = store.open_batch(&incoming).await.unwrap().unwrap_err();
        assert_eq!((known.id, known.rows, known.repeated), (taken.id, 4, true));
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM control.open_batches").fetch_one(store.owner()).await.unwrap();
        assert_eq!(open, 0);
    }
}

#[tokio::test]
async fn a_long_replacement_changes_nothing_until_it_is_in() {
    let (store, pipeline) = open(MODELS[0]).await;
    event(&store, "old").await;
    assert!(matches!(apply(&pipeline).await, Applied::Published(_)));
    let mut long = writer(&store, &pipeline, BatchMode::Replace, None).await;
    write(&store, &mut long, &["new"]).await;
    event(&store, "meanwhile").await;
    assert!(matches!(apply(&pipeline).await, Applied::Published(_)));
    assert_eq!(items(&store).await, ["meanwhile", "old"]);
    long.finish(&Closing { rows: 1, ..Closing::default() }).await.unwrap();
    assert!(matches!(apply(&pipeline).await, Applied::NeedsRun(_)), "rows have gone");
    rebuild(&pipeline).await;
    assert_eq!(items(&store).await, ["meanwhile", "new"]);
}

#[tokio::test]
async fn what_a_writer_leaves_that_is_gone_is_passed_over_and_removed() {
    let (store, pipeline) = open(MODELS[0]).await;
    let mut gone = writer(&store, &pipeline, BatchMode::Append, None).await;
    write(&store, &mut gone, &["u1"]).await;
    drop(gone);
    event(&store, "e1").await;
    let product = pipeline.amended_product().await.unwrap();
    let dataset = product.dataset(Layer::Input, "events").unwrap();
    let left = "SELECT count(*) FROM control.open_batches";
    let started = Instant::now();
    while !store.input_state(dataset).await.unwrap().open.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30), "its transaction has not ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(apply(&pipeline).await, Applied::Published(_)));
    assert_eq!(items(&store).await, ["e1"]);
    let count: i64 = sqlx::query_scalar(left).fetch_one(store.owner()).await.unwrap();
    assert_eq!(count, 1, "it may have just begun, for all that others know");
    let hour_ago = "UPDATE control.open_batches SET opened_at = clock_timestamp() - interval '1 hour'";
    sqlx::query(hour_ago).execute(store.owner()).await.unwrap();
    store.input_state(dataset).await.unwrap();
    let count: i64 = sqlx::query_scalar(left).fetch_one(store.owner()).await.unwrap();
    assert_eq!(count, 0);
}

/// Batches of this writer that it has committed: each row has as its amount how many rows its batch has.
async fn write_batches(store: Store, pipeline: Pipeline, number: u64, stop: Arc<AtomicBool>) -> i64 {
    let (mut random, mut rows, mut batch) = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, 0);
    let mut below = move |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    while !stop.load(Ordering::Acquire) {
        batch += 1;
        let size = 1 + below(40) as i64;
        let ids: Vec<String> = (0..size).map(|row| format!("{number} {batch} {row}")).collect();
        let mut open = writer(&store, &pipeline, BatchMode::Append, None).await;
        for piece in ids.chunks(1 + below(20) as usize) {
            send(&mut open, piece, size).await;
            tokio::time::sleep(Duration::from_millis(below(12))).await;
        }
        if below(4) == 0 {
            open.refuse(&[]).await.unwrap();
        } else {
            open.finish(&Closing { rows: size.unsigned_abs(), ..Closing::default() }).await.unwrap();
            rows += size;
        }
    }
    rows
}

#[tokio::test]
async fn batches_of_many_writers_are_in_each_version_as_a_whole_or_not_at_all() {
    for models in MODELS {
        let (store, pipeline) = open(models).await;
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (1..=4)
            .map(|number| tokio::spawn(write_batches(store.clone(), pipeline.clone(), number, stop.clone())))
            .collect();
        let torn = "SELECT count(*) FROM (SELECT FROM output.items GROUP BY split_part(id, ' ', 1), split_part(id, ' ', 2) \
                    HAVING count(*) <> max(amount)) AS torn";
        for round in 0..16 {
            if round % 8 == 7 {
                rebuild(&pipeline).await;
            } else {
                match pipeline.apply_changes().await {
                    Ok(Applied::Nothing | Applied::Published(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            let torn: i64 = sqlx::query_scalar(torn).fetch_one(store.query()).await.unwrap();
            assert_eq!(torn, 0, "round {round}, {models:?}");
        }
        stop.store(true, Ordering::Release);
        let mut rows = 0;
        for writer in writers {
            rows += writer.await.unwrap();
        }
        pipeline.apply_changes().await.unwrap();
        assert_eq!(pipeline.apply_changes().await.unwrap(), Applied::Nothing, "{models:?}");
        assert_eq!(items(&store).await.len() as i64, rows, "nothing lost, nothing twice: {models:?}");
    }
}

#[tokio::test]
async fn who_writes_without_a_record_is_waited_for_and_then_told_of() {
    let (store, pipeline) = open(MODELS[0]).await;
    let mut by_hand = store.owner().begin().await.unwrap();
    let sql = "INSERT INTO input.events (id, amount, _batch) VALUES ('h', 1, gen_random_uuid())";
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *by_hand).await.unwrap();
    event(&store, "e1").await;
    let error = pipeline.apply_changes().await.unwrap_err();
    assert!(matches!(error, PipelineError::Store(StoreError::InputBusy(_))), "{error}");
    by_hand.commit().await.unwrap();
    assert!(matches!(apply(&pipeline).await, Applied::Published(_)));
    assert_eq!(items(&store).await, ["e1", "h"]);
}
