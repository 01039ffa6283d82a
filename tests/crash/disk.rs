//! A disk that is full: Postgres may write no file beyond a size, as where there is no more room. What can't be stored is
//! refused as a whole, what was published stays as it is, and once there is room again the same is taken in once.

use super::product::{Database, Product};
use http::Method;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use terrane_testkit::{Answer, Client, repository, state_directory};

/// A segment of the log is smaller, and the rows of the test are more.
const ROOM: &str = "--fsize=20971520:unlimited";
const MORE_ROOM: &str = "--fsize=unlimited:unlimited";
const ROWS: usize = 30_000;

/// Say how large a file of the server may get; its processes from now on go by it.
fn limit(database: &Database, limit: &str) {
    let pid = database.pid().to_string();
    // who owns a process may limit it; the one who has started it may be another one
    let owner = std::fs::metadata(format!("/proc/{pid}")).unwrap();
    let mut command = Command::new("prlimit");
    let done = command.uid(owner.uid()).gid(owner.gid()).args(["--pid", &pid, limit]).status();
    assert!(done.is_ok_and(|status| status.success()), "the server's process can be limited");
}

async fn post(client: &Client, key: &str, rows: usize) -> Answer {
    let note = "x".repeat(1000);
    let rows: String = (0..rows).map(|i| format!("{key}-{i},{key},{note}\n")).collect();
    let headers = [("content-type", "text/csv"), ("idempotency-key", key)];
    client.send(Method::POST, "/input/files?mode=append", &headers, format!("id,file,note\n{rows}")).await
}

async fn run(client: &Client) -> Value {
    let mutation = "mutation { runPipeline(pull: false) { state error } }";
    client.graphql(mutation, json!({})).await["data"]["runPipeline"].take()
}

async fn lines(client: &Client) -> Value {
    client.graphql("{ lines { totalCount } }", json!({})).await["data"]["lines"]["totalCount"].take()
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_is_there() {
    let state = state_directory();
    let database = Database::start(state.path()).await;
    let url = database.create("ledger").await;
    let folder = repository().join("tests/crash/ledger");
    let mut product = Product::start(&folder, &url, &state.path().join("product.log"), &[]);
    product.await_ready().await;
    let client = product.steward();
    assert!(post(&client, "small", 10).await.status.is_success());
    assert_eq!(run(&client).await["state"], "succeeded");

    limit(&database, ROOM);
    // connections that are open go by what was the limit then
    product.crash();
    product.await_ready().await;
    let refused = post(&client, "large", ROWS).await;
    assert!(refused.status.is_server_error(), "{} {}", refused.status, refused.text());
    assert!(!refused.text().contains("base/"), "a path of the server is nobody's business: {}", refused.text());
    assert_eq!(lines(&client).await, 10);

    limit(&database, MORE_ROOM);
    product.crash();
    product.await_ready().await;
    let taken = post(&client, "large", ROWS).await;
    assert!(taken.status.is_success(), "{}", taken.text());
    assert_eq!(taken.json()["repeated"], false);
    assert_eq!(post(&client, "large", ROWS).await.json()["repeated"], true);

    // the rows are in; now there is no room for what is made from them
    limit(&database, ROOM);
    product.crash();
    product.await_ready().await;
    assert_eq!(run(&client).await["state"], "failed");
    assert_eq!(lines(&client).await, 10);
    limit(&database, MORE_ROOM);
    product.crash();
    product.await_ready().await;
    assert_eq!(run(&client).await["state"], "succeeded");
    assert_eq!(lines(&client).await, ROWS + 10);
    drop(product);
    database.stop().await;
}
