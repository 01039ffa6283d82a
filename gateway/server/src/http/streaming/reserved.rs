//! Reserved streams: turns operations that are sent one by one into the events of a single stream (GraphQL over
//! server-sent events, "single connection mode").

use super::sse::{COMMENT, CONTENT_TYPE, event};
use super::{bad_request, errors_body, refusal, streamed};
use crate::gateway::Gateway;
use crate::http::enter;
use crate::subscriptions::{Output, Outputs, Place, Session, stopped};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Extensions, HeaderMap, HeaderName, Response, StatusCode};
use bytes::Bytes;
use futures_util::future::{AbortHandle, abortable};
use futures_util::{StreamExt, stream};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use terrane_graphql::json::write_str;
use terrane_graphql::{GraphqlError, Request};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at};
use uuid::Uuid;

/// Names the stream that a request belongs to.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("x-graphql-event-stream-token");
/// Events that wait for the client to take them; the queue of each subscription comes before.
const WAITING: usize = 16;

/// The streams that are reserved or open, by token.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    streams: Mutex<FxHashMap<Uuid, Arc<Reserved>>>,
}

#[derive(Debug)]
struct Reserved {
    session: Arc<Session>,
    sender: mpsc::Sender<Bytes>,
    /// Until the client opens the stream.
    receiver: Mutex<Option<mpsc::Receiver<Bytes>>>,
    operations: Mutex<FxHashMap<String, AbortHandle>>,
    _place: Place,
}

impl Reservations {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<Uuid, Arc<Reserved>>> {
        self.streams.lock().expect("nothing panics while it is held")
    }

    fn find(&self, token: &str) -> Option<(Uuid, Arc<Reserved>)> {
        let token = Uuid::try_parse(token).ok()?;
        Some((token, Arc::clone(self.lock().get(&token)?)))
    }

    /// End a stream and its operations.
    fn remove(&self, token: &Uuid) {
        let removed = self.lock().remove(token);
        if let Some(reserved) = removed {
            reserved.operations().drain().for_each(|(_, operation)| operation.abort());
        }
    }
}

impl Reserved {
    fn operations(&self) -> MutexGuard<'_, FxHashMap<String, AbortHandle>> {
        self.operations.lock().expect("nothing panics while it is held")
    }

    fn take_receiver(&self) -> Option<mpsc::Receiver<Bytes>> {
        self.receiver.lock().expect("nothing panics while it is held").take()
    }

    fn is_opened(&self) -> bool {
        self.receiver.lock().expect("nothing panics while it is held").is_none()
    }
}

/// `PUT /graphql`: reserve a stream; the response is its token.
pub(crate) async fn reserve(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response<Body> {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let subscriptions = &gateway.inner.subscriptions;
    let session = match Session::open(&gateway, &headers, gateway.inner.rates.address(&headers, &extensions)).await {
        Ok(session) => Arc::new(session),
        Err(error) => return refusal(StatusCode::UNAUTHORIZED, &[error]),
    };
    let Some(place) = subscriptions.config.enabled.then(|| subscriptions.socket("sse")).flatten() else {
        let message = "no stream can be reserved now; try again later";
        let error = GraphqlError::new("TOO_MANY_SUBSCRIPTIONS", message);
        return refusal(StatusCode::SERVICE_UNAVAILABLE, &[error]);
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    let token = Uuid::new_v4();
    let (receiver, operations) = (Mutex::new(Some(receiver)), Mutex::default());
    let reserved = Reserved { session, sender, receiver, operations, _place: place };
    subscriptions.reservations.lock().insert(token, Arc::new(reserved));
    tokio::spawn(forget_unopened(gateway.clone(), token));
    let mut response = Response::new(Body::from(token.to_string()));
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// A stream that nobody opens gives its place back.
async fn forget_unopened(gateway: Gateway, token: Uuid) {
    let subscriptions = &gateway.inner.subscriptions;
    let mut stopping = subscriptions.stopping.subscribe();
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(subscriptions.config.init_timeout_seconds)) => {}
        () = stopped(&mut stopping) => {}
    }
    let unopened = subscriptions.reservations.lock().get(&token).is_some_and(|reserved| !reserved.is_opened());
    if unopened {
        subscriptions.reservations.remove(&token);
    }
}

/// `GET /graphql` with a token: open the stream.
pub(super) fn open(gateway: &Gateway, token: &str) -> Response<Body> {
    let Some((token, reserved)) = gateway.inner.subscriptions.reservations.find(token) else { return unknown() };
    let Some(receiver) = reserved.take_receiver() else {
        let error = GraphqlError::new("STREAM_ALREADY_OPEN", "the stream is open already; reserve another one");
        return refusal(StatusCode::CONFLICT, &[error]);
    };
    let open = Open {
        beats: interval_at(
            Instant::now() + gateway.inner.subscriptions.config.heartbeat(),
            gateway.inner.subscriptions.config.heartbeat(),
        ),
        stopping: gateway.inner.subscriptions.stopping.subscribe(),
        gateway: gateway.clone(),
        session: Arc::clone(&reserved.session),
        receiver,
        token,
    };
    let frames = stream::unfold(open, |mut open| async move { Some((open.next().await?, open)) });
    streamed(CONTENT_TYPE, stream::iter([Bytes::from_static(COMMENT)]).chain(frames))
}

/// A stream that its client reads. Its operations end with it.
struct Open {
    gateway: Gateway,
    session: Arc<Session>,
    token: Uuid,
    receiver: mpsc::Receiver<Bytes>,
    beats: tokio::time::Interval,
    stopping: watch::Receiver<bool>,
}

impl Open {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            frame = self.receiver.recv() => {
                self.beats.reset();
                frame
            }
            () = stopped(&mut self.stopping) => None,
            () = self.session.expired() => None,
            _ = self.beats.tick() => Some(Bytes::from_static(COMMENT)),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gateway.inner.subscriptions.reservations.remove(&self.token);
    }
}

