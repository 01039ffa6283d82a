//! Streams over plain HTTP: server-sent events in both modes, and multipart.

use super::clients::{post, request};
use super::mesh::{Options, start, token};
use http::Method;
use serde_json::{Value, json};

const CHANGED: &str = "subscription { changed { name stock } }";
const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";

#[tokio::test]
async fn server_sent_events_carry_a_subscription() {
    let mesh = start(Options::default()).await;
    let mut stream = post(mesh.address, SSE, CHANGED).await;
    assert_eq!(
        (stream.status.as_u16(), &stream.headers["content-type"]),
        (200, &"text/event-stream; charset=utf-8".parse().unwrap())
    );
    mesh.changes.streams(1).await;
    ["1", "2"].iter().for_each(|id| mesh.changes.send(*id));
    for n in [1, 2] {
        let expected = json!({"data": {"changed": {"name": format!("item {n}"), "stock": n}}});
        assert_eq!(stream.event().await, ("next".to_owned(), expected));
    }
    mesh.changes.send("end");
    assert_eq!(stream.event().await, ("complete".to_owned(), Value::Null));
    assert_eq!(stream.text().await, "");
    // Who goes ends the subgraph's stream.
    let stream = post(mesh.address, SSE, CHANGED).await;
    mesh.changes.streams(1).await;
    drop(stream);
    mesh.changes.streams(0).await;
}

#[tokio::test]
async fn server_sent_events_carry_queries_deferred_parts_and_errors() {
    let mesh = start(Options::default()).await;
    let path = "/graphql?query=%7Bitem(id:4)%7Bstock%7D%7D";
    let mut stream = request(mesh.address, Method::GET, path, &[("accept", SSE)], None).await;
    assert_eq!(stream.event().await.1, json!({"data": {"item": {"stock": 4}}}));
    assert_eq!(stream.event().await.0, "complete");

    let mut stream = post(mesh.address, SSE, "{ item(id: 5) { name ... @defer { stock } } }").await;
    assert_eq!(stream.event().await.1["data"], json!({"item": {"name": "item 5"}}));
    assert_eq!(stream.event().await.1["incremental"][0]["data"], json!({"stock": 5}));
    assert_eq!(stream.event().await.0, "complete");

    let mut stream = post(mesh.address, SSE, "{ nothing }").await;
    assert_eq!(stream.event().await.1["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(stream.event().await.0, "complete");

    let headers = [("accept", SSE), ("authorization", "Bearer nonsense")];
    let body = Some(json!({"query": CHANGED}));
    let mut answer = request(mesh.address, Method::POST, "/graphql", &headers, body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json().await["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let answer = request(mesh.address, Method::POST, "/graphql", &[("accept", SSE)], Some(json!([]))).await;
    assert_eq!(answer.status, 400);
    let answer = request(mesh.address, Method::POST, "/graphql", &[("accept", SSE)], None).await;
    assert_eq!(answer.status, 415);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let mesh = start(Options::default()).await;
    let token = token("analyst", 2);
    let headers = [("accept", SSE), ("authorization", token.as_str())];
    let body = Some(json!({"query": CHANGED}));
    let mut stream = request(mesh.address, Method::POST, "/graphql", &headers, body).await;
    assert_eq!(stream.event().await.1["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(stream.event().await.0, "complete");
    mesh.changes.streams(0).await;
}

#[tokio::test]
async fn one_reserved_stream_carries_many_operations() {
    let mesh = start(Options::default()).await;
    let mut reserved = request(mesh.address, Method::PUT, "/graphql", &[], None).await;
    assert_eq!(reserved.status, 201);
    let token = reserved.text().await;
    let headers = [("accept", SSE), ("x-graphql-event-stream-token", token.as_str())];
    let send = async |id: &str, query: &str| {
        let body = json!({"query": query, "extensions": {"operationId": id}});
        request(mesh.address, Method::POST, "/graphql", &headers[1..], Some(body)).await.status.as_u16()
    };
    // Before the stream is opened, too.
    assert_eq!(send("q", "{ item(id: 4) { stock } }").await, 202);
    let mut stream = request(mesh.address, Method::GET, "/graphql", &headers, None).await;
    assert_eq!(
        stream.event().await,
        ("next".to_owned(), json!({"id": "q", "payload": {"data": {"item": {"stock": 4}}}}))
    );
    assert_eq!(stream.event().await, ("complete".to_owned(), json!({"id": "q"})));

    assert_eq!(send("s", CHANGED).await, 202);
    mesh.changes.streams(1).await;
    assert_eq!(send("s", CHANGED).await, 409);
    mesh.changes.send("1");
    assert_eq!(stream.event().await.1["payload"]["data"]["changed"]["stock"], 1);
    let path = "/graphql?operationId=s";
    assert_eq!(request(mesh.address, Method::DELETE, path, &headers[1..], None).await.status, 200);
    mesh.changes.streams(0).await;

    assert_eq!(send("e", "{ nothing }").await, 202);
    assert_eq!(stream.event().await.1["payload"]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(stream.event().await.1, json!({"id": "e"}));

    // A second opening, an operation without id, and a stream that there is not.
    assert_eq!(request(mesh.address, Method::GET, "/graphql", &headers, None).await.status, 409);
    let nameless = request(mesh.address, Method::POST, "/graphql", &headers[1..], Some(json!({"query": "{a}"}))).await;
    assert_eq!(nameless.status, 400);
    let unknown = [("x-graphql-event-stream-token", "4f0e8a0c-0000-4000-8000-000000000000")];
    assert_eq!(request(mesh.address, Method::GET, "/graphql", &unknown, None).await.status, 404);

    // Its operations end with the stream.
    assert_eq!(send("s", CHANGED).await, 202);
    mesh.changes.streams(1).await;
    drop(stream);
    mesh.changes.streams(0).await;
    assert_eq!(send("s", CHANGED).await, 404);
}

#[tokio::test]
async fn multipart_carries_a_subscription_with_heartbeats() {
    let mut options = Options::default();
    options.subscriptions.heartbeat_seconds = 1;
    let mesh = start(options).await;
    let mut stream = post(mesh.address, MULTIPART, CHANGED).await;
    let content_type = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0";
    assert_eq!(stream.headers["content-type"], content_type);
    // Nothing happens but a sign of life.
    assert_eq!(stream.part().await, json!({}));
    mesh.changes.streams(1).await;
    mesh.changes.send("1");
    assert_eq!(stream.part().await, json!({"payload": {"data": {"changed": {"name": "item 1", "stock": 1}}}}));
    mesh.changes.send("end");
    assert_eq!(stream.text().await, "--\r\n");

    let mut refused = post(mesh.address, MULTIPART, "subscription { nothing }").await;
    assert_eq!(refused.json().await["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn a_subscription_in_a_plain_request_is_refused() {
    let mesh = start(Options::default()).await;
    let mut answer = post(mesh.address, "application/json", CHANGED).await;
    assert_eq!(answer.json().await["errors"][0]["extensions"]["code"], "UNSUPPORTED_OPERATION");
}
