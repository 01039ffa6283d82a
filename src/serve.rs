//! Serving: turns a router and an address into a server that ends when it is told to, after what is under way.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::time::Duration;
use terrane_telemetry::init_metrics;
use tokio::net::TcpListener;

/// Requests that are under way at the end have this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Listen on `address`; the listener and the address it got (a port of 0 is any free one).
pub async fn listen(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}; is something else using that port? --port or --listen choose another")
    })?;
    let local = listener.local_addr().context("read the address that is listened on")?;
    Ok((listener, local))
}

/// Serve `router`, and this process's metrics at `/metrics`, until SIGINT or SIGTERM; then let what is under way finish.
pub async fn serve(listener: TcpListener, router: Router) -> Result<()> {
    let metrics = init_metrics().context("collect metrics")?;
    let router = router.route("/metrics", get(move || std::future::ready(metrics.render())));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let signal = {
        let mut stopped = stopped.clone();
        async move {
            // an error means that the sender is gone, which also ends the server
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };
    // rates and budgets of who has not signed in are by address
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(signal).into_future());
    tokio::select! {
        ended = &mut server => return ended.context("the server ended unexpectedly")?.context("serve"),
        () = ended_by_signal() => {}
    }
    tracing::info!("stopping: requests under way are finished first");
    stop.send_replace(true);
    match tokio::time::timeout(DRAIN, &mut server).await {
        Ok(ended) => ended.context("the server ended unexpectedly")?.context("serve"),
        Err(_) => {
            server.abort();
            Ok(())
        }
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
