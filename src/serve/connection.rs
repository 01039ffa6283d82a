//! Connections: turns a TCP stream into served requests, over HTTP/1.1 or HTTP/2, with TLS or without.

use super::activity::{Activity, Counted, Judge, Place, Verdict};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use terrane_gateway::config::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

/// What answers requests; it can be put in another's place at any time.
pub type Service = Arc<ArcSwap<Router>>;

/// How often the other end of an HTTP/2 connection is asked whether it is there.
const PING: Duration = Duration::from_secs(30);

/// What all connections of a server share.
pub struct Connections {
    service: Service,
    http: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    /// For the handshake and the head of the first request.
    first: Duration,
    /// Between two looks at whether a connection is used.
    every: Duration,
    stopped: watch::Receiver<bool>,
}

impl Connections {
    pub fn new(
        service: Service,
        config: &ServerConfig,
        tls: Option<TlsAcceptor>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // the first request and idle connections are bounded in `drive`, without a timer for each request
        http.http1().timer(TokioTimer::new()).header_read_timeout(None);
        http.http2()
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(config.http2_max_streams)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let seconds = |seconds: u64| Duration::from_secs(seconds.max(1));
        let (first, every) = (seconds(config.header_timeout_seconds), seconds(config.keep_alive_seconds));
        Self { service, http, tls, first, every, stopped }
    }

    /// Serve one connection to its end. It keeps its place until then.
    pub async fn run(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        // an error means that the connection is gone already, which the next read will tell
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let stream = Counted::new(stream, Arc::clone(&activity), place);
        let Some(acceptor) = &self.tls else { return self.drive(stream, peer, activity).await };
        match tokio::time::timeout(self.first, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.drive(stream, peer, activity).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn drive<S>(&self, stream: S, peer: SocketAddr, activity: Arc<Activity>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut judge = Judge::new(Arc::clone(&activity));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let running = activity.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = Router::clone(&self.service.load()).call(request);
            async move {
                let answered = answer.await;
                drop(running);
                answered
            }
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let mut look = pin!(tokio::time::sleep(self.first));
        let mut stopped = self.stopped.clone();
        let mut ending = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(%error, "a connection broke");
                    }
                    return;
                }
                () = look.as_mut() => match judge.judge() {
                    Verdict::Keep => {}
                    Verdict::End => connection.as_mut().graceful_shutdown(),
                    Verdict::Cut => return,
                },
                // an error means that the server is gone, which is an end as well
                _ = stopped.wait_for(|stop| *stop), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
            }
            look.as_mut().reset(Instant::now() + self.every);
        }
    }
}
