//! Incremental equals full: random models over random rows that come, change and go, brought in step by step, against
//! views that compute the same from all rows.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use terrane_ingest::Upstreams;
use terrane_manifest::Product;
use terrane_pipeline::{Applied, Pipeline, RunRequest};
use terrane_store::{RunTrigger, Store, StoreOptions};
use terrane_testkit::fresh_database;

const DESCRIPTOR: &str = "apiVersion: v1.1.0
kind: DataProduct
id: shop
name: Shop
version: 1.0.0
status: active
inputPorts:
  - {name: events, version: 1.0.0, contractId: events}
  - {name: regions, version: 1.0.0, contractId: regions}
outputPorts:
  - {name: items, version: 1.0.0, type: graphql, contractId: items}
  - {name: totals, version: 1.0.0, type: graphql, contractId: totals}
team: {members: [{username: shop@example.org, role: owner}]}
";

const CONTRACTS: [(&str, &str); 4] = [
    (
        "events",
        "properties:
      - {name: id, logicalType: string, physicalType: text}
      - {name: region, logicalType: string, physicalType: text}
      - {name: kind, logicalType: string, physicalType: text}
      - {name: amount, logicalType: integer, physicalType: bigint}",
    ),
    (
        "regions",
        "properties:
      - {name: code, logicalType: string, physicalType: text}
      - {name: label, logicalType: string, physicalType: text}",
    ),
    (
        "items",
        "customProperties: [{property: graphqlType, value: Item, vendor: terrane}]
    properties:
      - {name: id, logicalType: string, physicalType: text, primaryKey: true, required: true}
      - {name: region, logicalType: string, physicalType: text}
      - {name: amount, logicalType: integer, physicalType: bigint}
      - {name: label, logicalType: string, physicalType: text}",
    ),
    (
        "totals",
        "customProperties: [{property: graphqlType, value: Total, vendor: terrane}]
    properties:
      - {name: region, logicalType: string, physicalType: text, primaryKey: true, required: true}
      - {name: items, logicalType: integer, physicalType: bigint, required: true}
      - {name: amount, logicalType: number, physicalType: numeric}
      - {name: largest, logicalType: string, physicalType: text}",
    ),
];

/// The same choices on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn pick<'p>(&mut self, items: &[&'p str]) -> &'p str {
        items[self.below(items.len())]
    }
}

/// Models: each with the ways in which it may be written. The first two lines of a way are its head.
fn models(random: &mut Random) -> Vec<(&'static str, String)> {
    let latest = random.pick(&[
        "-- materialized: incremental\n-- key: id\nSELECT DISTINCT ON (id) id, region, kind, amount FROM input.events \
         ORDER BY id, _position DESC",
        "-- materialized: incremental\n-- key: id\nSELECT n.id, n.region, n.kind, n.amount FROM (SELECT e.*, \
         row_number() OVER (PARTITION BY e.id ORDER BY e._position DESC) AS nth FROM input.events AS e) AS n WHERE n.nth = 1",
        "-- materialized: incremental\n-- key: id\nWITH last AS (SELECT id, max(_position) AS place FROM input.events GROUP BY \
         id) SELECT l.id, (SELECT max(r.code) FROM input.regions r WHERE r.code = x.r) AS region, x.k AS kind, x.a AS \
         amount FROM last AS l CROSS JOIN LATERAL (SELECT 'a' AS r, CASE WHEN l.id IS NULL THEN 'gone' ELSE 'set' END AS k, length(l.id)::bigint AS a) AS x",
        "SELECT DISTINCT ON (id) id, region, kind, amount FROM input.events ORDER BY id, _position DESC",
    ]);
    let live = random.pick(&[
        "-- materialized: view\nSELECT id, region, amount FROM abstraction.latest WHERE kind <> 'gone'",
        "-- materialized: incremental\n-- key: id\nSELECT id, region, amount FROM abstraction.latest WHERE kind <> 'gone'",
        "-- materialized: incremental\n-- key: region\nSELECT id, region, amount FROM abstraction.latest WHERE kind <> 'gone'",
        "SELECT id, region, amount FROM abstraction.latest WHERE kind <> 'gone'",
    ]);
    let items = random.pick(&[
        "-- materialized: incremental\n-- key: id\nSELECT l.id, l.region, l.amount, r.label FROM abstraction.live AS l LEFT \
         JOIN (SELECT code, max(label) AS label FROM input.regions GROUP BY code) AS r ON r.code = l.region",
        "-- materialized: incremental\n-- key: id\nSELECT id, region, amount, (SELECT max(r.label) FROM input.regions r WHERE \
         r.code = l.region) AS label FROM abstraction.live AS l WHERE amount IS DISTINCT FROM 3",
        "SELECT id, region, amount, NULL::text AS label FROM abstraction.live",
    ]);
    let totals = random.pick(&[
        "-- materialized: incremental\n-- key: region\nSELECT region, count(*) AS items, sum(amount) AS amount, \
         (array_agg(id ORDER BY amount DESC NULLS LAST, id))[1] AS largest FROM abstraction.live WHERE region IS NOT NULL \
         GROUP BY region",
        "-- materialized: incremental\n-- key: region\nSELECT t.region, t.items, t.amount, NULL::text AS largest FROM (SELECT \
         region, count(*) AS items, sum(amount) AS amount FROM output.items GROUP BY region HAVING count(*) > 1) AS t WHERE \
         t.region IS NOT NULL",
        "SELECT region, count(*) AS items, sum(amount) AS amount, min(id) AS largest FROM output.items WHERE region IS NOT \
         NULL GROUP BY region",
    ]);
    vec![
        ("models/abstraction/latest.sql", latest.to_owned()),
        ("models/abstraction/live.sql", live.to_owned()),
        ("models/output/items.sql", items.to_owned()),
        ("models/output/totals.sql", totals.to_owned()),
    ]
}

