//! The protocol `graphql-transport-ws` as clients use it.

use super::clients::Socket;
use super::mesh::{Options, start, token};
use serde_json::json;
use std::sync::Arc;
use terrane_auth::{ApiKey, ApiKeys};
use terrane_gateway::MeshRules;
use terrane_gateway::config::{
    DemandConfig, DemandMode, ErrorMessages, ErrorRule, ErrorsConfig, RateConfig, RatesConfig,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const CHANGED: &str = "subscription { changed { id name stock } }";

#[tokio::test]
async fn queries_and_subscriptions_go_over_one_socket() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.send(json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "payload": {"n": 1}}));
    socket.subscribe("q", "{ item(id: 7) { name stock } }").await;
    assert_eq!(socket.payload("q").await, json!({"data": {"item": {"name": "item 7", "stock": 7}}}));
    assert_eq!(socket.next().await, json!({"id": "q", "type": "complete"}));

    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("1");
    assert_eq!(socket.payload("s").await, json!({"data": {"changed": {"id": "1", "name": "item 1", "stock": 1}}}));
    // The client's end is the subgraph's end.
    socket.send(json!({"id": "s", "type": "complete"})).await;
    mesh.changes.streams(0).await;
    // An id that is done may be used again.
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("end");
    assert_eq!(socket.next().await, json!({"id": "s", "type": "complete"}));
    drop(socket);
}

#[tokio::test]
async fn events_keep_their_order_and_each_is_enriched() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("a", CHANGED).await;
    socket.subscribe("b", "subscription { changed(topic: \"b\") { stock } }").await;
    mesh.changes.streams(2).await;
    let (mut a, mut b) = (0, 0);
    for round in 0..10 {
        (0..20).for_each(|n| mesh.changes.send((round * 20 + n).to_string()));
        while a < (round + 1) * 20 || b < (round + 1) * 20 {
            let message = socket.next().await;
            let changed = &message["payload"]["data"]["changed"];
            let count = if message["id"] == "a" { &mut a } else { &mut b };
            assert_eq!(changed["stock"], *count, "{message}");
            if message["id"] == "a" {
                assert_eq!(changed["name"], format!("item {count}"));
            }
            *count += 1;
        }
    }
}

#[tokio::test]
async fn what_fails_for_one_event_is_in_its_response_only() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    ["broken", "lost", "3"].iter().for_each(|id| mesh.changes.send(*id));
    let broken = socket.payload("s").await;
    assert_eq!(broken["data"]["changed"], json!({"id": "broken", "name": null, "stock": null}));
    assert_eq!(broken["errors"][0]["path"], json!(["changed", "name"]), "{broken}");
    let lost = socket.payload("s").await;
    assert_eq!(lost["data"]["changed"]["name"], "item lost");
    assert_eq!(lost["errors"][0]["path"], json!(["changed", "stock"]), "{lost}");
    assert_eq!(lost["errors"][0]["extensions"]["serviceName"], "stock");
    let fine = socket.payload("s").await;
    assert_eq!(fine, json!({"data": {"changed": {"id": "3", "name": "item 3", "stock": 3}}}));
}

#[tokio::test]
async fn an_operation_that_does_not_run_is_an_error_of_it_alone() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("x", "subscription { nothing }").await;
    let error = socket.next().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("x")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    socket.subscribe("x", "{ item(id: 1) { stock } }").await;
    assert_eq!(socket.payload("x").await, json!({"data": {"item": {"stock": 1}}}));
}

#[tokio::test]
async fn the_meshs_policy_counts_for_the_caller_of_the_connection() {
    let policy = "p, anonymous, Item.stock, read, deny\np, guest, Subscription.changed, read, deny".to_owned();
    let mesh = start(Options { policy: Some(policy), ..Options::default() }).await;
    let mut anonymous = Socket::ready(mesh.address).await;
    anonymous.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("1");
    let seen = anonymous.payload("s").await;
    assert_eq!(seen["data"]["changed"], json!({"id": "1", "name": "item 1", "stock": null}));
    assert_eq!(seen["errors"][0]["extensions"]["code"], "FORBIDDEN");

    let init = |authorization: String| json!({"type": "connection_init", "payload": {"authorization": authorization}});
    let mut analyst = Socket::ready_with(mesh.address, init(token("analyst", 60))).await;
    analyst.subscribe("s", CHANGED).await;
    mesh.changes.streams(2).await;
    mesh.changes.send("2");
    assert_eq!(analyst.payload("s").await["data"]["changed"]["stock"], 2);

    // A denied root field is answered once; nobody is asked.
    let mut guest = Socket::ready_with(mesh.address, init(token("guest", 60))).await;
    guest.subscribe("s", CHANGED).await;
    let refused = guest.payload("s").await;
    assert_eq!(refused["data"], json!(null));
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(guest.next().await, json!({"id": "s", "type": "complete"}));
}

