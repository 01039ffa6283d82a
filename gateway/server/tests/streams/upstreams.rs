//! Streams of subgraphs: each protocol, sharing, and what happens when they break.

use super::clients::{Socket, post, request};
use super::mesh::{Mesh, Options, changes, listen, serve, source, start, stock_source, token, within};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::post as on_post;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use terrane_gateway::config::ReconnectConfig;
use terrane_gateway::{EventSource, Protocol};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response as Answer};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub const SDL: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.0\", import: [\"@key\"])\n\
                       type Query { news: String }\ntype Subscription { changed(topic: String): Item }\n\
                       type Item @key(fields: \"id\") { id: ID! name: String }";
const CHANGED: &str = "subscription { changed { id stock } }";

/// A stream that a gateway opened, in the test's hands. Dropping it cuts the stream.
pub struct Opened {
    pub headers: HeaderMap,
    pub request: Value,
    body: mpsc::Sender<Bytes>,
}

impl Opened {
    async fn send(&self, text: &str) {
        self.body.send(Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
    }

    /// The event that an item changed.
    pub async fn changed(&self, id: &str) {
        self.send(&format!(
            "event: next\ndata: {{\"data\":{{\"changed\":{{\"__typename\":\"Item\",\"id\":\"{id}\"}}}}}}\n\n"
        ))
        .await;
    }

    /// Wait until the gateway has gone.
    pub async fn left(&self) {
        within(self.body.closed()).await;
    }
}

/// A subgraph whose streams are in the test's hands.
pub struct Script {
    opened: Mutex<mpsc::Receiver<Opened>>,
    pub address: std::net::SocketAddr,
}

impl Script {
    pub async fn start() -> Self {
        let (sender, opened) = mpsc::channel(16);
        let address = listen(Router::new().route("/", on_post(open)).with_state(sender)).await;
        Self { opened: Mutex::new(opened), address }
    }

    /// The next stream that the gateway opens.
    pub async fn opened(&self) -> Opened {
        let mut opened = self.opened.lock().await;
        within(opened.recv()).await.unwrap()
    }

    /// No stream waits to be taken.
    pub async fn none_opened(&self) -> bool {
        self.opened.lock().await.try_recv().is_err()
    }

