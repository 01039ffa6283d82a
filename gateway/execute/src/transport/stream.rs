//! Streams: turns requests into responses whose bodies are read as they come, over HTTP or within the process.

use super::secure::client_config;
use super::{TlsFiles, TransportError};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

/// The body of a response while it comes.
pub type StreamBody = UnsyncBoxBody<Bytes, TransportError>;

/// A subgraph's event stream: takes a request, gives the head of the response and a body to be read. Over HTTP/1.1 the
/// response may also be an upgrade.
pub type StreamTransport = BoxCloneSyncService<Request<Bytes>, Response<StreamBody>, TransportError>;

/// Make a stream transport of any HTTP service, such as an axum router in the same process or a client.
pub fn stream_from_service<S, In, Out>(service: S) -> StreamTransport
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + Sync + 'static,
    S::Error: std::fmt::Display,
    S::Future: Send + 'static,
    In: From<Bytes> + Send + 'static,
    Out: http_body::Body<Data = Bytes> + Send + 'static,
    Out::Error: std::fmt::Display,
{
    let service = tower::service_fn(move |request: Request<Bytes>| {
        let service = service.clone();
        async move {
            let response =
                service.oneshot(request.map(In::from)).await.map_err(|e| TransportError::Unreachable(e.to_string()))?;
            Ok(response.map(|body| {
                let body = body.map_err(|e| TransportError::Unreachable(e.to_string()));
                UnsyncBoxBody::new(body)
            }))
        }
    });
    StreamTransport::new(service)
}

/// Connections for event streams; each has one of its own while it lasts. Clones share what is idle.
#[derive(Debug, Clone)]
pub struct HttpStreams {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Default for HttpStreams {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpStreams {
    /// Certificates are checked against the web's roots.
    pub fn new() -> Self {
        Self::with(HttpsConnectorBuilder::new().with_webpki_roots().https_or_http())
    }

    /// To one subgraph over TLS with an authority, or a certificate, of the operator's.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn secure(files: &TlsFiles) -> Result<Self, String> {
        Ok(Self::with(HttpsConnectorBuilder::new().with_tls_config(client_config(files)?).https_only()))
    }

    /// HTTP/1.1 only: a WebSocket needs an upgrade.
    fn with(builder: HttpsConnectorBuilder<WantsProtocols1>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        // Nothing may be sent for hours on a stream: a peer that is gone is found by the kernel.
        connector.set_keepalive(Some(Duration::from_secs(30)));
        connector.set_keepalive_interval(Some(Duration::from_secs(10)));
        connector.set_keepalive_retries(Some(3));
        let connector = builder.enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client }
    }

    /// The connections as a transport.
    pub fn transport(&self) -> StreamTransport {
        stream_from_service::<_, Full<Bytes>, _>(self.client.clone())
    }
}
