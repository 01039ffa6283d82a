//! Clients: turns an address into sockets and streams of a real connection.

use super::mesh::within;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use terrane_execute::HttpStreams;
use terrane_execute::transport::StreamBody;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tower::ServiceExt;

/// A WebSocket of a client.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub async fn connect(address: SocketAddr, protocol: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        if !protocol.is_empty() {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        // What tests measure is the server.
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        Self { stream: connect_async_with_config(request, Some(small), false).await.unwrap().0 }
    }

    /// A socket without `connection_init`.
    pub async fn open(address: SocketAddr) -> Self {
        Self::connect(address, "graphql-transport-ws", &[]).await
    }

    /// A socket that is ready.
    pub async fn ready(address: SocketAddr) -> Self {
        Self::ready_with(address, json!({"type": "connection_init"})).await
    }

    pub async fn ready_with(address: SocketAddr, init: Value) -> Self {
        let mut socket = Self::open(address).await;
        socket.send(init).await;
        assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query}})).await;
    }

    /// The next message of the protocol.
    pub async fn next(&mut self) -> Value {
        loop {
            match within(self.stream.next()).await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The payload of the next message, which must be `next` of this operation.
    pub async fn payload(&mut self, id: &str) -> Value {
        let mut message = self.next().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// Read until the server closes: its code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match within(self.stream.next()).await.expect("a close frame comes first").unwrap() {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Close(None) => panic!("closed without a code"),
                _ => {}
            }
        }
    }
}

impl Socket {
    /// As a client that hangs: nothing is read, and so no ping is answered, until the server closes. Then its code and
    /// reason.
    pub async fn closed_unread(self) -> (u16, String) {
        let mut raw = self.stream.into_inner();
        let closing = async {
            let mut seen = Vec::new();
            raw.read_to_end(&mut seen).await.unwrap();
            // The last frame is the close frame, and its text the end of that (RFC 6455, section 5.5.1).
            let reason = memchr::memmem::find(&seen, b"No sign").unwrap();
            let code = u16::from_be_bytes([seen[reason - 2], seen[reason - 1]]);
            (code, String::from_utf8(seen[reason..].to_vec()).unwrap())
        };
        within(closing).await
    }
}

/// A response that is read as it comes.
pub struct Streamed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: StreamBody,
    read: Vec<u8>,
}

pub async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Streamed {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let response = HttpStreams::new().transport().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Streamed { status: parts.status, headers: parts.headers, body, read: Vec::new() }
}

/// POST an operation for a stream.
pub async fn post(address: SocketAddr, accept: &str, query: &str) -> Streamed {
    request(address, Method::POST, "/graphql", &[("accept", accept)], Some(json!({"query": query}))).await
}

impl Streamed {
    /// What comes up to a text, without it; all that comes where there is no further one.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.read, end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                let mut found = std::mem::replace(&mut self.read, rest);
                found.truncate(at);
                return String::from_utf8(found).unwrap();
            }
            match within(self.body.frame()).await {
                Some(frame) => self.read.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => return String::from_utf8(std::mem::take(&mut self.read)).unwrap(),
            }
        }
    }

    /// The next event that is no comment: its name and data.
    pub async fn event(&mut self) -> (String, Value) {
        loop {
            let event = self.until("\n\n").await;
            assert!(!event.is_empty(), "the stream ended");
            let Some((name, data)) = event.split_once('\n') else { continue };
            let (name, data) = (name.strip_prefix("event: ").unwrap(), data.strip_prefix("data: ").unwrap());
            let data = if data.is_empty() { Value::Null } else { serde_json::from_str(data).unwrap() };
            return (name.to_owned(), data);
        }
    }

    /// The next part: its JSON.
    pub async fn part(&mut self) -> Value {
        loop {
            let part = self.until("\r\n--graphql").await;
            if let Some((_, json)) = part.split_once("\r\n\r\n") {
                return serde_json::from_str(json).unwrap();
            }
        }
    }

    pub async fn text(&mut self) -> String {
        self.until("\u{0}").await
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }
}
