//! Change without downtime: what subscriptions see of a new graph, and of the end.

use super::clients::{Socket, post};
use super::mesh::{Mesh, Options, changes, serve, settings, source, start, stock_source};
use super::upstreams::{SDL, Script};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use terrane_gateway::{EventSource, Gateway, Transport};

const CHANGED: &str = "subscription { changed { id stock } }";

/// A mesh whose first subgraph says what schema it has, and a way to change that.
async fn changing(script: &Script) -> (Mesh, Arc<Mutex<String>>) {
    let sdl = Arc::new(Mutex::new(SDL.to_owned()));
    let told = Arc::clone(&sdl);
    let transport = Transport::new(tower::service_fn(move |_: Request<Bytes>| {
        let answer = json!({"data": {"_service": {"sdl": *told.lock().unwrap()}}});
        async move { Ok(Response::new(Bytes::from(answer.to_string()))) }
    }));
    let mut items = source("items", format!("http://{}/", script.address), String::new(), EventSource::default());
    (items.sdl, items.transport) = (None, transport);
    (serve(vec![items, stock_source().await], Options::default(), changes()).await, sdl)
}

#[tokio::test]
async fn a_subscription_goes_on_in_a_new_graph_and_ends_where_it_is_not_valid_there() {
    let script = Script::start().await;
    let (mesh, sdl) = changing(&script).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    let opened = script.opened().await;
    opened.changed("1").await;
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 1);

    // Another field: the same question, the same stream.
    *sdl.lock().unwrap() = SDL.replace("name: String", "name: String size: Int");
    assert!(mesh.gateway.refresh().await);
    opened.changed("2").await;
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 2);
    assert!(script.none_opened().await);

    // A broken graph is not served, and changes nothing.
    *sdl.lock().unwrap() = SDL.replace("Item", "Missing @");
    assert!(!mesh.gateway.refresh().await);
    opened.changed("3").await;
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 3);

    // The field is gone, and with it the stream.
    *sdl.lock().unwrap() = SDL.replace("changed(topic: String): Item", "altered: Item");
    assert!(mesh.gateway.refresh().await);
    let error = socket.next().await;
    assert_eq!(error["type"], "error");
    let codes = [0, 1].map(|at| error["payload"][at]["extensions"]["code"].clone());
    assert_eq!(codes, ["SUBSCRIPTION_GRAPH_CHANGED", "GRAPHQL_VALIDATION_FAILED"]);
    opened.left().await;
    // The socket and what is valid go on.
    socket.subscribe("s", "subscription { altered { id stock } }").await;
    script.opened().await;
}

#[tokio::test]
async fn a_subscription_moves_to_another_stream_where_the_question_changes() {
    let script = Script::start().await;
    let (mesh, sdl) = changing(&script).await;
    // At first, events bring the stock along.
    let provided = SDL
        .replace("\"@key\"", "\"@key\", \"@provides\", \"@external\"")
        .replace("topic: String): Item", "topic: String): Item @provides(fields: \"stock\")")
        .replace("name: String", "name: String stock: Int @external");
    *sdl.lock().unwrap() = provided;
    assert!(mesh.gateway.refresh().await, "{:?}", mesh.gateway.problems());
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    let old = script.opened().await;
    assert!(old.request["query"].as_str().unwrap().contains("stock"));
    *sdl.lock().unwrap() = SDL.to_owned();
    assert!(mesh.gateway.refresh().await);
    let new = script.opened().await;
    assert!(!new.request["query"].as_str().unwrap().contains("stock"));
    old.left().await;
    new.changed("5").await;
    assert_eq!(socket.payload("s").await, json!({"data": {"changed": {"id": "5", "stock": 5}}}));
}

#[tokio::test]
async fn new_settings_are_a_new_gateway_to_which_streams_move() {
    let script = Script::start().await;
    let mesh = script.mesh(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    let opened = script.opened().await;
    let mut stream = post(mesh.address, "text/event-stream", "subscription { changed(topic: \"b\") { id } }").await;
    let other = script.opened().await;

    // The other subgraph is gone, and with it the stock.
    let items = source("items", format!("http://{}/", script.address), SDL.to_owned(), EventSource::default());
    let after = Gateway::after(settings(vec![items], Options::default()), &mesh.gateway);
    after.refresh().await;
    opened.changed("1").await;
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 1, "it has not taken over");
    after.take_over();
    let error = socket.next().await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "SUBSCRIPTION_GRAPH_CHANGED");
    opened.left().await;
    other.changed("2").await;
    assert_eq!(stream.event().await.1, json!({"data": {"changed": {"id": "2"}}}));
    // What comes over the old socket is the new gateway's, and the old one is done.
    socket.subscribe("s", "subscription { changed { name } }").await;
    script.opened().await;
    drop(mesh.gateway);
    after.stop();
    assert_eq!(socket.closed().await.0, 1001);
    assert_eq!(stream.event().await.1["errors"][0]["extensions"]["code"], "SHUTTING_DOWN");
}

#[tokio::test]
async fn everything_says_goodbye_when_the_gateway_stops() {
    let mesh = start(Options::default()).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", "subscription { changed { id } }").await;
    let mut idle = Socket::open(mesh.address).await;
    let mut stream = post(mesh.address, "text/event-stream", "subscription { changed { name } }").await;
    mesh.changes.streams(2).await;
    mesh.gateway.stop();
    assert_eq!(socket.closed().await, (1001, "Going away".to_owned()));
    assert_eq!(idle.closed().await.0, 1001);
    assert_eq!(stream.event().await.1["errors"][0]["extensions"]["code"], "SHUTTING_DOWN");
    assert_eq!(stream.event().await.0, "complete");
    drop((socket, idle));
    mesh.gateway.streams_ended(Duration::from_secs(60)).await;
    mesh.changes.streams(0).await;
    // Who comes later is told to go elsewhere.
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/graphql", mesh.address)).await;
    assert!(refused.unwrap_err().to_string().contains("503"));
}
