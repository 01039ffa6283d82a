//! HTTP: turns subgraph requests into HTTP/1.1 or HTTP/2 requests over pooled connections.

use super::plain::PlainClient;
use super::{Transport, from_service};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Pools of connections; clones share them. Use one for all subgraphs.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    connector: HttpConnector,
    secure: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limit: usize,
}

impl HttpTransport {
    /// Pools whose responses may be `limit` bytes long. Certificates are checked against the web's roots.
    pub fn new(limit: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let builder = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_all_versions();
        let secure = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(TokioTimer::new())
            .build(builder.wrap_connector(connector.clone()));
        Self { connector, secure, limit }
    }

    /// A transport to the origin of `url`: every request that it carries must go there.
    pub fn transport(&self, url: &str) -> Transport {
        let plain = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
        if let Some(origin) = plain {
            return Transport::new(PlainClient::new(self.connector.clone(), origin, self.limit));
        }
        from_service::<_, Full<Bytes>, _>(self.secure.clone(), self.limit)
    }
}
