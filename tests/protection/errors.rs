//! What clients read of subgraphs' errors.

use crate::support::{Gateway, Subgraph};
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn each_subgraph_has_its_own_mask() {
    let answer = |field: &'static str| {
        move |_, _| async move {
            let extensions = json!({"code": "BROKEN", "stack": "at main"});
            let error = json!({"message": "no route to 10.0.0.7", "path": [field], "extensions": extensions});
            (StatusCode::OK, json!({"data": {field: null}, "errors": [error]}))
        }
    };
    let (open, closed) = (Subgraph::start(answer("a")).await, Subgraph::start(answer("b")).await);
    let subgraphs = [
        ("open", open.address.as_str(), "type Query { a: Int }"),
        ("closed", closed.address.as_str(), "type Query { b: Int }"),
    ];
    let settings = "errors: {subgraphs: {closed: {messages: mask, extensions: [code]}}}";
    let gateway = Gateway::start(&subgraphs, settings, &[]).await;
    let read = async |query: &str| {
        let answer = gateway.client().graphql(query, json!({})).await;
        let error = answer["errors"][0].clone();
        (error["message"].as_str().unwrap().to_owned(), error["extensions"].clone(), error["path"].clone())
    };
    let (message, extensions, path) = read("{ a }").await;
    assert_eq!((message.as_str(), path), ("no route to 10.0.0.7", json!(["a"])));
    assert_eq!(extensions["stack"], "at main");
    let (message, extensions, path) = read("{ b }").await;
    assert_eq!((message.as_str(), path), ("subgraph `closed` reported an error", json!(["b"])));
    assert_eq!(extensions, json!({"code": "BROKEN", "serviceName": "closed"}));
    assert!(gateway.log().contains("no route to 10.0.0.7"), "the operator reads it");
}