fn product(models: &[(&'static str, String)]) -> Arc<Product> {
    let mut files = BTreeMap::from([("dataproduct.odps.yaml".to_owned(), DESCRIPTOR.to_owned())]);
    for (name, rest) in CONTRACTS {
        let text = format!(
            "apiVersion: v3.2.0\nkind: DataContract\nid: {name}\nversion: 1.0.0\nschema:\n  - name: {name}\n    {rest}\n"
        );
        files.insert(format!("contracts/{name}.odcs.yaml"), text);
    }
    files.extend(models.iter().map(|(path, text)| ((*path).to_owned(), text.clone())));
    Arc::new(
        terrane_manifest::load(&files).unwrap_or_else(|d| panic!("{}", terrane_diagnostics::render_all(&d))).product,
    )
}

async fn open(models: &[(&'static str, String)]) -> (Store, Pipeline) {
    let product = product(models);
    let store = Store::open(&StoreOptions::new(fresh_database().await), &product).await.unwrap();
    let pipeline = Pipeline::new(store.clone(), product, "/nowhere".into(), Arc::new(Upstreams::new()));
    (store, pipeline)
}

async fn rebuild(pipeline: &Pipeline) {
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
    let run = pipeline.run(&request).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
}

async fn execute(store: &Store, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(store.owner()).await.unwrap();
}

/// Rows that come, and sometimes some that change or go. Which table's positions moved only.
async fn change_inputs(store: &Store, random: &mut Random) {
    let rows = 1 + random.below(6);
    for _ in 0..rows {
        let id = random.pick(&["'p'", "'q'", "'r'", "'s'", "'t'", "'u'", "'v'"]);
        let id = if random.below(30) == 0 { "NULL" } else { id };
        let region = random.pick(&["'a'", "'b'", "'c'", "NULL"]);
        let kind = random.pick(&["'set'", "'set'", "'gone'"]);
        let amount = random.pick(&["1", "2", "3", "NULL"]);
        // an item without an id breaks the contract of `items`
        let kind = if id == "NULL" { "'gone'" } else { kind };
        execute(
            store,
            format!(
                "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ({id}, {region}, {kind}, {amount}, \
                 gen_random_uuid())"
            ),
        )
        .await;
    }
    match random.below(12) {
        0 => {
            let (code, label) = (random.pick(&["'a'", "'b'"]), random.pick(&["'A'", "'B'", "'Z'"]));
            let insert =
                format!("INSERT INTO input.regions (code, label, _batch) VALUES ({code}, {label}, gen_random_uuid())");
            execute(store, insert).await;
        }
        1 => execute(store, "DELETE FROM input.events WHERE id = 'q'".to_owned()).await,
        2 => execute(store, "UPDATE input.events SET amount = 7 WHERE id = 'r'".to_owned()).await,
        _ => {}
    }
}

/// Views in the session that compute each model from all input rows.
async fn make_truth(connection: &mut PgConnection, models: &[(&'static str, String)]) {
    for (path, text) in models {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".sql");
        let mut sql = text.clone();
        for (other, _) in models {
            let other = other.trim_start_matches("models/").trim_end_matches(".sql").replace('/', ".");
            let table = other.rsplit('.').next().unwrap().to_owned();
            sql = sql.replace(&other, &format!("pg_temp.true_{table}"));
        }
        let view = format!("CREATE TEMP VIEW true_{name} AS {sql}");
        sqlx::raw_sql(AssertSqlSafe(view)).execute(&mut *connection).await.unwrap();
    }
}

async fn lines(connection: &mut PgConnection, table: &str, columns: &str) -> Vec<String> {
    let sql = format!("SELECT ROW({columns})::text AS line FROM {table} ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
}

const TABLES: [(&str, &str, &str); 4] = [
    ("abstraction", "latest", "id, region, kind, amount"),
    ("abstraction", "live", "id, region, amount"),
    ("output", "items", "id, region, amount, label"),
    ("output", "totals", "region, items, amount, largest"),
];

async fn assert_true(connection: &mut PgConnection, what: &str) {
    for (layer, table, columns) in TABLES {
        let found = lines(connection, &format!("{layer}.{table}"), columns).await;
        let truth = lines(connection, &format!("pg_temp.true_{table}"), columns).await;
        assert_eq!(found, truth, "{layer}.{table}, {what}");
    }
}

/// What whoever follows the outbox has is what is published.
async fn assert_followed(store: &Store) {
    for (dataset, key) in [("items", "id"), ("totals", "region")] {
        let mut followed: BTreeMap<String, Value> = BTreeMap::new();
        let outbox = sqlx::query(
            "SELECT operation, coalesce(row, before), row FROM control.outbox WHERE dataset = $1 ORDER BY position",
        )
        .bind(dataset)
        .fetch_all(store.owner())
        .await
        .unwrap();
        for change in outbox {
            let (operation, name): (String, Value) = (change.get(0), change.get(1));
            let name = name[key].to_string();
            let before = match operation.as_str() {
                "delete" => followed.remove(&name),
                _ => followed.insert(name.clone(), change.get::<Value, _>(2)),
            };
            assert_eq!(before.is_some(), operation != "insert", "{operation} of {dataset} {name}");
        }
        let rows = format!("SELECT to_jsonb(t) FROM output.{dataset} AS t");
        let rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(store.owner()).await.unwrap();
        let published: BTreeMap<String, Value> = rows.into_iter().map(|row| (row[key].to_string(), row)).collect();
        assert_eq!(followed, published, "{dataset}");
    }
}

#[tokio::test]
async fn incremental_equals_a_full_rebuild() {
    let (mut in_place, mut whole, mut nothing) = (0, 0, 0);
    for seed in 0..10 {
        let mut random = Random(seed);
        let models = models(&mut random);
        let what = format!("seed {seed}: {models:#?}");
        let (store, pipeline) = open(&models).await;
        let mut connection = store.owner().acquire().await.unwrap();
        make_truth(&mut connection, &models).await;
        rebuild(&pipeline).await;
        for step in 0..12 {
            if random.below(10) > 0 {
                change_inputs(&store, &mut random).await;
            }
            match pipeline.apply_changes().await.unwrap_or_else(|e| panic!("{e}, step {step}, {what}")) {
                Applied::Published(_) => in_place += 1,
                Applied::NeedsRun(_) => {
                    whole += 1;
                    rebuild(&pipeline).await;
                }
                Applied::Nothing => nothing += 1,
            }
            assert_true(&mut connection, &format!("step {step}, {what}")).await;
        }
        assert_followed(&store).await;
        drop(connection);
        store.close().await;
    }
    // all of it was put to the test
    assert!(in_place > 50 && whole > 6 && nothing > 3, "{in_place} in place, {whole} whole, {nothing} nothing");
}

fn plain_models() -> Vec<(&'static str, String)> {
    vec![
        (
            "models/abstraction/latest.sql",
            "-- materialized: incremental\n-- key: id\nSELECT DISTINCT ON (id) id, region, kind, amount FROM input.events \
             ORDER BY id, _position DESC"
                .to_owned(),
        ),
        (
            "models/abstraction/live.sql",
            "-- materialized: view\nSELECT id, region, amount FROM abstraction.latest WHERE kind <> 'gone'".to_owned(),
        ),
        (
            "models/output/items.sql",
            "-- materialized: incremental\n-- key: id\nSELECT id, region, amount, NULL::text AS label FROM abstraction.live"
                .to_owned(),
        ),
        (
            "models/output/totals.sql",
            "-- materialized: incremental\n-- key: region\nSELECT region, count(*) AS items, sum(amount) AS amount, min(id) \
             AS largest FROM abstraction.live GROUP BY region"
                .to_owned(),
        ),
    ]
}

#[tokio::test]
async fn versions_in_place_take_each_others_place_and_keep_nothing() {
    let (store, pipeline) = open(&plain_models()).await;
    assert!(matches!(pipeline.apply_changes().await.unwrap(), Applied::NeedsRun(_)));
    rebuild(&pipeline).await;
    assert_eq!(pipeline.apply_changes().await.unwrap(), Applied::Nothing);
    let event = |id: &str, amount: i64| {
        format!(
            "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ('{id}', 'a', 'set', {amount}, \
             gen_random_uuid())"
        )
    };
    for (number, amount) in [(2, 5), (3, 6)] {
        execute(&store, event("p", amount)).await;
        let Applied::Published(done) = pipeline.apply_changes().await.unwrap() else { panic!("it is published") };
        assert_eq!((done.version.version, done.version.kind.as_str(), done.changes), (number, "stream", 2));
        assert_eq!(done.version.datasets.iter().map(|d| d.rows).collect::<Vec<_>>(), [1, 1]);
    }
    // a row that changes nothing makes no version, and is not looked at again
    execute(&store, event("p", 6)).await;
    let Applied::Published(done) = pipeline.apply_changes().await.unwrap() else { panic!("it is looked at") };
    assert_eq!((done.version.version, done.changes), (3, 0));
    assert_eq!(pipeline.apply_changes().await.unwrap(), Applied::Nothing);
    let versions = store.versions().await.unwrap();
    let shown: Vec<_> = versions.iter().map(|v| (v.version, v.kind.as_str(), v.state.as_str())).collect();
    assert_eq!(shown, [(3, "stream", "current"), (1, "batch", "dropped")]);
    // the next run keeps what readers saw last
    rebuild(&pipeline).await;
    let product = product(&plain_models());
    assert_eq!(store.rollback(&product, 3).await.unwrap().version, 3);
    let amount: i64 = sqlx::query_scalar("SELECT amount FROM output.items").fetch_one(store.query()).await.unwrap();
    assert_eq!(amount, 6);
    execute(&store, event("p", 7)).await;
    assert!(
        matches!(pipeline.apply_changes().await.unwrap(), Applied::NeedsRun(_)),
        "what is current is not the newest"
    );
}

#[tokio::test]
async fn a_change_that_breaks_the_contract_changes_nothing() {
    let (store, pipeline) = open(&plain_models()).await;
    rebuild(&pipeline).await;
    execute(
        &store,
        "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ('p', NULL, 'set', 1, gen_random_uuid())"
            .to_owned(),
    )
    .await;
    let error = pipeline.apply_changes().await.unwrap_err();
    assert_eq!(error.code(), "CONSTRAINT_FAILED", "{error}");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM output.items").fetch_one(store.query()).await.unwrap();
    assert_eq!((rows, store.current_version().await.unwrap().unwrap().version), (0, 1));
    // the lock was let go of: a run finds the same, and names the row
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
    let run = pipeline.run(&request).await.unwrap();
    assert_eq!(run.error_code.as_deref(), Some("CHECKS_FAILED"), "{run:?}");
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_not_passed_by() {
    let (store, pipeline) = open(&plain_models()).await;
    rebuild(&pipeline).await;
    let insert = |id: &str| {
        format!(
            "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ('{id}', 'a', 'set', 1, gen_random_uuid())"
        )
    };
    // takes its position first, and is committed last
    let mut late = store.owner().begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(insert("late"))).execute(&mut *late).await.unwrap();
    execute(&store, insert("early")).await;
    let waiting = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.apply_changes().await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it waits for who writes");
    late.commit().await.unwrap();
    assert!(matches!(waiting.await.unwrap().unwrap(), Applied::Published(_)));
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM output.items").fetch_one(store.query()).await.unwrap();
    assert_eq!(rows, 2);
}

/// Models that all read the inputs by themselves, or through a view.
fn side_by_side() -> Vec<(&'static str, String)> {
    let live = "-- materialized: view\nSELECT id, region, amount FROM input.events";
    let items = "SELECT id, region, amount, NULL::text AS label FROM abstraction.live";
    let totals = "SELECT region, count(*) AS items, sum(amount) AS amount, min(id) AS largest FROM abstraction.live GROUP \
                  BY region";
    vec![
        ("models/abstraction/live.sql", live.to_owned()),
        ("models/output/items.sql", items.to_owned()),
        ("models/output/totals.sql", totals.to_owned()),
    ]
}

/// Run; after `items` is built and before `totals` is, do `meanwhile`. What both datasets have then, and the run's log.
async fn run_with(store: &Store, pipeline: &Pipeline, meanwhile: &str) -> ((i64, i64), String) {
    let mut held = store.owner().begin().await.unwrap();
    sqlx::raw_sql("CREATE TABLE output_next.totals (held integer)").execute(&mut *held).await.unwrap();
    let running = tokio::spawn({
        let pipeline = pipeline.clone();
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
        async move { pipeline.run(&request).await.unwrap() }
    });
    let is_built = "SELECT EXISTS (SELECT FROM control.steps JOIN control.runs r ON r.id = run_id WHERE r.state = 'running' \
                    AND name = 'output.items' AND steps.state = 'succeeded')";
    while !sqlx::query_scalar::<_, bool>(is_built).fetch_one(store.control()).await.unwrap() {
        assert!(!running.is_finished(), "{:?}", running.await);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    execute(store, meanwhile.to_owned()).await;
    held.rollback().await.unwrap();
    let run = running.await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
    let log = store.run_log(run.id, None, 100).await.unwrap();
    (counted(store).await, log.into_iter().map(|line| line.message + "\n").collect())
}

/// Rows of `items`, and as many as `totals` speaks of.
async fn counted(store: &Store) -> (i64, i64) {
    let counts =
        "SELECT (SELECT count(*) FROM output.items), (SELECT coalesce(sum(items), 0)::bigint FROM output.totals)";
    sqlx::query_as(counts).fetch_one(store.query()).await.unwrap()
}

#[tokio::test]
async fn all_models_of_a_run_read_the_inputs_of_one_moment() {
    let (store, pipeline) = open(&side_by_side()).await;
    let event = |id: &str| {
        format!(
            "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ('{id}', 'a', 'set', 1, gen_random_uuid());"
        )
    };
    execute(&store, event("first")).await;
    let (counts, _) = run_with(&store, &pipeline, &event("second")).await;
    assert_eq!(counts, (1, 1), "what comes later is not in this version");
    assert!(matches!(pipeline.apply_changes().await.unwrap(), Applied::Published(_)));
    assert_eq!(counted(&store).await, (2, 2), "and in the next, where the view reads the inputs as they are");
    // the view is kept now, `items` and `totals` are not: their inputs have another content
    execute(&store, "DELETE FROM input.events WHERE id = 'first'".to_owned()).await;
    let (counts, log) = run_with(&store, &pipeline, &event("third")).await;
    assert_eq!(counts, (1, 1), "{log}");
    // the moment is gone with the rows: another is taken
    execute(&store, event("fourth")).await;
    let replace = format!("DELETE FROM input.events; {}", event("anew"));
    let (counts, log) = run_with(&store, &pipeline, &replace).await;
    assert_eq!(counts, (1, 1), "{log}");
    assert!(log.contains("rows of input events went or were changed"), "{log}");
    assert_eq!(pipeline.apply_changes().await.unwrap(), Applied::Nothing);
}

#[tokio::test]
async fn a_run_gives_up_on_inputs_that_are_replaced_all_the_while() {
    let (store, pipeline) = open(&side_by_side()).await;
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let replacing = tokio::spawn({
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        async move {
            while !stop.load(std::sync::atomic::Ordering::Acquire) {
                execute(
                    &store,
                    "INSERT INTO input.events (id, region, kind, amount, _batch) VALUES ('p', 'a', 'set', 1, \
                 gen_random_uuid()); DELETE FROM input.events"
                        .to_owned(),
                )
                .await;
            }
        }
    });
    let run = pipeline.run(&request).await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Release);
    replacing.await.unwrap();
    assert_eq!(run.error_code.as_deref(), Some("INPUTS_CHANGED"), "{run:?}");
    assert!(store.current_version().await.unwrap().is_none());
}
