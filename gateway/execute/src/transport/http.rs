//! HTTP: turns subgraph requests into HTTP/1.1 or HTTP/2 requests over pooled connections.

use super::{Transport, from_service};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// A pool of connections; clones share it. Use one for all subgraphs.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limit: usize,
}

impl HttpTransport {
    /// A pool whose responses may be `limit` bytes long. Certificates are checked against the web's roots.
    pub fn new(limit: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, limit }
    }

    /// The pool as a transport.
    pub fn transport(&self) -> Transport {
        from_service::<_, Full<Bytes>, _>(self.client.clone(), self.limit)
    }
}
