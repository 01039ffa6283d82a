//! Runs of the shipped products against a real Postgres: published rows, quality results, failures that publish nothing.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use sqlx::Row as _;
use std::time::Duration;
use support::{open, open_at, request};
use terrane_store::RunTrigger;
use terrane_testkit::{copy_folder, fresh_database, product_folder, state_directory};

#[tokio::test]
async fn countries_are_published_checked_and_kept() {
    let (store, pipeline, product) = open(&product_folder("countries")).await;
    assert!(pipeline.is_stale().await.unwrap());
    let run = pipeline.run(&request()).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
    assert!(!pipeline.is_stale().await.unwrap());
    let row = sqlx::query("SELECT count(*), count(*) FILTER (WHERE code IN ('NO', 'NA')) FROM output.countries")
        .fetch_one(store.query())
        .await
        .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (250, 2));
    let results = store.quality_results(None).await.unwrap();
    assert!(results.len() > 20 && results.iter().all(|r| r.status == "passed"), "{results:#?}");
    let steps = store.steps(&[run.id]).await.unwrap();
    assert!(steps.iter().all(|s| s.state == "succeeded" && s.ended_at.is_some()), "{steps:#?}");
    // each searched field has an index of its own: whichever of them a role set may read, a search needs no other
    let searched = |fields: &[&str]| {
        let conditions: Vec<String> = fields
            .iter()
            .map(|f| format!("to_tsvector('simple', t0.\"{f}\") @@ websearch_to_tsquery('simple', 'republic')"))
            .collect();
        format!("EXPLAIN SELECT t0.\"code\" FROM \"output\".\"countries\" AS t0 WHERE ({})", conditions.join(" OR "))
    };
    for fields in [&["name"][..], &["name", "official_name", "capital"]] {
        let mut transaction = store.query().begin().await.unwrap();
        sqlx::raw_sql("SET LOCAL enable_seqscan = off").execute(&mut *transaction).await.unwrap();
        let explain = sqlx::AssertSqlSafe(searched(fields));
        let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut *transaction).await.unwrap();
        let plan = plan.join("\n");
        assert_eq!(plan.matches("Bitmap Index Scan").count(), fields.len(), "{plan}");
    }
    // the second version is made beside the first; going back swaps them
    let second = pipeline.run(&request()).await.unwrap();
    assert_eq!((run.version, second.version), (Some(1), Some(2)));
    let back = store.rollback(&product, 1).await.unwrap();
    assert_eq!((back.version, back.state.as_str()), (1, "current"));
    let states: Vec<String> = store.versions().await.unwrap().into_iter().map(|v| v.state).collect();
    assert_eq!(states, ["kept", "current"]);
    assert_eq!(store.rollback(&product, 7).await.unwrap_err().code(), "NO_SUCH_VERSION");
}

#[tokio::test]
async fn a_packed_source_is_read_and_the_contracts_indexes_answer_its_orders() {
    let (store, pipeline, _) = open(&product_folder("cities")).await;
    let run = pipeline.run(&request()).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'output.cities'::regclass ORDER BY 1",
    )
    .fetch_all(store.owner())
    .await
    .unwrap();
    let columns: Vec<&str> = indexes.iter().map(|text| text.split_once(" USING ").unwrap().1).collect();
    // the relationship to `countries` has one that also gives the key's order: nested lists are pages of it
    let expected = [
        "btree (country_code, id)",
        "btree (country_code, population DESC NULLS LAST, id)",
        "btree (id)",
        "btree (name, id)",
        "btree (population DESC NULLS LAST, id)",
        "gin (to_tsvector('simple'::regconfig, name))",
    ];
    assert_eq!(columns.len(), expected.len(), "{columns:?}");
    assert!(expected.iter().all(|e| columns.contains(e)), "{columns:?}");
    // the orders as the data port writes them are read from an index, not sorted
    for order in ["population DESC NULLS LAST, id", "id"] {
        let statement =
            format!("EXPLAIN SELECT name FROM output.cities WHERE country_code = 'NO' ORDER BY {order} LIMIT 5");
        let explained = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_all(store.query()).await;
        let plan: Vec<String> = explained.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("country_code = 'NO'") && plan.contains("Index Scan"), "{plan}");
        assert!(!plan.contains("Sort") && !plan.contains("Filter"), "{plan}");
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM output.cities").fetch_one(store.query()).await.unwrap();
    assert_eq!(rows, 135_233);
}