    pub async fn mesh(&self, options: Options) -> Mesh {
        let events = EventSource { protocol: Protocol::Http, ..EventSource::default() };
        let items = source("items", format!("http://{}/", self.address), SDL.to_owned(), events);
        serve(vec![items, stock_source().await], options, changes()).await
    }
}

async fn open(State(sender): State<mpsc::Sender<Opened>>, headers: HeaderMap, request: Bytes) -> Response<Body> {
    let (body, chunks) = mpsc::channel(16);
    let request = serde_json::from_slice(&request).unwrap();
    sender.send(Opened { headers, request, body }).await.unwrap();
    let chunks =
        stream::unfold(chunks, |mut chunks| async move { Some((Ok::<_, Infallible>(chunks.recv().await?), chunks)) });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn quick(attempts: u32) -> Options {
    let mut options = Options::default();
    options.subscriptions.reconnect = ReconnectConfig { attempts, delay_ms: 1, most_delay_ms: 1 };
    options
}

#[tokio::test]
async fn subgraphs_send_events_over_each_protocol() {
    for protocol in [Protocol::WebSocket, Protocol::Multipart, Protocol::Http] {
        let mesh = start(Options { protocol, ..Options::default() }).await;
        let mut socket = Socket::ready(mesh.address).await;
        socket.subscribe("s", CHANGED).await;
        mesh.changes.streams(1).await;
        for id in ["1", "2"] {
            mesh.changes.send(id);
            let stock: i32 = id.parse().unwrap();
            assert_eq!(
                socket.payload("s").await,
                json!({"data": {"changed": {"id": id, "stock": stock}}}),
                "{protocol:?}"
            );
        }
        mesh.changes.send("end");
        assert_eq!(socket.next().await["type"], "complete", "{protocol:?}");
    }
    let script = Script::start().await;
    let mesh = script.mesh(Options::default()).await;
    let mut stream = post(mesh.address, "text/event-stream", CHANGED).await;
    let opened = script.opened().await;
    assert!(opened.headers["accept"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(opened.request["query"].as_str().unwrap().starts_with("subscription"));
    opened.changed("3").await;
    assert_eq!(stream.event().await.1, json!({"data": {"changed": {"id": "3", "stock": 3}}}));
    opened.send("event: complete\ndata:\n\n").await;
    assert_eq!(stream.event().await.0, "complete");
}

#[tokio::test]
async fn equal_subscriptions_of_equal_callers_share_a_stream() {
    let script = Script::start().await;
    let mesh = script.mesh(Options::default()).await;
    let mut first = post(mesh.address, "text/event-stream", CHANGED).await;
    let shared = script.opened().await;
    // Another selection of what other subgraphs add is no other question to this one.
    let mut second = Socket::ready(mesh.address).await;
    second.subscribe("s", "subscription Other { changed { stock id } }").await;
    second.subscribe("q", "{ warehouses }").await;
    // The answer says that the subscription before it has begun, too.
    assert_eq!(second.next().await["id"], "q");
    shared.changed("1").await;
    assert_eq!(first.event().await.1["data"]["changed"]["stock"], 1);
    loop {
        let message = second.next().await;
        if message["id"] == "s" {
            assert_eq!(message["payload"]["data"]["changed"], json!({"stock": 1, "id": "1"}));
            break;
        }
    }
    assert!(script.none_opened().await);
    // Another caller has a stream of its own, with its token.
    let analyst = token("analyst", 60);
    let init = json!({"type": "connection_init", "payload": {"authorization": analyst}});
    let mut other = Socket::ready_with(mesh.address, init).await;
    other.subscribe("s", CHANGED).await;
    let own = script.opened().await;
    assert_eq!(own.headers["authorization"], analyst);
    // It ends with the last who listens.
    drop(first);
    shared.changed("2").await;
    assert_eq!(second.payload("s").await["data"]["changed"]["stock"], 2);
    drop(second);
    shared.left().await;
    drop(other);
    own.left().await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again() {
    let script = Script::start().await;
    let mesh = script.mesh(quick(3)).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    for id in ["1", "2", "3", "4", "5"] {
        // Each time it is another stream: that before was cut.
        let opened = script.opened().await;
        opened.changed(id).await;
        assert_eq!(socket.payload("s").await["data"]["changed"]["id"], id);
    }
    // It breaks again and again without an event.
    for _ in 0..3 {
        drop(script.opened().await);
    }
    let error = socket.next().await;
    assert_eq!(error["type"], "error");
    assert_eq!(error["payload"][0]["extensions"], json!({"code": "SUBSCRIPTION_INTERRUPTED", "serviceName": "items"}));
}

#[tokio::test]
async fn what_is_no_event_ends_the_subscription_with_an_error() {
    let script = Script::start().await;
    let mut options = quick(3);
    options.subscriptions.event_bytes = 1000;
    let mesh = script.mesh(options).await;
    let mut socket = Socket::ready(mesh.address).await;
    socket.subscribe("s", CHANGED).await;
    script.opened().await.send(&format!("data: {}\n\n", "x".repeat(2000))).await;
    assert_eq!(socket.next().await["payload"][0]["extensions"]["code"], "SUBGRAPH_RESPONSE_TOO_LARGE");
    // Broken JSON is a failed event, the next one is fine.
    socket.subscribe("s", CHANGED).await;
    let opened = script.opened().await;
    opened.send("data: {\"data\":{\n\n").await;
    let broken = socket.payload("s").await;
    assert_eq!(broken["data"], json!({"changed": null}));
    assert_eq!(broken["errors"][0]["extensions"]["code"], "SUBGRAPH_INVALID_RESPONSE");
    opened.changed("1").await;
    assert_eq!(socket.payload("s").await["data"]["changed"]["stock"], 1);
}

#[tokio::test]
async fn a_subgraph_that_refuses_or_is_not_there_is_told_at_once() {
    async fn refuse() -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
        (StatusCode::OK, [("content-type", "application/json")], "{\"errors\":[{\"message\":\"not today\"}]}")
    }
    let refusing = listen(
        Router::new().route("/json", on_post(refuse)).route("/teapot", on_post(|| async { StatusCode::IM_A_TEAPOT })),
    )
    .await;
    let gone = listen_and_close().await;
    let first = async |url: String, protocol: Protocol| {
        let events = EventSource { protocol, ..EventSource::default() };
        let sources = vec![source("items", url, SDL.to_owned(), events), stock_source().await];
        let mesh = serve(sources, quick(3), changes()).await;
        let mut socket = Socket::ready(mesh.address).await;
        socket.subscribe("s", CHANGED).await;
        socket.next().await
    };
    let refused = first(format!("http://{refusing}/json"), Protocol::Http).await;
    assert_eq!(refused["payload"]["errors"][0]["message"], "not today");
    assert_eq!(refused["payload"]["data"], json!({"changed": null}));
    for (url, protocol, code) in [
        (format!("http://{refusing}/teapot"), Protocol::Sse, "SUBGRAPH_HTTP_ERROR"),
        (format!("http://{refusing}/teapot"), Protocol::WebSocket, "SUBGRAPH_HTTP_ERROR"),
        (format!("http://{gone}/"), Protocol::Http, "SUBGRAPH_UNREACHABLE"),
        (format!("ws://{gone}/"), Protocol::WebSocket, "SUBGRAPH_UNREACHABLE"),
    ] {
        let error = first(url, protocol).await;
        assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!(code)));
    }
}

/// An address at which nobody listens.
async fn listen_and_close() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A subgraph's end of a WebSocket, in the test's hands.
type Upstream = WebSocketStream<TcpStream>;

/// Take a socket of the gateway: its handshake's headers are checked, its `connection_init` comes back.
async fn accept(listener: &TcpListener) -> (Upstream, Value) {
    let (stream, _) = within(listener.accept()).await.unwrap();
    #[allow(clippy::result_large_err)] // the library's own signature
    let choose = |request: &Request, mut response: Answer| {
        assert_eq!(request.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        response.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap();
    let init = said(&mut socket).await;
    assert_eq!(init["type"], "connection_init");
    (socket, init)
}

async fn said(socket: &mut Upstream) -> Value {
    loop {
        if let Message::Text(text) = within(socket.next()).await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn say(socket: &mut Upstream, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

#[tokio::test]
async fn a_subgraphs_websocket_is_spoken_with_as_the_protocol_has_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let events = EventSource { protocol: Protocol::WebSocket, ..EventSource::default() };
    let mut options = quick(1);
    options.subscriptions.heartbeat_seconds = 1;
    let sources = vec![source("items", url, SDL.to_owned(), events), stock_source().await];
    let mesh = serve(sources, options, changes()).await;
    let analyst = token("analyst", 60);
    let headers = [("accept", "text/event-stream"), ("authorization", analyst.as_str())];
    // A client that need not answer pings while the test waits for something else.
    let subscribe =
        async || request(mesh.address, Method::POST, "/graphql", &headers, Some(json!({"query": CHANGED}))).await;
    let mut client = subscribe().await;

    let (mut socket, init) = accept(&listener).await;
    assert_eq!(init["payload"], json!({"authorization": analyst}));
    say(&mut socket, json!({"type": "ping"})).await;
    assert_eq!(said(&mut socket).await, json!({"type": "pong"}));
    say(&mut socket, json!({"type": "connection_ack"})).await;
    let asked = said(&mut socket).await;
    assert_eq!((&asked["type"], &asked["id"]), (&json!("subscribe"), &json!("1")));
    let changed = |id: &str| json!({"id": "1", "type": "next", "payload": {"data": {"changed": {"__typename": "Item", "id": id}}}});
    say(&mut socket, changed("1")).await;
    assert_eq!(client.event().await.1["data"]["changed"]["stock"], 1);
    // Nothing is read any more, and so no ping is answered: the gateway opens another socket.
    let silent = socket;
    let (mut socket, _) = accept(&listener).await;
    drop(silent);
    say(&mut socket, json!({"type": "connection_ack"})).await;
    said(&mut socket).await;
    say(&mut socket, changed("2")).await;
    assert_eq!(client.event().await.1["data"]["changed"]["stock"], 2);
    // An error of the operation is its last event.
    say(&mut socket, json!({"id": "1", "type": "error", "payload": [{"message": "no more"}]})).await;
    assert_eq!(client.event().await.1["errors"][0]["message"], "no more");
    assert_eq!(client.event().await.0, "complete");

    // Who is not let in is not let in by asking again.
    let mut client = subscribe().await;
    let (mut socket, _) = accept(&listener).await;
    let frame = CloseFrame { code: CloseCode::Library(4403), reason: "Forbidden".into() };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(client.event().await.1["errors"][0]["extensions"]["code"], "SUBGRAPH_INVALID_RESPONSE");
    // The client's end is told.
    let client = subscribe().await;
    let (mut socket, _) = accept(&listener).await;
    say(&mut socket, json!({"type": "connection_ack"})).await;
    said(&mut socket).await;
    drop(client);
    assert_eq!(said(&mut socket).await, json!({"id": "1", "type": "complete"}));
}
