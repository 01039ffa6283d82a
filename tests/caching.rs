//! Kept answers of a product: for as long as its contract says, and not a second longer than its version.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use terrane_testkit::{Client, Mesh, copy_folder, product_folder, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const TYPE: &str = "      - {property: graphqlType, value: Continent, vendor: terrane}\n";

#[tokio::test]
async fn answers_are_kept_until_the_product_publishes() {
    let state = state_directory();
    let folder = state.path().join("products/continents");
    copy_folder(&product_folder("continents"), &folder).unwrap();
    let contract = folder.join("contracts/continents.odcs.yaml");
    let text = fs::read_to_string(&contract).unwrap();
    assert!(text.contains(TYPE));
    let allowing = format!("{TYPE}      - {{property: cacheMaxAge, value: 3600, vendor: terrane}}\n");
    fs::write(&contract, text.replace(TYPE, &allowing)).unwrap();
    let (products, kept) = (state.path().join("products"), state.path().join("state"));
    let arguments =
        ["dev", "--port", "{port}", "--products", products.to_str().unwrap(), "--state", kept.to_str().unwrap()];
    let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
    let client = mesh.client();

    // what the product says of its answers
    let control = async |query: &str| {
        let json = [("content-type", "application/json")];
        let body = json!({ "query": query }).to_string();
        let answer = client.send(http::Method::POST, "/products/continents/graphql", &json, body).await;
        answer.headers.get("cache-control").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(control("{ continent(code: \"AF\") { name } }").await.as_deref(), Some("private, max-age=3600"));
    assert_eq!(control("{ continent(code: \"AF\") { name } product { id } }").await, None);
    assert_eq!(control("{ continent(code: \"AF\") { nope } }").await, None);

    // the gateway keeps them
    assert_eq!(name(&client).await, "Africa");
    let hits = "terrane_gateway_cache_hits_total{subgraph=\"continents\"}";
    until(async || {
        name(&client).await == "Africa"
            && client.get("/metrics").await.text().lines().any(|line| line.starts_with(hits) && !line.ends_with(" 0"))
    })
    .await;

    // until there are new ones
    let csv = folder.join("data/continents.csv");
    let rows = fs::read_to_string(&csv).unwrap().replace("AF,Africa,", "AF,Afrika,");
    fs::write(&csv, rows).unwrap();
    let token = std::process::Command::new(BINARY)
        .args(["token", "--role", "steward", "--state", kept.to_str().unwrap()])
        .output()
        .unwrap();
    let steward = client.with_token(String::from_utf8(token.stdout).unwrap().trim());
    let run = steward.graphql("mutation { runPipeline(product: \"continents\") { state version } }", Value::Null).await;
    assert_eq!(run["data"]["runPipeline"], json!({"state": "succeeded", "version": 2}), "{run}");
    until(async || name(&client).await == "Afrika").await;
}

async fn name(client: &Client) -> String {
    let answer = client.graphql("{ continent(code: \"AF\") { name } }", Value::Null).await;
    answer["data"]["continent"]["name"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
