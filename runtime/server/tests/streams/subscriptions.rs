//! Subscriptions to changes, over server-sent events and `graphql-transport-ws`.

use super::shop::{Shop, token, token_for};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const ITEMS: &str = "subscription($after: String) { itemChanges(after: $after) { position changes { operation position version key { code } row { code amount } } } }";

fn analyst() -> String {
    token("analyst", &json!({}))
}

#[tokio::test]
async fn an_event_has_a_batch_of_changes_and_the_position_to_go_on_from() {
    let shop = Shop::open().await;
    let mut events = shop.subscribe(ITEMS, Some(&analyst())).await;
    let first = events.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.id), ("next", Some(0)));
    assert_eq!(first.data, json!({"data": {"itemChanges": {"position": "0", "changes": []}}}));
    shop.stock(&["a,north,1,", "b,north,7,"]).await;
    let event = events.told().await;
    let batch = &event.data["data"]["itemChanges"];
    assert_eq!(batch["position"], json!(event.id.unwrap().to_string()));
    let changes = batch["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[1]["operation"], "INSERT");
    assert_eq!(changes[1]["row"], json!({"code": "b", "amount": "7"}));
    assert_eq!(changes[1]["position"], batch["position"]);
    shop.stock(&["b,north,8,"]).await;
    let event = events.told().await;
    let changes = event.data["data"]["itemChanges"]["changes"].as_array().unwrap().clone();
    assert_eq!(changes[0]["operation"], "DELETE");
    assert_eq!((&changes[0]["key"], &changes[0]["row"]), (&json!({"code": "a"}), &Value::Null));
    assert_eq!(changes[1]["operation"], "UPDATE");
}

#[tokio::test]
async fn a_client_that_comes_again_goes_on_after_its_last_event() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,"]).await;
    let mut events = shop
        .subscribe("subscription { itemChanges(after: \"0\") { position changes { key { code } } } }", Some(&analyst()))
        .await;
    let seen = events.told().await.id.unwrap().to_string();
    drop(events);
    shop.stock(&["a,north,1,", "b,north,1,"]).await;
    // the variable still says where the first stream began
    let body = json!({"query": ITEMS, "variables": {"after": "0"}});
    let mut events = shop.events("/graphql", Some(&analyst()), &[("last-event-id", &seen)], Some(body)).await;
    let changes = events.told().await.data["data"]["itemChanges"]["changes"].clone();
    assert_eq!(changes.as_array().unwrap().len(), 1);
    assert_eq!(changes[0]["key"], json!({"code": "b"}));
}

#[tokio::test]
async fn masks_row_filters_and_denied_fields_hold() {
    let shop = Shop::open().await;
    let query = "subscription { itemChanges(after: \"0\") { changes { operation key { code } row { code cost } } } }";
    let mut keeper = shop.subscribe(query, Some(&token("keeper", &json!({"shelf": "north"})))).await;
    let mut nobody = shop.subscribe(query, None).await;
    shop.stock(&["a,north,1,23", "b,south,1,23"]).await;
    let seen = keeper.told().await.data;
    assert_eq!(
        seen["data"]["itemChanges"]["changes"],
        json!([
        {"operation": "INSERT", "key": {"code": "a"}, "row": {"code": "a", "cost": "20"}}])
    );
    let seen = nobody.told().await.data;
    let changes = seen["data"]["itemChanges"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["row"]["cost"], Value::Null);
    assert_eq!(seen["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(seen["errors"][0]["path"], json!(["itemChanges", "changes", 0, "row", "cost"]));
}

#[tokio::test]
async fn what_can_not_be_followed_is_refused() {
    let shop = Shop::open().await;
    for (query, code) in [
        ("subscription { itemChanges(after: \"9\") { position } }", "CHANGES_EXPIRED"),
        ("subscription { itemChanges(after: \"x\") { position } }", "BAD_USER_INPUT"),
        ("subscription { itemChanges(filter: {cost: {gt: \"1\"}}) { position } }", "FORBIDDEN"),
        ("subscription { a: itemChanges { position } b: itemChanges { position } }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let mut events = shop.subscribe(query, None).await;
        let event = events.next().await.unwrap();
        assert_eq!(event.data["errors"][0]["extensions"]["code"], code, "{query}: {event:?}");
        assert_eq!(events.next().await.unwrap().name, "complete");
        assert!(events.next().await.is_none());
    }
    let answer = shop.client(None).graphql("subscription { itemChanges { position } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNSUPPORTED_OPERATION");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_product() {
    let shop = Shop::open().await;
    let mut short = shop.feed("", Some(&token_for("analyst", &json!({}), 1))).await;
    let mut long = shop.subscribe(ITEMS, Some(&analyst())).await;
    assert_eq!(short.next().await.unwrap().name, "position");
    let end = short.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["error"]["code"]), ("error", &json!("UNAUTHENTICATED")));
    assert!(short.next().await.is_none());
    long.next().await.unwrap();
    shop.service.stop();
    assert_eq!(long.next().await, None, "it breaks off, and the client comes again");
}

#[tokio::test]
async fn a_socket_carries_many_operations() {
    let shop = Shop::open().await;
    let mut request = format!("{}/graphql", shop.base.replace("http:", "ws:")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", analyst())}});
    socket.send(Message::text(init.to_string())).await.unwrap();
    assert_eq!(received(&mut socket).await["type"], "connection_ack");
    for (id, query) in [("changes", ITEMS), ("rows", "{ items { nodes { code } } }")] {
        let subscribe = json!({"id": id, "type": "subscribe", "payload": {"query": query}});
        socket.send(Message::text(subscribe.to_string())).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let message = received(&mut socket).await;
        seen.push(format!("{} {}", message["id"].as_str().unwrap(), message["type"].as_str().unwrap()));
    }
    seen.sort();
    assert_eq!(seen, ["changes next", "rows complete", "rows next"]);
    shop.stock(&["a,north,1,2"]).await;
    let message = received(&mut socket).await;
    let change = &message["payload"]["data"]["itemChanges"]["changes"][0];
    assert_eq!((&message["id"], &change["row"]["code"]), (&json!("changes"), &json!("a")));
    socket.send(Message::text(json!({"id": "changes", "type": "complete"}).to_string())).await.unwrap();
    let ping = json!({"type": "ping"});
    socket.send(Message::text(ping.to_string())).await.unwrap();
    assert_eq!(received(&mut socket).await["type"], "pong");
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn received(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(std::time::Duration::from_secs(60), socket.next()).await;
        match message.expect("in time").expect("it is open").unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}
