//! Settings: checking, changing while it runs, headers, request ids and the access log.

use super::support::{BINARY, Gateway, code, write_settings};
use serde_json::{Value, json};
use std::process::{Command, Output};
use terrane_testkit::state_directory;

fn check(settings: &str) -> Output {
    let folder = state_directory();
    let path = write_settings(folder.path(), "http://127.0.0.1:1/graphql", settings);
    Command::new(BINARY).args(["gateway", "--check-config", "--config"]).arg(&path).output().unwrap()
}

#[test]
fn all_findings_are_told_at_once() {
    let good = check("limits: {depth: 9}\n");
    assert!(good.status.success(), "{good:?}");
    let form = check("lisen: x\nlimits: {depth: many}\nauth: {jwt: {secret: \"${NOT_SET_ANYWHERE}\"}}\n");
    let text = String::from_utf8(form.stderr).unwrap();
    assert_eq!(form.status.code(), Some(1));
    for path in ["lisen: ", "limits.depth: ", "auth.jwt.secret: "] {
        assert!(text.lines().any(|line| line.trim().starts_with(path)), "{path} is missing:\n{text}");
    }
    let names =
        check("cors: {origins: [nowhere]}\ndocuments: {trusted: {path: /nonexistent}}\nforward_headers: [\"a b\"]\n");
    let text = String::from_utf8(names.stderr).unwrap();
    for path in ["cors.origins[0]: ", "documents.trusted.path: ", "forward_headers[0]: "] {
        assert!(text.lines().any(|line| line.trim().starts_with(path)), "{path} is missing:\n{text}");
    }
}

#[test]
fn a_graph_that_cannot_be_served_is_a_finding() {
    let folder = state_directory();
    let path = folder.path().join("gateway.yaml");
    let check = |sdl: &str| {
        std::fs::write(&path, format!("subgraphs: [{{name: a, url: \"http://a/\", sdl: \"{sdl}\"}}]\n")).unwrap();
        Command::new(BINARY).args(["gateway", "--check-config", "--config"]).arg(&path).output().unwrap()
    };
    assert!(check("type Query { a: Int }").status.success());
    let broken = check("type Query { a: Nothing }");
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("Nothing"), "{broken:?}");
}

/// What the subgraph saw of a header.
async fn header(gateway: &Gateway, name: &str, sent: &[(&str, &str)]) -> Value {
    let query = json!({"query": format!("{{ header(name: \"{name}\") }}")});
    let mut answer = gateway.post(sent, query.to_string()).await.json();
    assert_eq!(code(&answer), "", "{answer}");
    answer["data"]["header"].take()
}

#[tokio::test]
async fn subgraphs_are_sent_the_headers_that_the_rules_say() {
    let settings = "headers:\n  all:\n  - propagate: {name: x-tenant, rename: x-of, default: nobody}\n  - propagate_prefix: x-b3-\n  \
                    - insert: {name: x-from, value: terrane}\n  subgraphs:\n    a:\n    - remove: x-b3-flags\n    \
                    - insert: {name: x-only, value: a}\n";
    let gateway = Gateway::start(settings).await;
    let sent = [("x-tenant", "acme"), ("x-b3-trace", "1"), ("x-b3-flags", "2"), ("x-other", "3"), ("x-from", "4")];
    let expected = [
        ("x-tenant", Value::Null),
        ("x-of", json!("acme")),
        ("x-b3-trace", json!("1")),
        ("x-b3-flags", Value::Null),
        ("x-other", Value::Null),
        ("x-from", json!("terrane")),
        ("x-only", json!("a")),
    ];
    for (name, value) in expected {
        assert_eq!(header(&gateway, name, &sent).await, value, "{name}");
    }
    assert_eq!(header(&gateway, "x-of", &[]).await, "nobody");
    // what is not in the rules is as it is without them
    let token = header(&Gateway::start("").await, "x-tenant", &sent).await;
    assert_eq!(token, Value::Null);
}

