//! WebSockets: turns the messages of `graphql-transport-ws` into operations, and their outputs into messages (GraphQL over
//! WebSocket protocol).

use super::too_many;
use crate::service::ProductService;
use crate::streams::{HEARTBEAT, Output, Session, bounded, start, with_payload};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::AbortHandle;
use futures_util::stream::{self, BoxStream, SelectAll, abortable};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use terrane_graphql::json::write_str;
use terrane_graphql::{GraphqlError, Request};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, interval_at, sleep_until, timeout};

const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes that are read at once from a socket: an idle one takes little memory.
const READ_BUFFER: usize = 4 * 1024;
const LARGEST_MESSAGE: usize = 1024 * 1024;
/// Longer ids are refused.
const LONGEST_ID: usize = 256;
const MOST_OPERATIONS: usize = 100;
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a socket is closed.
struct Close(u16, String);

impl Close {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    fn invalid(reason: &str) -> Self {
        Self::new(4400, format!("Invalid message: {reason}"))
    }
}

/// A message of the client.
#[derive(Debug, Deserialize)]
struct Received {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    payload: Option<Value>,
}

/// Whether a GET request asks for a WebSocket.
pub fn is_upgrade(head: &Parts) -> bool {
    let wanted = head.headers.get(header::UPGRADE);
    wanted.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answer an upgrade.
pub async fn upgrade(service: ProductService, head: &mut Parts) -> Response<Body> {
    let upgrade = match WebSocketUpgrade::from_request_parts(head, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Some(place) = service.streams().place() else {
        let mut response = Response::new(Body::from(format!("{}\n", too_many().message)));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let headers = std::mem::take(&mut head.headers);
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE);
    let spoken = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| async move {
        let mut served = Socket::new(service, headers, socket, place);
        let Close(code, reason) = if spoken {
            served.serve().await
        } else {
            Close::new(4406, format!("Subprotocol not acceptable: speak {PROTOCOL}"))
        };
        served.close(code, reason).await;
    })
}

/// A client's socket, in one task.
struct Socket {
    service: ProductService,
    headers: HeaderMap,
    socket: WebSocket,
    session: Option<Arc<Session>>,
    operations: SelectAll<BoxStream<'static, (String, Output)>>,
    /// Operations under way, by the client's ids.
    ids: HashMap<String, AbortHandle>,
    beats: Interval,
    /// Heartbeats since something came.
    silent: u32,
    init_until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    fn new(service: ProductService, headers: HeaderMap, socket: WebSocket, place: OwnedSemaphorePermit) -> Self {
        Self {
            service,
            headers,
            socket,
            session: None,
            operations: SelectAll::new(),
            ids: HashMap::new(),
            beats: interval_at(Instant::now() + HEARTBEAT, HEARTBEAT),
            silent: 0,
            init_until: Instant::now() + INIT_TIMEOUT,
            _place: place,
        }
    }

    /// Serve until something ends it.
    async fn serve(&mut self) -> Close {
        let mut stopped = std::pin::pin!(self.service.streams().stopped());
        loop {
            let (session, init_until) = (self.session.clone(), self.init_until);
            let expired = async {
                match &session {
                    Some(session) => session.expired().await,
                    None => sleep_until(init_until).await,
                }
            };
            let step = tokio::select! {
                biased;
                () = &mut stopped => Err(Close::new(1001, "Going away")),
                () = expired => Err(match &session {
                    Some(_) => Close::new(4403, "Forbidden: the token has expired"),
                    None => Close::new(4408, "Connection initialisation timeout"),
                }),
                message = self.socket.recv() => {
                    self.silent = 0;
                    match message {
                        Some(Ok(message)) => self.receive(message).await,
                        Some(Err(error)) => Err(broken(&error)),
                        None => Err(Close::new(1000, "")),
                    }
                }
                Some((id, output)) = self.operations.next() => self.output(id, output).await,
                _ = self.beats.tick() => self.beat().await,
            };
            if let Err(close) = step {
                return close;
            }
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), Close> {
        match message {
            Message::Text(text) => {
                let received: Received =
                    serde_json::from_str(&text).map_err(|_| Close::invalid("it is no JSON object with a `type`"))?;
                self.act(received).await
            }
            Message::Binary(_) => Err(Close::invalid("it is binary")),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Close::new(1000, "")),
        }
    }

    async fn act(&mut self, received: Received) -> Result<(), Close> {
        match received.kind.as_str() {
            "connection_init" => self.init(received.payload).await,
            "ping" => {
                let payload = received.payload.map(|payload| format!(",\"payload\":{payload}")).unwrap_or_default();
                self.send(format!("{{\"type\":\"pong\"{payload}}}").into()).await
            }
            "pong" => Ok(()),
            "subscribe" => self.subscribe(received.id, received.payload).await,
            "complete" => {
                let id = received.id.ok_or_else(|| Close::invalid("`complete` without `id`"))?;
                if let Some(operation) = self.ids.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
            _ => Err(Close::invalid("its `type` is none that a client sends")),
        }
    }

    async fn init(&mut self, payload: Option<Value>) -> Result<(), Close> {
        if self.session.is_some() {
            return Err(Close::new(4429, "Too many initialisation requests"));
        }
        let payload = match payload {
            None | Some(Value::Null) => None,
            Some(Value::Object(payload)) => Some(payload),
            Some(_) => return Err(Close::invalid("the payload of `connection_init` is no object")),
        };
        let headers = with_payload(&self.headers, payload.as_ref());
        let opened = Session::open(&self.service, &headers).await;
        let session = opened.map_err(|error| Close::new(4403, format!("Forbidden: {error}")))?;
        self.session = Some(Arc::new(session));
        self.headers = HeaderMap::new();
        self.send("{\"type\":\"connection_ack\"}".into()).await
    }

    async fn subscribe(&mut self, id: Option<String>, payload: Option<Value>) -> Result<(), Close> {
        let Some(session) = self.session.clone() else { return Err(Close::new(4401, "Unauthorized")) };
        let id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        let id = id.ok_or_else(|| Close::invalid("`subscribe` without an `id` of 1 to 256 bytes"))?;
        let request = payload.and_then(|payload| serde_json::from_value::<Request>(payload).ok());
        let request = request.filter(|request| request.query.is_some());
        let request = request.ok_or_else(|| Close::invalid("the payload of `subscribe` is no GraphQL request"))?;
        if self.ids.contains_key(&id) {
            return Err(Close::new(4409, format!("Subscriber for {id} already exists")));
        }
        if self.ids.len() >= MOST_OPERATIONS {
            let message = format!("{MOST_OPERATIONS} operations are under way on this socket; no more are taken");
            let errors = [GraphqlError::new("TOO_MANY_STREAMS", message)];
            return self.send(with_id("error", &id, Some(&errors_list(&errors)))?).await;
        }
        let service = self.service.clone();
        let outputs = stream::once(async move {
            match start(&service, &session.caller, &request, true, None).await {
                // the socket itself watches over the token and the end of the product
                Ok(started) => bounded(started.outputs, &session, std::future::pending()),
                Err(errors) => stream::iter([Output::Failed(errors)]).boxed(),
            }
        });
        let (outputs, handle) = abortable(outputs.flatten());
        let tag = id.clone();
        self.operations.push(outputs.map(move |output| (tag.clone(), output)).boxed());
        self.ids.insert(id, handle);
        Ok(())
    }

    async fn output(&mut self, id: String, output: Output) -> Result<(), Close> {
        let message = match output {
            Output::Next(body, _) => with_id("next", &id, Some(&body))?,
            Output::Failed(errors) => {
                self.ids.remove(&id);
                with_id("error", &id, Some(&errors_list(&errors)))?
            }
            Output::Complete => {
                self.ids.remove(&id);
                with_id("complete", &id, None)?
            }
        };
        self.send(message).await
    }

    /// Ask a client that says nothing for a sign of life.
    async fn beat(&mut self) -> Result<(), Close> {
        self.silent += 1;
        if self.silent > 2 {
            return Err(Close::new(1001, "No sign of life"));
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), Close> {
        self.write(Message::Text(text)).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Close> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(Close::new(1008, "Nothing is taken")),
        }
    }

    /// End the operations, and say goodbye to who still listens.
    async fn close(mut self, code: u16, reason: String) {
        self.operations.clear();
        // at most 123 bytes of text (RFC 6455, section 5.5)
        let end = (0..=reason.len().min(120)).rev().find(|&at| reason.is_char_boundary(at)).unwrap_or_default();
        let frame = CloseFrame { code, reason: reason[..end].to_owned().into() };
        let goodbye = async {
            // an error means that the client said goodbye first, and reading sends the answer to that
            let _ = self.socket.send(Message::Close(Some(frame))).await;
            while let Some(Ok(_)) = self.socket.recv().await {}
        };
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }
}

fn broken(error: &axum::Error) -> Close {
    let too_large = error.to_string().contains("too long") || error.to_string().contains("too large");
    if too_large { Close::new(1009, "Message too big") } else { Close::new(1002, "") }
}

/// `{"id":"…","type":"…","payload":…}`
fn with_id(kind: &str, id: &str, payload: Option<&[u8]>) -> Result<Utf8Bytes, Close> {
    let mut out = Vec::with_capacity(payload.map_or(0, <[u8]>::len) + id.len() + 48);
    out.extend_from_slice(b"{\"id\":");
    write_str(&mut out, id);
    out.extend_from_slice(b",\"type\":");
    write_str(&mut out, kind);
    if let Some(payload) = payload {
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(payload);
    }
    out.push(b'}');
    Utf8Bytes::try_from(Bytes::from(out)).map_err(|_| Close::new(4500, "Internal error"))
}

/// `[{"message":…},…]`
fn errors_list(errors: &[GraphqlError]) -> Vec<u8> {
    serde_json::to_vec(errors).expect("errors are plain JSON values")
}
