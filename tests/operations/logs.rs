//! Logs: every line of a request has its id and its trace, at the gateway and at the product.

use crate::support::Pair;
use serde_json::Value;
use terrane_testkit::{Mesh, state_directory};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The lines with an id.
fn lines(mesh: &Mesh, id: &str) -> Vec<Value> {
    let output = mesh.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["request_id"] == id).collect()
}

#[tokio::test]
async fn an_id_and_a_trace_are_on_the_lines_of_gateway_and_product() {
    let environment = [("TERRANE_LOG", "info,terrane::access=debug"), ("TERRANE_LOG_FORMAT", "json")];
    let mut pair = Pair::start(&environment, "access_log: {enabled: true}\n").await;
    let names = [("x-request-id", "id-7"), ("traceparent", PARENT)];
    let answer = pair.ask(&names).await;
    assert_eq!(answer.headers["x-request-id"], "id-7");
    let product = lines(&pair.product, "id-7");
    assert_eq!(product.len(), 1, "{}", pair.product.output());
    assert_eq!((&product[0]["trace_id"], &product[0]["status"]), (&TRACE.into(), &200.into()), "{}", product[0]);
    // the line is written when the response has been sent
    let mut gateway = Vec::new();
    while gateway.is_empty() {
        gateway = lines(&pair.gateway, "id-7");
    }
    assert_eq!(gateway.len(), 1, "{}", pair.gateway.output());
    assert_eq!((&gateway[0]["trace_id"], &gateway[0]["operation"]), (&TRACE.into(), &"Names".into()));

    // also the lines of what fails on the way
    pair.product.end("KILL");
    let names = [("content-type", "application/json"), ("x-request-id", "id-8"), ("traceparent", PARENT)];
    pair.gateway.client().send(http::Method::POST, "/graphql", &names, crate::support::QUERY).await;
    let failed: Vec<Value> =
        lines(&pair.gateway, "id-8").into_iter().filter(|line| line["message"] == "subgraph request failed").collect();
    assert_eq!(failed.len(), 1, "{}", pair.gateway.output());
    assert_eq!(failed[0]["trace_id"], TRACE);
}

#[tokio::test]
async fn a_product_names_requests_itself_where_nobody_did() {
    let folder = state_directory();
    let product = crate::support::product(folder.path(), &[]).await;
    let ids =
        [crate::support::ask(&product, &[]).await, crate::support::ask(&product, &[("x-request-id", "a b")]).await];
    let ids = ids.map(|answer| answer.headers["x-request-id"].to_str().unwrap().to_owned());
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 32), "{ids:?}");
}

#[tokio::test]
async fn an_operation_over_a_stream_has_a_line_of_its_own() {
    let pair = Pair::start(&[("TERRANE_LOG_FORMAT", "json")], "access_log: {enabled: true}\n").await;
    let names = [("content-type", "application/json"), ("accept", "text/event-stream"), ("x-request-id", "id-9")];
    let answer = pair.gateway.client().send(http::Method::POST, "/graphql", &names, crate::support::QUERY).await;
    assert!(answer.text().contains("event: complete"), "{}", answer.text());
    let over_stream = || lines(&pair.gateway, "id-9").into_iter().find(|line| line.get("responses").is_some());
    let mut line = None;
    while line.is_none() {
        line = over_stream();
    }
    let line = line.unwrap();
    let said = (&line["operation"], &line["outcome"], &line["responses"]);
    assert_eq!(said, (&"Names".into(), &"complete".into(), &1.into()), "{line}");
    assert!(line["document"].as_str().is_some_and(|digest| digest.len() == 64), "{line}");
}
