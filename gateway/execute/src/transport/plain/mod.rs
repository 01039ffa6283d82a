//! Plain HTTP: turns requests to one origin into HTTP/1.1 on connections that are kept (ADR 22).
//!
//! A request's own task writes and reads its connection: there is no task for a connection, no channel to it, and an
//! answer is handed on in the buffer that it was read into.

mod chunks;
mod connection;
mod head;

use super::TransportError;
use bytes::Bytes;
use connection::{Broken, Connection, Exchanged, Wire};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Service, ServiceExt as _};

/// A connection that nobody needed for so long is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// Connections that are kept for later, at most.
const MOST_IDLE: usize = 1024;

/// In the extensions of a request: it must not be sent twice, even where nobody knows whether it arrived.
#[derive(Debug, Clone, Copy)]
pub struct AtMostOnce;

/// A client of one origin; clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct PlainClient {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    connector: HttpConnector,
    origin: Uri,
    /// The longest body of a response.
    limit: usize,
    /// Not in use; the last one used is the last.
    idle: Mutex<Vec<(Connection, Instant)>>,
    /// About how long a response is, head and all.
    expected: AtomicUsize,
    sweeping: Once,
}

impl PlainClient {
    /// A client of the origin of `origin`.
    pub fn new(connector: HttpConnector, origin: Uri, limit: usize) -> Self {
        let (idle, expected, sweeping) = (Mutex::default(), AtomicUsize::new(4096), Once::new());
        Self { pool: Arc::new(Pool { connector, origin, limit, idle, expected, sweeping }) }
    }
}

impl Service<Request<Bytes>> for PlainClient {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Response<Bytes>, TransportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let pool = Arc::clone(&self.pool);
        async move { pool.answer(&request).await }.boxed()
    }
}

impl Pool {
    async fn answer(self: &Arc<Self>, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let head = head(request);
        let once = request.extensions().get::<AtMostOnce>().is_some();
        loop {
            let kept = self.kept();
            let again = kept.is_some() && !once;
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let wire = Wire {
                head: &head,
                body: request.body(),
                answered_with_body: *request.method() != Method::HEAD,
                limit: self.limit,
                expected: self.expected.load(Ordering::Relaxed),
            };
            match connection.exchange(&wire).await {
                Ok(Exchanged { response, len, persistent }) => {
                    self.learn(len);
                    if persistent {
                        self.keep(connection);
                    }
                    return Ok(response);
                }
                // closed by the other side while it was idle: each turn has one of these less
                Err(Broken::Unanswered(_)) if again => {}
                Err(Broken::Unanswered(why)) => return Err(TransportError::Unreachable(why)),
                Err(Broken::Failed(error)) => return Err(error),
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().expect("nothing panics while it is held")
    }

    /// An open connection that was kept.
    fn kept(&self) -> Option<Connection> {
        loop {
            let (connection, _) = self.idle().pop()?;
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    /// The size of responses: rises at once, falls slowly.
    fn learn(&self, len: usize) {
        let before = self.expected.load(Ordering::Relaxed);
        let expected = (len + len / 8 + 1).max(before - before / 16);
        if expected != before {
            self.expected.store(expected, Ordering::Relaxed);
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Connection, TransportError> {
        let connected = self.connector.clone().oneshot(self.origin.clone()).await;
        let stream = connected.map_err(|error| TransportError::Unreachable(error.to_string()))?;
        self.sweeping.call_once(|| drop(tokio::spawn(sweep(Arc::downgrade(self)))));
        Ok(Connection::new(stream.into_inner()))
    }
}

/// Close connections that nobody needs, for as long as there is a pool.
async fn sweep(pool: Weak<Pool>) {
    let mut ticks = tokio::time::interval(LONGEST_IDLE / 4);
    loop {
        ticks.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        let old = idle.iter().take_while(|(_, since)| since.elapsed() > LONGEST_IDLE).count();
        let closed: Vec<_> = idle.drain(..old).collect();
        drop(idle);
        drop(closed);
    }
}

/// A request's head on the wire. What says how long the body is, and what is about the connection, is this client's own.
fn head(request: &Request<Bytes>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
    {
        out.extend_from_slice(b"host: ");
        let host = authority.as_str();
        out.extend_from_slice(host.rsplit_once('@').map_or(host, |(_, host)| host).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in request.headers() {
        if is_of_the_connection(name) {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(request.body().len()).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out
}

fn is_of_the_connection(name: &HeaderName) -> bool {
    match *name {
        CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION | EXPECT | TE | TRAILER | UPGRADE => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
    }
}
