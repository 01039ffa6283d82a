//! WebSockets: turns what a client's socket says in `graphql-transport-ws` into operations, and their outputs into messages
//! (GraphQL over WebSocket protocol).
//!
//! Products and gateways serve the same protocol: a [`Host`] says who asks, runs operations, and when all is to end; the
//! socket, its order of messages, its limits and its codes are here.

mod message;
mod socket;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::{Map, Value};
use socket::Socket;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use terrane_graphql::{GraphqlError, Request};

const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes that are read at once from a socket: an idle one takes little memory.
const READ_BUFFER: usize = 4 * 1024;

/// What a client gets of an operation.
#[derive(Debug)]
pub enum Output {
    /// A response: that to an event, or the one and only.
    Next(Bytes),
    /// The operation ended before its time. Nothing follows.
    Failed(Vec<GraphqlError>),
    /// The operation is over. Nothing follows.
    Complete,
}

/// What a client gets of an operation, as it comes; the last is [`Output::Failed`] or [`Output::Complete`].
pub type Outputs = BoxStream<'static, Output>;

/// Who serves the operations of a socket.
pub trait Host: Clone + Send + Sync + 'static {
    /// Who asks over a socket.
    type Session: Send + Sync + 'static;

    /// The session of a socket whose upgrade came with `headers`, and whose `connection_init` with `payload`.
    ///
    /// # Errors
    /// Why the client may not enter, to be told to it; at most about a hundred bytes of it fit.
    fn open(
        &self,
        headers: &HeaderMap,
        payload: Option<&Map<String, Value>>,
    ) -> impl Future<Output = Result<Self::Session, String>> + Send;

    /// Wait until the session's token is no longer good; for ever without one.
    fn expired(&self, session: &Self::Session) -> impl Future<Output = ()> + Send;

    /// Wait until everything ends.
    fn stopped(&self) -> impl Future<Output = ()> + Send;

    /// Whether a payload of `subscribe` says what to run: a document, or the name of one where the host knows names.
    fn is_complete(&self, request: &Request) -> bool {
        request.query.is_some()
    }

    /// Run an operation; nothing is done before the outputs are polled. Dropping them ends it.
    fn start(&self, session: &Arc<Self::Session>, request: Request) -> Outputs;

    /// A client took nothing for too long, and is left.
    fn stuck(&self) {}
}

/// What a socket may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a message.
    pub message_bytes: usize,
    /// Operations under way.
    pub operations: usize,
    /// Code of the error where there are more.
    pub too_many: &'static str,
    /// How long a client may take until it says `connection_init`.
    pub init: Duration,
    /// How often a client that says nothing is asked for a sign of life.
    pub heartbeat: Duration,
    /// A client that takes nothing for this long is gone.
    pub send: Duration,
}

/// Whether a GET request asks for a WebSocket.
pub fn is_upgrade(head: &Parts) -> bool {
    let wanted = head.headers.get(header::UPGRADE);
    wanted.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answer an upgrade: what serves the socket once there is one is handed to `serve`, which has to run it. `place` is held until
/// the socket ends.
pub async fn upgrade<H: Host, P: Send + 'static, F: Future<Output = ()> + Send + 'static>(
    host: H,
    place: P,
    limits: Limits,
    head: &mut Parts,
    serve: impl FnOnce(futures_util::future::BoxFuture<'static, ()>) -> F + Send + 'static,
) -> Response<Body> {
    let upgrade = match WebSocketUpgrade::from_request_parts(head, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let headers = std::mem::take(&mut head.headers);
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes);
    let spoken = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| {
        serve(Box::pin(async move {
            Socket::new(host, headers, socket, limits).run(spoken).await;
            drop(place);
        }))
    })
}