/// `POST /graphql` with a token: run an operation; what it answers comes in the stream.
pub(super) async fn start(gateway: &Gateway, headers: &HeaderMap, request: Request) -> Response<Body> {
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((_, reserved)) = gateway.inner.subscriptions.reservations.find(token) else { return unknown() };
    let id = request.extensions.as_ref().and_then(|extensions| extensions.get("operationId"));
    let Some(id) = id.and_then(serde_json::Value::as_str).map(str::to_owned) else {
        return bad_request("name the operation in `extensions.operationId`");
    };
    let (running, handle) = {
        let mut operations = reserved.operations();
        if operations.contains_key(&id) {
            let error = GraphqlError::new("DUPLICATE_OPERATION", format!("operation `{id}` is under way already"));
            return refusal(StatusCode::CONFLICT, &[error]);
        }
        if operations.len() >= gateway.inner.subscriptions.config.operations_per_socket {
            let error = GraphqlError::new("TOO_MANY_SUBSCRIPTIONS", "too many operations are under way on this stream");
            return refusal(StatusCode::TOO_MANY_REQUESTS, &[error]);
        }
        let (running, handle) = abortable(run(gateway.clone(), Arc::clone(&reserved), id.clone(), request));
        operations.insert(id, handle.clone());
        (running, handle)
    };
    // The stream may have gone in the meantime.
    if reserved.sender.is_closed() {
        handle.abort();
    }
    tokio::spawn(running);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

async fn run(gateway: Gateway, reserved: Arc<Reserved>, id: String, request: Request) {
    let started = crate::subscriptions::start(gateway, Arc::clone(&reserved.session), request, true).await;
    let mut outputs: Outputs = match started {
        Ok(outputs) => outputs,
        Err(errors) => stream::iter([Output::Failed(errors)]).boxed(),
    };
    let mut quoted = Vec::with_capacity(id.len() + 2);
    write_str(&mut quoted, &id);
    let with_id = |payload: &[u8]| event("next", &[b"{\"id\":", &quoted[..], b",\"payload\":", payload, b"}"].concat());
    let complete = event("complete", &[b"{\"id\":", &quoted[..], b"}"].concat());
    loop {
        let (frame, last) = match outputs.next().await.unwrap_or(Output::Complete) {
            Output::Next(body) => (with_id(&body), false),
            Output::Failed(errors) => ([with_id(&errors_body(&errors)), complete.clone()].concat(), true),
            Output::Complete => (complete.clone(), true),
        };
        if last {
            // Before the client knows: it may use the id again at once.
            reserved.operations().remove(&id);
        }
        // Where the stream is gone, so are its operations.
        if reserved.sender.send(frame.into()).await.is_err() || last {
            return;
        }
    }
}

/// `DELETE /graphql?operationId=…` with a token: end an operation.
pub(crate) async fn complete(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response<Body> {
    let _place = match enter(&gateway, &headers, &extensions) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((_, reserved)) = gateway.inner.subscriptions.reservations.find(token) else { return unknown() };
    let Some((_, id)) = parts.iter().find(|(name, _)| name == "operationId") else {
        return bad_request("name the operation: `?operationId=…`");
    };
    if let Some(operation) = reserved.operations().remove(id) {
        operation.abort();
    }
    Response::new(Body::empty())
}

fn unknown() -> Response<Body> {
    let error = GraphqlError::new("UNKNOWN_STREAM", "there is no stream of this token; reserve one with PUT");
    refusal(StatusCode::NOT_FOUND, &[error])
}
