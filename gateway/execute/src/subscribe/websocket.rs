//! WebSockets to subgraphs: turns a question into a socket with the sub-protocol `graphql-transport-ws`, and its messages
//! into signals.

use super::source::{Signal, Signals, forward};
use super::{SourceClient, SourceError};
use crate::transport::Headers;
use bytes::Bytes;
use futures_util::stream::{self, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Request, StatusCode, Uri};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tower::ServiceExt;

const PROTOCOL: &str = "graphql-transport-ws";
/// The one operation of a socket.
const ID: &str = "1";
/// Saying goodbye takes no longer.
const GOODBYE: Duration = Duration::from_secs(2);

type Stream = WebSocketStream<TokioIo<Upgraded>>;

#[derive(Deserialize)]
struct Received<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// Open a socket and subscribe on it.
pub(super) async fn open(client: &SourceClient, body: &Bytes, headers: &Headers) -> Result<Signals, SourceError> {
    let stream = connect(client, headers).await?;
    let (sink, stream) = stream.split();
    let mut ticks = interval_at(Instant::now() + client.heartbeat, client.heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut socket = Socket { sink: Some(sink), stream, ticks, silent: 0 };
    socket.send(format!("{{\"type\":\"connection_init\"{}}}", init_payload(headers))).await?;
    loop {
        let text = socket.receive().await?;
        match message(str::from_utf8(&text).unwrap_or_default())?.kind.as_ref() {
            "connection_ack" => break,
            "ping" => socket.send("{\"type\":\"pong\"}".to_owned()).await?,
            "pong" => {}
            other => return Err(SourceError::Invalid(format!("`{other}` before `connection_ack`"))),
        }
    }
    let body = str::from_utf8(body).expect("requests are text");
    socket.send(format!("{{\"id\":\"{ID}\",\"type\":\"subscribe\",\"payload\":{body}}}")).await?;
    Ok(stream::unfold(Some(socket), |socket| async move {
        let mut socket = socket?;
        match socket.signal().await {
            Ok(signal @ Signal::Event(_)) => Some((Ok(signal), Some(socket))),
            // Whatever ended it, the socket is closed when it is dropped.
            other => Some((other, None)),
        }
    })
    .boxed())
}

/// The caller's headers, for subgraphs that look for them here.
fn init_payload(headers: &Headers) -> String {
    let entries: Map<String, Json> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into())))
        .collect();
    if entries.is_empty() { String::new() } else { format!(",\"payload\":{}", Json::Object(entries)) }
}

async fn connect(client: &SourceClient, forwarded: &Headers) -> Result<Stream, SourceError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = http_uri(&client.uri)?;
    let key = generate_key();
    let headers = request.headers_mut();
    let key_value = HeaderValue::from_str(&key).expect("base64 is a header value");
    let own: [(HeaderName, HeaderValue); 5] = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_KEY, key_value),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
    ];
    headers.extend(own);
    forward(forwarded, headers);
    let response = client.transport.clone().oneshot(request).await?;
    check_handshake(response.status(), response.headers(), &key)?;
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| SourceError::Unreachable(error.to_string()))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(client.event_bytes))
        .max_frame_size(Some(client.event_bytes));
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await)
}

fn check_handshake(status: StatusCode, headers: &HeaderMap, key: &str) -> Result<(), SourceError> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(SourceError::Status(status.as_u16()));
    }
    if header(SEC_WEBSOCKET_ACCEPT) != Some(&derive_accept_key(key.as_bytes())) {
        return Err(SourceError::Invalid("the WebSocket handshake is wrong".to_owned()));
    }
    if header(SEC_WEBSOCKET_PROTOCOL) != Some(PROTOCOL) {
        return Err(SourceError::Invalid(format!("the sub-protocol `{PROTOCOL}` is not served")));
    }
    Ok(())
}

