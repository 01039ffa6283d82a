//! A socket: turns the messages of one client into operations under way, and what comes of them into messages, in one task.

use crate::message::{Close, Received, errors_list, with_id};
use crate::{Host, Limits, Output, PROTOCOL};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::AbortHandle;
use futures_util::stream::{BoxStream, SelectAll, abortable};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use terrane_graphql::{GraphqlError, Request};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

/// Longer ids are refused.
const LONGEST_ID: usize = 256;

/// An idle one costs its buffers.
pub(crate) struct Socket<H: Host> {
    host: H,
    limits: Limits,
    headers: HeaderMap,
    socket: WebSocket,
    session: Option<Arc<H::Session>>,
    operations: SelectAll<BoxStream<'static, (String, Output)>>,
    /// Operations under way, by the client's ids.
    ids: HashMap<String, AbortHandle>,
    beats: Interval,
    /// Heartbeats since something came.
    silent: u32,
    init_until: Instant,
}

impl<H: Host> Socket<H> {
    pub(crate) fn new(host: H, headers: HeaderMap, socket: WebSocket, limits: Limits) -> Self {
        let mut beats = interval_at(Instant::now() + limits.heartbeat, limits.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            host,
            headers,
            socket,
            session: None,
            operations: SelectAll::new(),
            ids: HashMap::new(),
            beats,
            silent: 0,
            init_until: Instant::now() + limits.init,
            limits,
        }
    }

    /// Serve until something ends it, and say goodbye.
    pub(crate) async fn run(mut self, spoken: bool) {
        let Close(code, reason) = if spoken {
            self.serve().await
        } else {
            Close::new(4406, format!("Subprotocol not acceptable: speak {PROTOCOL}"))
        };
        self.close(code, reason).await;
    }

    async fn serve(&mut self) -> Close {
        let host = self.host.clone();
        let mut stopped = std::pin::pin!(host.stopped());
        loop {
            let (session, init_until) = (self.session.clone(), self.init_until);
            let expired = async {
                match &session {
                    Some(session) => host.expired(session).await,
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
                        Some(Err(error)) => Err(Close::broken(&error)),
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
            Message::Text(text) => self.act(Received::read(&text)?).await,
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
        let opened = self.host.open(&self.headers, payload.as_ref()).await;
        let session = opened.map_err(|reason| Close::new(4403, format!("Forbidden: {reason}")))?;
        self.session = Some(Arc::new(session));
        self.headers = HeaderMap::new();
        self.send("{\"type\":\"connection_ack\"}".into()).await
    }

    async fn subscribe(&mut self, id: Option<String>, payload: Option<Value>) -> Result<(), Close> {
        let Some(session) = &self.session else { return Err(Close::new(4401, "Unauthorized")) };
        let id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        let id = id.ok_or_else(|| Close::invalid("`subscribe` without an `id` of 1 to 256 bytes"))?;
        let request = payload.and_then(|payload| serde_json::from_value::<Request>(payload).ok());
        let request = request.filter(|request| self.host.is_complete(request));
        let request = request.ok_or_else(|| Close::invalid("the payload of `subscribe` is no GraphQL request"))?;
        if self.ids.contains_key(&id) {
            return Err(Close::new(4409, format!("Subscriber for {id} already exists")));
        }
        let most = self.limits.operations;
        if self.ids.len() >= most {
            let message = format!("{most} operations are under way on this socket; at most so many are taken");
            let errors = [GraphqlError::new(self.limits.too_many, message)];
            return self.send(with_id("error", &id, Some(&errors_list(&errors)))?).await;
        }
        let (outputs, handle) = abortable(self.host.start(session, request));
        let tag = id.clone();
        self.operations.push(outputs.map(move |output| (tag.clone(), output)).boxed());
        self.ids.insert(id, handle);
        Ok(())
    }

    async fn output(&mut self, id: String, output: Output) -> Result<(), Close> {
        let message = match output {
            Output::Next(body) => with_id("next", &id, Some(&body))?,
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
        match timeout(self.limits.send, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Close::broken(&error)),
            Err(_) => {
                self.host.stuck();
                Err(Close::new(1008, "Nothing is taken"))
            }
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