#[tokio::test]
async fn a_broken_source_publishes_nothing_and_names_the_rows() {
    let scratch = state_directory();
    copy_folder(&product_folder("continents"), scratch.path()).unwrap();
    let (store, pipeline, _) = open(scratch.path()).await;
    assert_eq!(pipeline.run(&request()).await.unwrap().state, "succeeded");
    let data = std::fs::read_dir(scratch.path().join("data")).unwrap().map(|e| e.unwrap().path());
    let file = data.into_iter().find(|p| p.extension().is_some_and(|e| e == "csv")).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let first_row = text.lines().nth(1).unwrap().to_owned();
    std::fs::write(&file, format!("{text}{first_row}\n")).unwrap();
    let run = pipeline.run(&request()).await.unwrap();
    assert_eq!((run.state.as_str(), run.error_code.as_deref()), ("failed", Some("CHECKS_FAILED")), "{run:?}");
    let code = first_row.split(',').next().unwrap();
    assert!(run.error.unwrap().contains(code), "the broken row's key is named");
    let current = store.current_version().await.unwrap().unwrap();
    assert_eq!((current.version, current.datasets[0].rows), (1, 7));
}

#[tokio::test]
async fn each_role_can_do_its_own_work_only() {
    let (store, pipeline, _) = open(&product_folder("continents")).await;
    pipeline.run(&request()).await.unwrap();
    for statement in [
        "SELECT * FROM input.continents_raw",
        "SELECT * FROM abstraction.continents",
        "SELECT * FROM security.policies",
        "SELECT * FROM control.runs",
        "DELETE FROM output.continents",
        "CREATE TABLE output.x (a int)",
    ] {
        assert!(sqlx::query(statement).execute(store.query()).await.is_err(), "query: {statement}");
    }
    for statement in [
        "SELECT * FROM security.policies",
        "DELETE FROM control.versions",
        "DELETE FROM output.continents",
        "INSERT INTO control.outbox (version, dataset, operation, before) VALUES (1, 'x', 'delete', '{}')",
        "TRUNCATE input.continents_raw",
    ] {
        assert!(sqlx::query(statement).execute(store.pipeline()).await.is_err(), "pipeline: {statement}");
    }
    for statement in [
        "SELECT * FROM output.continents",
        "UPDATE control.audit_blocks SET records = '{}'",
        "DELETE FROM control.runs",
    ] {
        assert!(sqlx::query(statement).execute(store.control()).await.is_err(), "control: {statement}");
    }
    assert!(sqlx::query("SELECT * FROM output.continents").execute(store.query()).await.is_ok());
}

#[tokio::test]
async fn two_runs_at_once_are_refused_and_an_interrupted_one_is_closed() {
    let (folder, url) = (product_folder("continents"), fresh_database().await);
    let (store, pipeline, _) = open_at(&folder, &url).await;
    let record = store.start_run(RunTrigger::Manual, None, true).await.unwrap();
    assert_eq!(pipeline.run(&request()).await.unwrap_err().code(), "RUN_IN_PROGRESS");
    let id = record.id;
    // what a killed process leaves: a running record, and a lock that its connection's end releases
    record.abandon().await;
    let (again, ..) = open_at(&folder, &url).await;
    assert_eq!(again.run(id).await.unwrap().unwrap().error_code.as_deref(), Some("RUN_INTERRUPTED"));
    assert_eq!(pipeline.run(&request()).await.unwrap().state, "succeeded");
}

#[tokio::test]
async fn records_of_old_runs_go_unless_a_version_is_theirs() {
    let scratch = state_directory();
    copy_folder(&product_folder("continents"), scratch.path()).unwrap();
    let (store, pipeline, _) = open(scratch.path()).await;
    let published = pipeline.run(&request()).await.unwrap();
    std::fs::remove_dir_all(scratch.path().join("data")).unwrap();
    for _ in 0..3 {
        assert_eq!(pipeline.run(&request()).await.unwrap().state, "failed");
    }
    let under_way = store.start_run(RunTrigger::Manual, None, true).await.unwrap();
    let prune = async |age, count| store.prune_runs(Duration::from_secs(age), count).await.unwrap();
    assert_eq!(prune(3600, 10).await, 0);
    assert_eq!((prune(0, 2).await, prune(0, 2).await, prune(0, 2).await), (2, 1, 0));
    let left: Vec<_> = store.runs(10).await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(left, [under_way.id, published.id]);
    assert!(!store.steps(&left).await.unwrap().is_empty());
    under_way.abandon().await;
}
