//! What changes of a product, told by the gateway: events go in at one product, and leave with fields of others.

#![allow(clippy::unwrap_used, reason = "a test")]

use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use terrane_testkit::{Client, Mesh, repository, state_directory};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const LIMIT: Duration = Duration::from_secs(120);
const TOLD: &str = "subscription Told($after: String) {
    earthquakeChanges(after: $after, filter: {id: {startsWith: \"told-\"}}) {
      position changes { operation key { id } row { magnitude country { name continent { name } } } } } }";

/// A stream of server-sent events.
struct Events {
    body: futures_util::stream::BoxStream<'static, Result<bytes::Bytes, hyper::Error>>,
    text: String,
}

impl Events {
    async fn open(base: &str, after: Option<&str>) -> Self {
        let body = json!({"query": TOLD, "variables": {"after": after}}).to_string();
        let request = http::Request::post(format!("{base}/graphql"))
            .header("content-type", "application/json")
            .header("accept", "text/event-stream");
        let http = Http::builder(TokioExecutor::new()).build_http::<String>();
        let response = http.request(request.body(body).unwrap()).await.unwrap();
        assert!(response.status().is_success());
        Self { body: response.into_body().into_data_stream().boxed(), text: String::new() }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                match data {
                    Some(data) => return serde_json::from_str(&data).unwrap(),
                    None => continue,
                }
            }
            let piece = timeout(LIMIT, self.body.next()).await.expect("something comes in time");
            self.text.push_str(str::from_utf8(&piece.expect("the stream goes on").unwrap()).unwrap());
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A subscription over `graphql-transport-ws`.
async fn subscribe(base: &str) -> Socket {
    let mut request = format!("{}/graphql", base.replace("http:", "ws:")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    socket.send(Message::text(json!({"type": "connection_init"}).to_string())).await.unwrap();
    assert_eq!(received(&mut socket).await["type"], "connection_ack");
    let operation = json!({"id": "1", "type": "subscribe", "payload": {"query": TOLD}});
    socket.send(Message::text(operation.to_string())).await.unwrap();
    socket
}

async fn received(socket: &mut Socket) -> Value {
    loop {
        match timeout(LIMIT, socket.next()).await.expect("in time").expect("it is open").unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

/// The position up to which `response` tells, and its changes.
fn batch(response: &Value) -> (String, Vec<Value>) {
    assert!(response["errors"].is_null(), "{response}");
    let told = &response["data"]["earthquakeChanges"];
    (told["position"].as_str().unwrap().to_owned(), told["changes"].as_array().unwrap().clone())
}

/// The next changes of a stream, one after the other, with the position to go on from.
async fn changes(mut next: impl AsyncFnMut() -> Value) -> (String, Vec<Value>) {
    loop {
        let (position, changes) = batch(&next().await);
        if !changes.is_empty() {
            return (position, changes);
        }
    }
}

/// Report a quake, or what is now known better of it.
async fn report(steward: &Client, quake: &str, number: u32, magnitude: f64, place: &str) -> Value {
    let data = json!({"quake_id": quake, "magnitude": magnitude, "place": place, "latitude": -12, "longitude": -77,
        "kind": "earthquake", "status": "automatic", "tsunami": false, "updated_at": format!("2018-02-06T00:00:{number:02}Z")});
    let event = json!({"specversion": "1.0", "id": format!("{quake}@{number}"), "source": "/tests", "type": "quake",
        "time": "2018-02-06T00:00:00Z", "data": data});
    let path = "/products/earthquakes/input/quake_reports/events";
    let headers = [("content-type", "application/cloudevents+json")];
    steward.send(Method::POST, path, &headers, event.to_string()).await.json()
}

#[tokio::test]
async fn changes_of_a_product_are_told_by_the_gateway_with_fields_of_others() {
    let (state, root) = (state_directory(), repository());
    let [products, policies] = ["products", "policies"].map(|name| root.join(name).to_str().unwrap().to_owned());
    let folder = state.path().to_str().unwrap();
    let arguments = ["dev", "--port", "{port}", "--products", &products, "--policies", &policies, "--state", folder];
    let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
    let token = Command::new(BINARY).args(["token", "--role", "steward", "--state", folder]).output().unwrap();
    let steward = mesh.client().with_token(String::from_utf8(token.stdout).unwrap().trim());

    // both streams begin where the product is now
    let mut events = Events::open(&mesh.base(), None).await;
    assert_eq!(batch(&events.next().await).1, Vec::<Value>::new());
    let mut socket = subscribe(&mesh.base()).await;
    assert_eq!(batch(&received(&mut socket).await["payload"]).1, Vec::<Value>::new());

    let taken = json!({"accepted": 1, "duplicates": 0, "late": 0});
    assert_eq!(report(&steward, "told-1", 1, 4.2, "1km N of Lima, Peru").await, taken);
    let row = |magnitude: f64, country: &str| json!({"magnitude": magnitude, "country": {"name": country, "continent": {"name": "South America"}}});
    let told = |operation: &str, id: &str, row: Value| json!([{"operation": operation, "key": {"id": id}, "row": row}]);
    let first = told("INSERT", "told-1", row(4.2, "Peru"));
    assert_eq!(json!(changes(async || events.next().await).await.1), first);
    assert_eq!(json!(changes(async || received(&mut socket).await["payload"].take()).await.1), first);

    // the same report again is none, and a newer one changes what is known
    let again = json!({"accepted": 0, "duplicates": 1, "late": 0});
    assert_eq!(report(&steward, "told-1", 1, 4.2, "1km N of Lima, Peru").await, again);
    assert_eq!(report(&steward, "told-1", 2, 4.9, "1km N of Lima, Peru").await, taken);
    let second = told("UPDATE", "told-1", row(4.9, "Peru"));
    let (position, seen) = changes(async || events.next().await).await;
    assert_eq!(json!(seen), second);
    assert_eq!(json!(changes(async || received(&mut socket).await["payload"].take()).await.1), second);

    // who comes back with the last position hears what has happened meanwhile, and nothing twice
    drop(events);
    assert_eq!(report(&steward, "told-2", 1, 5.5, "30km W of Iquique, Chile").await, taken);
    let third = told("INSERT", "told-2", row(5.5, "Chile"));
    assert_eq!(json!(changes(async || received(&mut socket).await["payload"].take()).await.1), third);
    let mut events = Events::open(&mesh.base(), Some(&position)).await;
    assert_eq!(json!(changes(async || events.next().await).await.1), third);
}