#[tokio::test]
async fn rules_that_come_while_a_subscription_is_open_count_for_its_next_event() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("1");
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 1);
    mesh.rules.replace(MeshRules::new(Some("p, anonymous, Item.stock, read, deny")).unwrap());
    mesh.changes.send("2");
    let seen = socket.payload("s").await;
    assert_eq!(seen["data"]["changed"], json!({"id": "2", "name": "item 2", "stock": null}));
    assert_eq!(seen["errors"][0]["extensions"]["code"], "FORBIDDEN");
    mesh.rules.replace(MeshRules::new(None).unwrap());
    mesh.changes.send("3");
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 3);
}

/// Budgets and rates count what is asked over a socket, too.
#[tokio::test]
async fn operations_over_a_socket_are_weighed_and_counted() {
    let demand = DemandConfig { mode: DemandMode::Enforce, max_cost: 1.0, ..DemandConfig::default() };
    let mesh = start(Options { demand, ..Options::default() }).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("q", "{ a: item(id: 1) { stock } b: item(id: 1) { stock } }").await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("q")), "{refused}");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "COST_TOO_HIGH", "{refused}");

    let rate = RateConfig { per_second: 1, burst: Some(2) };
    let rates = RatesConfig { caller: Some(rate), ..RatesConfig::default() };
    let mesh = start(Options { rates, ..Options::default() }).await;
    let init = json!({"type": "connection_init", "payload": {"authorization": token("analyst", 60)}});
    let mut socket = Socket::ready_with(mesh.address, init).await;
    for id in 0..50 {
        socket.subscribe(&id.to_string(), "{ item(id: 1) { stock } }").await;
    }
    let (mut answered, mut limited) = (0, 0);
    while answered + limited < 50 {
        let message = socket.next().await;
        match message["type"].as_str().unwrap() {
            "next" => answered += 1,
            "error" if message["payload"][0]["extensions"]["code"] == "RATE_LIMITED" => limited += 1,
            "complete" => {}
            _ => panic!("{message}"),
        }
    }
    assert!(answered >= 2 && limited > 0, "{answered} answered, {limited} refused");
}

#[tokio::test]
async fn a_token_in_the_upgrade_counts_and_one_in_the_payload_goes_first() {
    let policy = "p, guest, Item.stock, read, deny".to_owned();
    let mesh = start(Options { policy: Some(policy), ..Options::default() }).await;
    let guest = token("guest", 60);
    for (payload, denied) in [(json!({}), true), (json!({"headers": {"Authorization": token("analyst", 60)}}), false)] {
        let headers = [("authorization", guest.as_str())];
        let mut socket = Socket::connect(mesh.address, "graphql-transport-ws", &headers).await;
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket.subscribe("q", "{ item(id: 1) { stock } }").await;
        assert_eq!(socket.payload("q").await["errors"].is_array(), denied);
    }
}

#[tokio::test]
async fn what_is_deferred_comes_in_messages_of_its_own() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("q", "{ item(id: 5) { name ... @defer { stock } } }").await;
    let first = socket.payload("q").await;
    assert_eq!((&first["data"], &first["hasNext"]), (&json!({"item": {"name": "item 5"}}), &json!(true)));
    let second = socket.payload("q").await;
    assert_eq!(second["incremental"][0]["data"], json!({"stock": 5}));
    assert_eq!(second["hasNext"], false);
    assert_eq!(socket.next().await["type"], "complete");
}

#[tokio::test]
async fn a_client_that_closes_gets_its_answer() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    socket.send_raw(Message::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (1000, "done".to_owned()));
    mesh.changes.streams(0).await;
}

#[tokio::test]
async fn a_key_that_is_taken_back_ends_what_is_open() {
    let (key, entry) = ApiKey::generate("robot".to_owned(), vec!["analyst".to_owned()], Vec::new(), None);
    let (_, other) = ApiKey::generate("other".to_owned(), Vec::new(), Vec::new(), None);
    let keys = Arc::new(ApiKeys::new(Vec::new(), None).unwrap());
    let list = |entries: &[&ApiKey]| keys.replace(&serde_json::to_string(entries).unwrap()).unwrap();
    list(&[&entry]);
    let mesh = start(Options { keys: Some(Arc::clone(&keys)), ..Options::default() }).await;
    let init = json!({"type": "connection_init", "payload": {"x-api-key": key}});
    let mut socket = Socket::ready_with(mesh.address, init).await;
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    // another list with the same key changes nothing
    list(&[&other, &entry]);
    mesh.changes.send("1");
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 1);
    // fewer rights are another caller, and no key is none
    for entries in [&[&ApiKey { roles: Vec::new(), ..entry.clone() }][..], &[&other]] {
        list(entries);
        let error = socket.next().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("s")));
        assert_eq!(error["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
        mesh.changes.streams(0).await;
        socket.subscribe("s", CHANGED).await;
    }
    assert_eq!(socket.next().await["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn errors_in_events_say_no_more_than_clients_may_read() {
    let all = ErrorRule { messages: ErrorMessages::Mask, extensions: None };
    let errors = ErrorsConfig { all, ..ErrorsConfig::default() };
    let mesh = start(Options { errors, ..Options::default() }).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("broken");
    let seen = socket.payload("s").await;
    assert_eq!(seen["data"]["changed"]["name"], json!(null));
    assert_eq!(seen["errors"][0]["message"], "subgraph `items` reported an error");
    assert!(!seen.to_string().contains("its name is not known"), "{seen}");
}
