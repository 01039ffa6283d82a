//! A gateway's subscribers don't see that a product was killed: its stream is opened again where it was.

use super::product::{Product, SECRET};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use terrane_testkit::{Client, Mesh, fresh_database, repository, state_directory};
use tokio::time::timeout;

const QUERY: &str = "subscription { itemChanges { position changes { operation key { code } row { amount } } } }";

/// Publish `amount` of item `a`.
async fn stock(client: &Client, amount: usize) {
    let body = format!("code,shelf,amount\na,north,{amount}\n");
    let posted = client.send(http::Method::POST, "/input/deliveries", &[("content-type", "text/csv")], body).await;
    assert!(posted.status.is_success(), "{}", posted.text());
    let run = client.graphql("mutation { runPipeline { state error } }", json!({})).await;
    assert_eq!(run["data"]["runPipeline"]["state"], "succeeded", "{run}");
}

#[tokio::test]
async fn subscribers_of_a_gateway_miss_nothing_when_the_product_is_killed() {
    let logs = state_directory();
    let url = fresh_database().await;
    let folder = repository().join("runtime/server/tests/products/stock");
    let mut product = Product::start(&folder, &url, &logs.path().join("product.log"), &[]);
    product.await_ready().await;
    let subgraphs = logs.path().join("subgraphs.json");
    let subgraph = json!([{"name": "stock", "url": format!("{}/graphql", product.base())}]);
    std::fs::write(&subgraphs, subgraph.to_string()).unwrap();
    let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--subgraphs", subgraphs.to_str().unwrap()];
    let binary = Path::new(env!("CARGO_BIN_EXE_terrane"));
    let environment = [("TERRANE_JWT_SECRET", SECRET)];
    let gateway = Mesh::start_in(binary, &arguments, &logs.path().join("gateway.log"), &environment).await;
    let http = Http::builder(TokioExecutor::new()).build_http::<String>();
    let request = http::Request::post(format!("{}/graphql", gateway.base()))
        .header("content-type", "application/json")
        .header("accept", "text/event-stream");
    let response = http.request(request.body(json!({"query": QUERY}).to_string()).unwrap()).await.unwrap();
    assert!(response.status().is_success());
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    // the first event tells the position; then each amount is told once and in order, whatever happens in between
    let mut expected = 0;
    let client = product.steward();
    while expected <= 4 {
        while let Some((event, rest)) = text.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let data: Option<Value> = data.and_then(|data| serde_json::from_str(data).ok());
            text = rest.to_owned();
            let Some(data) = data else { continue };
            let changes = data["data"]["itemChanges"]["changes"].as_array().unwrap_or_else(|| panic!("{data}")).clone();
            if expected == 0 {
                assert!(changes.is_empty());
                expected = 1;
                stock(&client, 1).await;
            }
            for change in changes {
                assert_eq!(change["row"]["amount"], json!(expected.to_string()), "{change}");
                expected += 1;
                if expected % 2 == 0 {
                    product.crash();
                    product.await_ready().await;
                }
                stock(&client, expected).await;
            }
        }
        let piece = timeout(Duration::from_secs(60), body.next()).await.expect("in time");
        text.push_str(str::from_utf8(&piece.expect("the stream goes on").unwrap()).unwrap());
    }
}
