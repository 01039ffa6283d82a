//! Documents by hash and by id, as clients send them.

use super::support::{Gateway, code};
use http::Method;
use serde_json::{Value, json};
use std::process::Command;

/// The hash of `{ hello }`, as `sha256sum` has it.
fn hash(text: &str) -> String {
    let script = format!("printf %s '{text}' | sha256sum");
    let made = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(made.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn clients_register_documents_by_their_hash() {
    let gateway = Gateway::start("").await;
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash("{ hello }")}});
    let named = json!({ "extensions": extensions });
    let unknown = gateway.post(&[], named.to_string()).await;
    assert_eq!((unknown.status.as_u16(), code(&unknown.json())), (200, "PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(unknown.headers["cache-control"], "no-store");
    let accept = [("accept", "application/graphql-response+json")];
    assert_eq!(gateway.post(&accept, named.to_string()).await.status, 400);
    // what is no document is not kept
    let broken =
        json!({"query": "{ nope }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash("{ nope }")}}});
    assert_eq!(code(&gateway.ask(broken.clone()).await), "GRAPHQL_VALIDATION_FAILED");
    let named_broken = json!({ "extensions": broken["extensions"] });
    assert_eq!(code(&gateway.ask(named_broken).await), "PERSISTED_QUERY_NOT_FOUND");
    let hello = json!({"data": {"hello": "hello you"}});
    assert_eq!(gateway.ask(json!({"query": "{ hello }", "extensions": extensions})).await, hello);
    assert_eq!(gateway.ask(named).await, hello);
    // and with GET
    let query = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let get = gateway.client().get(&format!("/graphql?extensions={}", query(&extensions.to_string()))).await;
    assert_eq!(get.json(), hello);
    let wrong = json!({"query": "{ header(name: \"a\") }", "extensions": extensions});
    let wrong = gateway.post(&[], wrong.to_string()).await;
    assert_eq!((wrong.status.as_u16(), code(&wrong.json())), (400, "PERSISTED_QUERY_HASH_MISMATCH"));
}

#[tokio::test]
async fn only_trusted_documents_run_where_others_are_rejected() {
    let settings = "documents: {automatic: {enabled: false}, trusted: {path: DIR/documents.json, others: reject}}\n";
    let known = json!({"greet": "query Greet($n: String) { hello(name: $n) }", "change": "mutation { change }"});
    let gateway = Gateway::start_with(settings, &[("documents.json", &known.to_string())]).await;
    let hello = json!({"data": {"hello": "hello Ann"}});
    let variables = json!({"n": "Ann"});
    for name in ["documentId", "id", "doc_id"] {
        assert_eq!(gateway.ask(json!({name: "greet", "variables": variables})).await, hello, "{name}");
    }
    let apollo = json!({"persistedQuery": {"version": 1, "sha256Hash": "greet"}});
    assert_eq!(gateway.ask(json!({"extensions": apollo, "variables": variables})).await, hello);
    let text = json!({"query": "query Greet($n: String) { hello(name: $n) }", "variables": variables});
    assert_eq!(gateway.ask(text).await, hello);
    let get = gateway.client().get("/graphql?documentId=greet&variables=%7B%22n%22%3A%22Ann%22%7D").await;
    assert_eq!(get.json(), hello);
    assert_eq!(gateway.client().get("/graphql?documentId=change").await.status, 405);
    let asked = gateway.subgraph.count();
    assert_eq!(code(&gateway.ask(json!({"query": "{ hello }"})).await), "DOCUMENT_NOT_TRUSTED");
    assert_eq!(code(&gateway.ask(json!({"documentId": "nope"})).await), "DOCUMENT_NOT_FOUND");
    let hash = json!({"persistedQuery": {"version": 1, "sha256Hash": hash("{ hello }")}});
    assert_eq!(code(&gateway.ask(json!({ "extensions": hash })).await), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(gateway.subgraph.count(), asked);
    // the file changes: first for the worse, which changes nothing, then for the better
    gateway.write("documents.json", "{");
    gateway.write("documents.json", r#"{"other":"{ hello }"}"#);
    gateway.until(json!({"documentId": "other"}), |answer| answer["data"]["hello"] == "hello you").await;
    assert_eq!(code(&gateway.ask(json!({"documentId": "greet"})).await), "DOCUMENT_NOT_FOUND");
}

#[tokio::test]
async fn others_are_named_in_the_log_once() {
    let settings = "documents: {trusted: {path: DIR/documents.json, others: log}}\n";
    let gateway = Gateway::start_with(settings, &[("documents.json", r#"{"a":"{ hello }"}"#)]).await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(json!({"query": "{ hello }"})).await["errors"], Value::Null);
        let other = json!({"query": "query Other { thing { id } }", "operationName": "Other"});
        assert_eq!(gateway.ask(other).await["errors"], Value::Null);
    }
    let hash = hash("query Other { thing { id } }");
    let lines = gateway.mesh.output();
    let named: Vec<&str> = lines.lines().filter(|line| line.contains("not trusted")).collect();
    assert!(named.len() == 1 && named[0].contains(&hash) && named[0].contains("Other"), "{lines}");
}

#[tokio::test]
async fn requests_that_a_page_may_have_sent_unasked_are_refused() {
    let gateway =
        Gateway::start("csrf: {refuse: simple, headers: [x-preflight]}\ncors: {origins: [\"https://app.example\"]}\n")
            .await;
    let client = gateway.client();
    let path = "/graphql?query=%7Bhello%7D";
    let simple = client.get(path).await;
    assert_eq!((simple.status.as_u16(), code(&simple.json())), (400, "CSRF_PREVENTION"));
    let form = [("content-type", "text/plain")];
    assert_eq!(
        code(&client.send(Method::POST, "/graphql", &form, "{\"query\":\"{hello}\"}").await.json()),
        "CSRF_PREVENTION"
    );
    assert_eq!(client.send(Method::GET, path, &[("x-preflight", "1")], "").await.status, 200);
    let ask = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = client.send(Method::OPTIONS, "/graphql", &ask, "").await;
    assert_eq!(preflight.headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(preflight.headers["access-control-allow-headers"], "content-type");
    let ask = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let preflight = client.send(Method::OPTIONS, "/graphql", &ask, "").await;
    assert_eq!(preflight.headers.get("access-control-allow-origin"), None);
}

#[tokio::test]
async fn sockets_open_for_the_own_pages_and_those_that_may_ask() {
    let gateway = Gateway::start("cors: {origins: [\"https://app.example\"]}\n").await;
    let own = gateway.mesh.base();
    let opened = [None, Some(own.as_str()), Some("https://app.example"), Some("https://evil.example")];
    for (origin, status) in opened.into_iter().zip([101, 101, 101, 403]) {
        let mut headers = vec![
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "graphql-transport-ws"),
            ("x-request-id", "socket-1"),
        ];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let head = gateway.head(&headers).await;
        assert_eq!(head.status, status, "{origin:?}");
        if status == 101 {
            assert_eq!(head.headers["x-request-id"], "socket-1");
        }
    }
}