#[tokio::test]
async fn requests_have_ids_that_go_along() {
    let gateway = Gateway::start("access_log: {enabled: true}\n").await;
    let body = r#"{"query":"query Who($secret: String) { header(name: \"x-request-id\") hello(name: $secret) }","operationName":"Who","variables":{"secret":"hidden"}}"#;
    let given = gateway.post(&[("x-request-id", "id-7"), ("authorization", "")], body).await;
    assert_eq!(given.headers["x-request-id"], "id-7");
    let plain = gateway.post(&[("x-request-id", "id-8")], body).await;
    assert_eq!(
        (plain.headers["x-request-id"].to_str().unwrap(), &plain.json()["data"]["header"]),
        ("id-8", &json!("id-8"))
    );
    let made = gateway.post(&[("x-request-id", "not sane")], body).await;
    let id = made.headers["x-request-id"].to_str().unwrap();
    assert_eq!((id.len(), &made.json()["data"]["header"]), (32, &json!(id)));
    let output = gateway.mesh.output();
    let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = lines.iter().find(|line| line["request_id"] == "id-8").unwrap();
    let kept = [&line["operation"], &line["method"], &line["status"], &line["outcome"], &line["complete"]];
    assert_eq!(kept, [&json!("Who"), &json!("POST"), &json!(200), &json!("answered"), &json!(true)], "{line}");
    assert_eq!(line["bytes"].as_u64().unwrap(), plain.body.len() as u64);
    assert!(line["document"].as_str().unwrap().len() == 64 && line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(!output.contains("hidden"), "{output}");
    // what is asked while a stream is read is named alike, and the line comes when the stream has ended
    let stream = gateway.post(&[("x-request-id", "id-10"), ("accept", "text/event-stream")], body).await;
    assert_eq!(stream.headers["x-request-id"], "id-10");
    assert!(stream.text().contains("{\"header\":\"id-10\""), "{}", stream.text());
    while !gateway.mesh.output().contains("\"request_id\":\"id-10\"") {
        tokio::task::yield_now().await;
    }
    // without ids there are none, and without a log no lines
    let off = Gateway::start("request_id: {enabled: false}\n").await;
    assert_eq!(off.post(&[("x-request-id", "id-9")], body).await.headers.get("x-request-id"), None);
    assert!(!off.mesh.output().contains("terrane::access"));
}

#[tokio::test]
async fn settings_change_while_it_runs() {
    let gateway = Gateway::start("").await;
    let batch = json!([{"query": "{ hello }"}]);
    assert_eq!(code(&gateway.ask(batch.clone()).await), "BATCHING_NOT_SUPPORTED");
    gateway.configure("batching: {enabled: true}\n");
    gateway.until(batch.clone(), |answer| answer[0]["data"]["hello"] == "hello you").await;
    // what is wrong changes nothing, and is told
    gateway.configure("batching: {enabled: perhaps}\n");
    while !gateway.mesh.output().contains("batching.enabled: ") {
        assert_eq!(gateway.ask(batch.clone()).await[0]["data"]["hello"], "hello you");
    }
    gateway.configure("batching: {enabled: false}\nserver: {drain_seconds: 9}\n");
    let hangup = Command::new("kill").args(["-HUP", &gateway.mesh.pid().to_string()]).status();
    assert!(hangup.unwrap().success());
    gateway.until(batch, |answer| code(answer) == "BATCHING_NOT_SUPPORTED").await;
    assert!(gateway.mesh.output().contains("until a restart"));
}

#[tokio::test]
async fn no_request_is_lost_while_settings_change() {
    let gateway = Gateway::start("").await;
    let reads = || gateway.mesh.output().matches("the settings were read again").count();
    for round in 1..=3 {
        let hangup = Command::new("kill").args(["-HUP", &gateway.mesh.pid().to_string()]).status();
        assert!(hangup.unwrap().success());
        while reads() < round {
            let asked = (0..8).map(|_| gateway.ask(json!({"query": "{ hello }"})));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(answer, json!({"data": {"hello": "hello you"}}));
            }
        }
    }
}
