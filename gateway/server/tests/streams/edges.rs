//! The edges of `graphql-transport-ws`: each has its close code.

use super::clients::Socket;
use super::mesh::{Options, start, token};
use serde_json::{Value, json};
use terrane_gateway::config::SubscriptionsConfig;
use tokio_tungstenite::tungstenite::Message;

const CHANGED: &str = "subscription { changed { id } }";

#[tokio::test]
async fn a_message_that_is_none_of_the_protocol_closes_with_4400() {
    let mesh = start(Options::default()).await;
    let messages = [
        Message::text("no JSON"),
        Message::text("[]"),
        Message::text("{\"type\":7}"),
        Message::text("{\"type\":\"start\"}"),
        Message::text("{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}"),
        Message::text("{\"type\":\"complete\"}"),
        Message::text("{\"type\":\"subscribe\",\"payload\":{\"query\":\"{item}\"}}"),
        Message::text("{\"type\":\"subscribe\",\"id\":\"\",\"payload\":{\"query\":\"{item}\"}}"),
        Message::text("{\"type\":\"subscribe\",\"id\":\"1\"}"),
        Message::text("{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{}}"),
        Message::text("{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":7}}"),
        Message::binary(b"{\"type\":\"ping\"}".to_vec()),
    ];
    for message in messages {
        let mut socket = Socket::ready(mesh.address).await;
        socket.send_raw(message.clone()).await;
        assert_eq!(socket.closed().await.0, 4400, "{message:?}");
    }
    let mut socket = Socket::open(mesh.address).await;
    socket.send(json!({"type": "connection_init", "payload": 7})).await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn other_breaches_have_their_own_codes() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::open(mesh.address).await;
    socket.subscribe("1", CHANGED).await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));

    let mut socket = Socket::open(mesh.address).await;
    socket.send(json!({"type": "connection_init", "payload": {"authorization": "Bearer nonsense"}})).await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4403);
    assert!(reason.starts_with("Forbidden: "), "{reason}");

    let mut socket = Socket::ready(mesh.address).await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.closed().await, (4429, "Too many initialisation requests".to_owned()));

    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("1", CHANGED).await;
    socket.subscribe("1", CHANGED).await;
    assert_eq!(socket.closed().await, (4409, "Subscriber for 1 already exists".to_owned()));
    // What the socket had ends with it.
    mesh.changes.streams(0).await;

    let mut socket = Socket::connect(mesh.address, "", &[]).await;
    assert_eq!(socket.closed().await.0, 4406);
}

#[tokio::test]
async fn a_socket_without_initialisation_is_closed_with_4408() {
    let subscriptions = SubscriptionsConfig { init_timeout_seconds: 0, ..SubscriptionsConfig::default() };
    let mesh = start(Options { subscriptions, ..Options::default() }).await;
    let mut socket = Socket::open(mesh.address).await;
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".to_owned()));
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let mesh = start(Options::default()).await;
    let init = json!({"type": "connection_init", "payload": {"authorization": token("analyst", 2)}});
    let mut socket = Socket::ready_with(mesh.address, init).await;
    socket.subscribe("1", CHANGED).await;
    assert_eq!(socket.closed().await, (4403, "Forbidden: the token has expired".to_owned()));
    mesh.changes.streams(0).await;
}

#[tokio::test]
async fn operations_on_a_socket_and_bytes_of_a_message_are_limited() {
    let subscriptions =
        SubscriptionsConfig { operations_per_socket: 1, message_bytes: 4096, ..SubscriptionsConfig::default() };
    let mesh = start(Options { subscriptions, ..Options::default() }).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("1", CHANGED).await;
    mesh.changes.streams(1).await;
    socket.subscribe("2", CHANGED).await;
    let error = socket.next().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("2")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    // The socket and its first operation go on.
    mesh.changes.send("9");
    assert_eq!(socket.payload("1").await, json!({"data": {"changed": {"id": "9"}}}));
    socket.send(json!({"type": "ping", "payload": {"long": "x".repeat(5000)}})).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn sockets_and_subscriptions_of_all_clients_are_limited() {
    let subscriptions = SubscriptionsConfig { sockets: 1, subscriptions: 1, ..SubscriptionsConfig::default() };
    let mesh = start(Options { subscriptions, ..Options::default() }).await;
    let mut socket = Socket::ready(mesh.address).await;
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/graphql", mesh.address)).await;
    assert!(refused.unwrap_err().to_string().contains("503"));
    socket.subscribe("1", CHANGED).await;
    mesh.changes.streams(1).await;
    socket.subscribe("2", CHANGED).await;
    let error: Value = socket.next().await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
}

#[tokio::test]
async fn who_turns_them_off_serves_no_streams() {
    let subscriptions = SubscriptionsConfig { enabled: false, ..SubscriptionsConfig::default() };
    let mesh = start(Options { subscriptions, ..Options::default() }).await;
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/graphql", mesh.address)).await;
    assert!(refused.unwrap_err().to_string().contains("503"));
    let mut answer = super::clients::post(mesh.address, "text/event-stream", CHANGED).await;
    assert_eq!(answer.status, 406);
    assert_eq!(answer.json().await["errors"][0]["extensions"]["code"], "UNSUPPORTED_OPERATION");
}

#[tokio::test]
async fn a_client_that_gives_no_sign_of_life_is_let_go() {
    let subscriptions = SubscriptionsConfig { heartbeat_seconds: 1, ..SubscriptionsConfig::default() };
    let mesh = start(Options { subscriptions, ..Options::default() }).await;
    let mut dead = Socket::ready(mesh.address).await;
    dead.subscribe("1", CHANGED).await;
    let mut alive = Socket::ready(mesh.address).await;
    alive.subscribe("1", CHANGED).await;
    mesh.changes.streams(1).await;
    // Only who reads answers pings.
    let reads = tokio::spawn(async move { alive.closed().await });
    assert_eq!(dead.closed_unread().await, (1001, "No sign of life".to_owned()));
    mesh.changes.streams(1).await;
    mesh.gateway.stop();
    assert_eq!(reads.await.unwrap(), (1001, "Going away".to_owned()));
}
