//! Versions over real HTTP: kept ones are read as they were, what is published replaces what was there at once for every
//! reader, and contracts change only as their versions say.

#![allow(clippy::unwrap_used, reason = "a test")]

use chrono::Utc;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{
    ProductService, RunRequest, RunTrigger, RuntimeError, ServiceOptions, StoreOptions, Upstreams, router,
};
use terrane_testkit::{Client, copy_folder, fresh_database, repository, state_directory};

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const READ: &str = "{ entries(first: 1) { totalCount nodes { id batch } } totals { nodes { batch size allEntries } } }";

struct Ledger {
    service: ProductService,
    client: Client,
    folder: TempDir,
    url: String,
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

async fn serve(folder: &Path, url: &str) -> Result<(ProductService, Client), RuntimeError> {
    let config = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
    let options = ServiceOptions {
        folder: folder.to_path_buf(),
        // one server has the databases of all tests
        store: StoreOptions { query_connections: 4, ..StoreOptions::new(url) },
        authenticator: Authenticator::new(&config).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = router(service.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    Ok((service, Client::new(base)))
}

impl Ledger {
    async fn open() -> Self {
        let folder = state_directory();
        copy_folder(&repository().join("tests/killed/product"), folder.path()).unwrap();
        let url = fresh_database().await;
        let (service, client) = serve(folder.path(), &url).await.unwrap();
        Self { service, client, folder, url }
    }

    /// Serve the folder as it is now.
    async fn reopen(&mut self) -> Result<(), RuntimeError> {
        let (service, client) = serve(self.folder.path(), &self.url).await?;
        (self.service, self.client) = (service, client);
        Ok(())
    }

    fn steward(&self) -> Client {
        let roles = vec!["steward".to_owned()];
        let request =
            TokenRequest { subject: "tester".to_owned(), roles, lifetime_seconds: 3600, ..Default::default() };
        self.client.with_token(issue(SECRET, &request).unwrap())
    }

    /// Publish a version whose entries are `count` of `batch`.
    async fn publish(&self, batch: &str, count: usize) {
        let body: String = (0..count).map(|id| format!("{id},{batch}\n")).collect();
        let path = "/input/entries_raw?mode=replace";
        let headers = [("content-type", "text/csv")];
        let body = format!("id,batch\n{body}");
        let answer = self.steward().send(http::Method::POST, path, &headers, body).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
        let run = self.service.run(&request).await.unwrap();
        assert_eq!(run.state, "succeeded", "{run:?}");
    }

    async fn read(&self, query: &str, as_of: &str) -> Value {
        let headers = [("content-type", "application/json"), ("terrane-as-of", as_of)];
        let body = json!({ "query": query }).to_string();
        self.client.send(http::Method::POST, "/graphql", &headers, body).await.json()
    }

    /// Batch and count as of a version.
    async fn seen(&self, as_of: &str) -> (String, i64) {
        let answer = self.read(READ, as_of).await;
        let data = &answer["data"];
        let batch = data["totals"]["nodes"][0]["batch"].as_str().unwrap_or_else(|| panic!("{answer}"));
        (batch.to_owned(), data["entries"]["totalCount"].as_i64().unwrap())
    }
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn kept_versions_are_read_by_number_and_moment_until_retention_drops_them() {
    let ledger = Ledger::open().await;
    let before = Utc::now();
    ledger.publish("a", 1).await;
    let first = Utc::now();
    ledger.publish("b", 2).await;
    assert_eq!(ledger.seen("1").await, ("a".to_owned(), 1));
    assert_eq!(ledger.seen("2").await, ("b".to_owned(), 2));
    assert_eq!(ledger.seen(&first.to_rfc3339()).await, ("a".to_owned(), 1));
    assert_eq!(ledger.seen(&Utc::now().to_rfc3339()).await, ("b".to_owned(), 2));
    // the header says which one it was, and the port for tools reads it the same way
    let headers = [("content-type", "application/json"), ("terrane-as-of", "1")];
    let body = json!({ "query": READ }).to_string();
    let answer = ledger.client.send(http::Method::POST, "/graphql", &headers, body).await;
    assert_eq!(answer.headers["terrane-version"], "1");
    let rows = "{ rows(dataset: \"totals\", asOf: \"1\") { version rows } }";
    let answer = ledger.client.graphql(rows, json!({})).await;
    assert_eq!(answer["data"]["rows"], json!({"version": 1, "rows": [["a", 1, 1]]}));

    // files, too
    let file = ledger.client.send(http::Method::GET, "/output/totals.csv?asOf=1", &[], "").await;
    assert_eq!(file.text(), "batch,size,all_entries\r\na,1,1\r\n");
    let file = ledger.client.send(http::Method::GET, "/output/totals.csv?asOf=9", &[], "").await;
    assert_eq!((file.status.as_u16(), file.json()["error"]["code"].as_str()), (404, Some("UNKNOWN_VERSION")));

    // going back makes the first current again; what was current meanwhile stays what it was
    let second = Utc::now();
    let back = ledger.steward().graphql("mutation { rollback(version: 1) { version state } }", json!({})).await;
    assert_eq!(back["data"]["rollback"], json!({"version": 1, "state": "current"}));
    assert_eq!(ledger.seen("1").await, ("a".to_owned(), 1));
    assert_eq!(ledger.seen("2").await, ("b".to_owned(), 2));
    assert_eq!(ledger.seen(&second.to_rfc3339()).await, ("b".to_owned(), 2));
    assert_eq!(ledger.seen(&Utc::now().to_rfc3339()).await, ("a".to_owned(), 1));

    // three are kept beside the current one
    for count in 3..=5 {
        ledger.publish("c", count).await;
    }
    assert_eq!(code(&ledger.read(READ, "1").await), "VERSION_DROPPED");
    assert_eq!(code(&ledger.read(READ, &first.to_rfc3339()).await), "VERSION_DROPPED");
    assert_eq!(ledger.seen("2").await, ("b".to_owned(), 2));
    assert_eq!(code(&ledger.read(READ, "77").await), "UNKNOWN_VERSION");
    assert_eq!(code(&ledger.read(READ, &before.to_rfc3339()).await), "UNKNOWN_VERSION");
    assert_eq!(code(&ledger.read(READ, "yesterday").await), "BAD_USER_INPUT");
    let steward = ledger.steward();
    let headers = [("content-type", "application/json"), ("terrane-as-of", "2")];
    let body = json!({"query": "mutation { runPipeline { state } }"}).to_string();
    let answer = steward.send(http::Method::POST, "/graphql", &headers, body).await;
    assert!(!answer.status.is_success(), "an earlier version is not run: {}", answer.text());

    // what was published, and from what, is on record
    let versions = "{ versions { version state productVersion contracts { contract version } madeFrom } }";
    let answer = steward.graphql(versions, json!({})).await;
    let newest = &answer["data"]["versions"][0];
    assert_eq!((newest["version"].as_i64(), newest["productVersion"].as_str()), (Some(5), Some("1.0.0")));
    assert_eq!(newest["contracts"][0], json!({"contract": "ledger-source", "version": "1.0.0"}));
    let made_from = &newest["madeFrom"];
    assert_eq!(made_from["inputs"][0]["dataset"], "entries_raw");
    assert_eq!(made_from["inputs"][0]["batches"].as_array().unwrap().len(), 1, "{made_from}");
    assert_eq!(made_from["inputs"][0]["batches"][0]["rows"], 5);
    let model = &made_from["models"][0];
    assert_eq!((model["model"].as_str(), model["sha256"].as_str().unwrap().len()), (Some("output.entries"), 64));
}

#[tokio::test]
async fn versions_that_are_too_old_go_without_a_publish() {
    let ledger = Ledger::open().await;
    ledger.publish("a", 1).await;
    ledger.publish("b", 2).await;
    let store = ledger.service.store();
    let day = std::time::Duration::from_secs(86_400);
    let retention = terrane_manifest::Retention { versions: 3, age: Some(day), ..Default::default() };
    assert_eq!(store.apply_retention(retention).await.unwrap(), Vec::<i64>::new());
    sqlx::query("UPDATE control.versions SET ended_at = ended_at - interval '25 hours' WHERE version = 1")
        .execute(store.control())
        .await
        .unwrap();
    assert_eq!(store.apply_retention(retention).await.unwrap(), [1]);
    assert_eq!(code(&ledger.read(READ, "1").await), "VERSION_DROPPED");
    assert_eq!(ledger.seen("2").await, ("b".to_owned(), 2));
}

#[tokio::test]
async fn todays_policy_holds_for_earlier_versions() {
    let mut ledger = Ledger::open().await;
    ledger.publish("a", 1).await;
    ledger.publish("b", 2).await;
    let public = "required: true, classification: public, description: Batch, transformSourceObjects";
    let hidden = "required: true, classification: restricted, description: Batch, transformSourceObjects";
    change(ledger.folder.path(), "contracts/ledger.odcs.yaml", public, hidden);
    ledger.reopen().await.unwrap();
    let query = "{ entries { nodes { id batch } } }";
    let answer = ledger.read(query, "1").await;
    assert_eq!(code(&answer), "FORBIDDEN");
    assert_eq!(answer["data"]["entries"]["nodes"], json!([{"id": "0", "batch": null}]));
}

#[tokio::test]
async fn every_answer_is_of_one_version_while_versions_are_published_without_pause() {
    let ledger = Arc::new(Ledger::open().await);
    ledger.publish("v0", 1).await;
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut readers = Vec::new();
    for reader in 0..16 {
        let (ledger, stop, answers) = (ledger.clone(), stop.clone(), answers.clone());
        readers.push(tokio::spawn(async move {
            let mut newest = 0;
            while !stop.load(Ordering::Relaxed) {
                // some read the version before the newest that they saw: kept tables move under them, too
                let as_of = (reader % 4 == 3 && newest > 1).then(|| (newest - 1).to_string());
                let answer = match &as_of {
                    Some(version) => ledger.read(READ, version).await,
                    None => ledger.client.graphql(READ, json!({})).await,
                };
                if as_of.is_some() && answer["errors"].is_array() {
                    assert_eq!(code(&answer), "VERSION_DROPPED");
                    newest = 0;
                    continue;
                }
                let data = &answer["data"];
                let count = data["entries"]["totalCount"].as_u64().unwrap_or_else(|| panic!("{answer}"));
                let total = &data["totals"]["nodes"][0];
                assert_eq!(total["batch"], data["entries"]["nodes"][0]["batch"], "{answer}");
                assert_eq!(
                    (total["size"].as_u64(), total["allEntries"].as_u64()),
                    (Some(count), Some(count)),
                    "{answer}"
                );
                if let Some(version) = as_of {
                    assert_eq!(count.to_string(), version, "{answer}");
                } else {
                    assert!(count >= newest, "a reader went back from version {newest}: {answer}");
                    newest = count;
                }
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    // version n has n entries
    for version in 2..=25 {
        ledger.publish(&format!("v{version}"), version).await;
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    let answers = answers.load(Ordering::Relaxed);
    assert!(answers > 200, "{answers} answers while 24 versions were published");
}

#[tokio::test]
async fn a_contract_changes_as_its_version_says_and_layers_follow_without_losing_a_value() {
    let mut ledger = Ledger::open().await;
    ledger.publish("a", 1).await;
    let contract = "contracts/ledger.odcs.yaml";
    let totals = "- {id: total_size, name: size,";
    let more = "- {id: total_least, name: least, logicalType: integer, physicalType: bigint, logicalTypeOptions: {format: \
                i64}, classification: public, description: Least id, transformSourceObjects: [input.entries_raw.id]}\n      \
                - {id: total_size, name: size,";
    change(ledger.folder.path(), contract, totals, more);
    change(ledger.folder.path(), "models/output/totals.sql", "SELECT batch,", "SELECT batch, min(id) AS least,");
    let refused = ledger.reopen().await.unwrap_err().to_string();
    assert!(refused.contains("field `totals.least` is new") && refused.contains("version 1.1.0"), "{refused}");
    assert_eq!(ledger.seen("1").await, ("a".to_owned(), 1), "what is served stays served");
    change(ledger.folder.path(), contract, "version: 1.0.0", "version: 1.1.0");
    change(
        ledger.folder.path(),
        "dataproduct.odps.yaml",
        "name: Ledger\nversion: 1.0.0",
        "name: Ledger\nversion: 1.1.0",
    );
    ledger.reopen().await.unwrap();
    ledger.publish("b", 2).await;
    let query = "{ totals { nodes { batch least } } }";
    assert_eq!(ledger.read(query, "2").await["data"]["totals"]["nodes"], json!([{"batch": "b", "least": "0"}]));
    let answer = ledger.read(query, "1").await;
    assert_eq!(code(&answer), "VERSION_DIFFERS");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("`totals` has no field `least`"), "{answer}");
    assert_eq!(ledger.seen("1").await, ("a".to_owned(), 1), "what the version had is read");

    // a field that goes breaks consumers
    change(ledger.folder.path(), contract, more, totals);
    change(ledger.folder.path(), "models/output/totals.sql", "SELECT batch, min(id) AS least,", "SELECT batch,");
    change(ledger.folder.path(), contract, "version: 1.1.0", "version: 1.2.0");
    let refused = ledger.reopen().await.unwrap_err().to_string();
    assert!(refused.contains("breaks its consumers: field `totals.least` is gone"), "{refused}");
    assert!(refused.contains("version 2.0.0"), "{refused}");
    // the contract that was in force before may come back, with all that it was
    change(ledger.folder.path(), contract, "version: 1.2.0", "version: 1.0.0");
    change(
        ledger.folder.path(),
        "dataproduct.odps.yaml",
        "name: Ledger\nversion: 1.1.0",
        "name: Ledger\nversion: 1.0.0",
    );
    ledger.reopen().await.unwrap();
}

#[tokio::test]
async fn input_columns_take_another_type_only_if_every_value_stays_what_it_was() {
    let mut ledger = Ledger::open().await;
    // a view holds on to the types of what it reads
    std::fs::create_dir_all(ledger.folder.path().join("models/abstraction")).unwrap();
    let view = "-- materialized: view\nSELECT id, batch FROM input.entries_raw\n";
    std::fs::write(ledger.folder.path().join("models/abstraction/seen.sql"), view).unwrap();
    change(ledger.folder.path(), "models/output/entries.sql", "FROM input.entries_raw", "FROM abstraction.seen");
    ledger.reopen().await.unwrap();
    ledger.publish("12", 2).await;
    let source = "contracts/source.odcs.yaml";
    let text = "{id: batch, name: batch, logicalType: string, physicalType: text,";
    let number = "{id: batch, name: batch, logicalType: integer, physicalType: integer,";
    change(ledger.folder.path(), source, text, number);
    change(ledger.folder.path(), source, "version: 1.0.0", "version: 2.0.0");
    let descriptor = "dataproduct.odps.yaml";
    change(ledger.folder.path(), descriptor, "name: Ledger\nversion: 1.0.0", "name: Ledger\nversion: 2.0.0");
    change(ledger.folder.path(), "models/output/entries.sql", "SELECT id, batch", "SELECT id, batch::text AS batch");
    let types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'input.entries_raw'::regclass \
                 AND attname = 'batch'";
    // a value that is no number stops it, and nothing has changed
    sqlx::query(
        "INSERT INTO input.entries_raw (id, batch, _batch) SELECT 9, 'x', _batch FROM input.entries_raw LIMIT 1",
    )
    .execute(ledger.service.store().control())
    .await
    .unwrap();
    let refused = ledger.reopen().await.unwrap_err();
    assert!(refused.to_string().contains("column `batch`: its type was text and is integer"), "{refused}");
    let is: String = sqlx::query_scalar(types).fetch_one(ledger.service.store().owner()).await.unwrap();
    assert_eq!(is, "text");
    // so does one that would come back as another text
    sqlx::query("UPDATE input.entries_raw SET batch = '007' WHERE id = 9")
        .execute(ledger.service.store().owner())
        .await
        .unwrap();
    let refused = ledger.reopen().await.unwrap_err();
    assert!(refused.to_string().contains("1 value would change"), "{refused}");
    sqlx::query("UPDATE input.entries_raw SET batch = '7' WHERE id = 9")
        .execute(ledger.service.store().owner())
        .await
        .unwrap();
    ledger.reopen().await.unwrap();
    let is: String = sqlx::query_scalar(types).fetch_one(ledger.service.store().owner()).await.unwrap();
    assert_eq!(is, "integer");
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: false };
    assert_eq!(ledger.service.run(&request).await.unwrap().state, "succeeded");
    let answer = ledger.client.graphql("{ totals { nodes { batch size } } }", json!({})).await;
    assert_eq!(answer["data"]["totals"]["nodes"], json!([{"batch": "12", "size": 2}, {"batch": "7", "size": 1}]));
}