/// The address of the handshake: `ws:` and `wss:` are `http:` and `https:` before the upgrade.
fn http_uri(uri: &Uri) -> Result<Uri, SourceError> {
    let scheme = match uri.scheme_str() {
        Some("wss" | "https") => "https",
        _ => "http",
    };
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme.parse().expect("it is a scheme"));
    Uri::from_parts(parts).map_err(|error| SourceError::Invalid(format!("the address is no URL: {error}")))
}

fn message(text: &str) -> Result<Received<'_>, SourceError> {
    serde_json::from_str(text)
        .map_err(|error| SourceError::Invalid(format!("a message is none of {PROTOCOL}: {error}")))
}

/// A socket with one operation. It says goodbye when it is dropped.
struct Socket {
    sink: Option<SplitSink<Stream, Message>>,
    stream: SplitStream<Stream>,
    ticks: Interval,
    /// Heartbeats since something came.
    silent: u32,
}

impl Socket {
    async fn write(&mut self, message: Message) -> Result<(), SourceError> {
        let sink = self.sink.as_mut().expect("it is there until the socket is dropped");
        sink.send(message).await.map_err(broken)
    }

    async fn send(&mut self, text: String) -> Result<(), SourceError> {
        self.write(Message::text(text)).await
    }

    /// The next text. Meanwhile, a subgraph that says nothing is asked for a sign of life.
    async fn receive(&mut self) -> Result<Bytes, SourceError> {
        loop {
            tokio::select! {
                message = self.stream.next() => {
                    self.silent = 0;
                    match message {
                        Some(Ok(Message::Text(text))) => return Ok(text.into()),
                        Some(Ok(Message::Close(frame))) => return Err(closed(frame.map(|f| (f.code.into(), f.reason.to_string())))),
                        Some(Ok(Message::Binary(_))) => return Err(SourceError::Invalid("a binary message".to_owned())),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(broken(error)),
                        None => return Err(closed(None)),
                    }
                }
                _ = self.ticks.tick() => {
                    self.silent += 1;
                    if self.silent > 2 {
                        return Err(SourceError::Interrupted("it gives no sign of life".to_owned()));
                    }
                    self.write(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    async fn signal(&mut self) -> Result<Signal, SourceError> {
        loop {
            let text = self.receive().await?;
            let read = message(str::from_utf8(&text).unwrap_or_default())?;
            match (read.kind.as_ref(), read.payload) {
                ("next", Some(payload)) => return Ok(Signal::Event(text.slice_ref(payload.get().as_bytes()))),
                ("error", Some(errors)) => return Ok(Signal::Last(format!("{{\"errors\":{errors}}}").into())),
                ("complete", _) => return Ok(Signal::Complete),
                ("ping", _) => self.send("{\"type\":\"pong\"}".to_owned()).await?,
                ("pong", _) => {}
                (other, _) => return Err(SourceError::Invalid(format!("a message of type `{other}`"))),
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Some(mut sink) = self.sink.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(timeout(GOODBYE, async move {
            let complete = format!("{{\"id\":\"{ID}\",\"type\":\"complete\"}}");
            // Who is gone already needs no goodbye.
            if sink.send(Message::text(complete)).await.is_ok() {
                let _ = sink.close().await;
            }
        }));
    }
}

fn broken(error: Error) -> SourceError {
    match error {
        Error::Capacity(error) => SourceError::Invalid(error.to_string()),
        error => SourceError::Interrupted(error.to_string()),
    }
}

/// A socket that the subgraph closed: with a code of 4400 and above because of what we are or sent.
fn closed(why: Option<(u16, String)>) -> SourceError {
    match why {
        Some((code @ 4400..=4499, reason)) => SourceError::Invalid(format!("the socket was closed: {code} {reason}")),
        Some((code, reason)) => SourceError::Interrupted(format!("the socket was closed: {code} {reason}")),
        None => SourceError::Interrupted("the socket was closed".to_owned()),
    }
}
