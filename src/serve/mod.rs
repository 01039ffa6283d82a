//! Serving: turns a router and an address into a server that ends when it is told to, after what is under way.

mod activity;
mod connection;
mod tls;

use activity::Place;
use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use connection::{Connections, Service};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terrane_gateway::config::ServerConfig;
use terrane_telemetry::{MetricsHandle, init_metrics};
use tls::Certificates;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// How long to wait when no connection can be taken, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// Listen on `address`; the listener and the address it got (a port of 0 is any free one).
pub async fn listen(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}; is something else using that port? --port or --listen choose another")
    })?;
    let local = listener.local_addr().context("read the address that is listened on")?;
    Ok((listener, local))
}

/// Serve `router` as the settings have it.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    stopping: impl FnOnce(),
) -> Result<()> {
    serve_with(listener, Arc::new(ArcSwap::from_pointee(router)), config, stopping).await
}

/// Count what this process does from now on, and keep what was counted small.
pub fn collect_metrics() -> Result<MetricsHandle> {
    let metrics = init_metrics().context("collect metrics")?;
    tokio::spawn(metrics.clone().keep());
    Ok(metrics)
}

/// The router, and this process's metrics at `/metrics`; `measure` brings those up to date that nobody keeps.
pub fn with_metrics<F>(
    router: Router,
    metrics: &MetricsHandle,
    measure: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Router
where
    F: Future<Output = ()> + Send + 'static,
{
    let metrics = metrics.clone();
    let render = move || {
        let (metrics, measure) = (metrics.clone(), measure.clone());
        async move {
            measure().await;
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
        }
    };
    router.route("/metrics", get(render))
}

/// Serve what `service` holds at the time of each request, until SIGINT or SIGTERM. Then `stopping` is called, requests
/// are still taken for the delay that the settings have, and what is under way is finished, within a bound.
pub async fn serve_with(
    listener: TcpListener,
    service: Service,
    config: &ServerConfig,
    stopping: impl FnOnce(),
) -> Result<()> {
    raise_file_limit();
    let certificates = config.tls.as_ref().map(Certificates::read).transpose()?;
    let (stop, stopped) = watch::channel(false);
    let open = metrics::gauge!("terrane_connections_open");
    let connections = Connections::new(service, config, certificates.as_ref().map(Certificates::acceptor), stopped);
    let places = Arc::new(Semaphore::new(config.max_connections as usize));
    let taking = take(listener, connections, Arc::clone(&places), open);
    let watching = async {
        match certificates {
            Some(certificates) => certificates.watch().await,
            None => std::future::pending().await,
        }
    };
    let ended = async {
        ended_by_signal().await;
        stopping();
        tracing::info!("stopping: requests under way are finished first");
        tokio::time::sleep(Duration::from_secs(config.shutdown_delay_seconds)).await;
    };
    tokio::select! {
        () = taking => {}
        () = watching => {}
        () = ended => {}
    }
    // the listener is closed now
    stop.send_replace(true);
    let all_free = places.acquire_many(config.max_connections);
    if tokio::time::timeout(Duration::from_secs(config.drain_seconds), all_free).await.is_err() {
        let open = config.max_connections as usize - places.available_permits();
        tracing::warn!(open, "connections are cut off: they did not end in time");
    }
    Ok(())
}

/// Take connections while there are places.
async fn take(listener: TcpListener, connections: Connections, places: Arc<Semaphore>, open: metrics::Gauge) {
    let connections = Arc::new(connections);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = Place::new(place, open.clone());
                tokio::spawn(Arc::clone(&connections).run(stream, peer, place));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Each connection is a file descriptor: take as many as the system gives. Many systems begin with 1,024.
fn raise_file_limit() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        tracing::debug!(soft, "the number of open files can't be raised");
    }
}

/// Wait for SIGINT or SIGTERM.
pub async fn ended_by_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        // an error means that Ctrl-C cannot be caught: then SIGTERM is all there is
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// A runtime with a thread per core.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the async runtime")
}
