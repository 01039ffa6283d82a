//! Transports: turns a request body into a subgraph's response body, over HTTP or within the process.

mod encoding;
mod http;
mod plain;
mod secure;
mod shared;
mod stream;

pub use self::http::HttpTransport;
pub use self::stream::{HttpStreams, StreamBody, StreamTransport, stream_from_service};
pub use encoding::compressed;
pub use plain::AtMostOnce;
pub use secure::{TlsFiles, secure};
pub(crate) use shared::{Answered, Executed, Headers, Identity, QueryIdentity, Received, Shares, compared};
pub use terrane_telemetry::along;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

/// Why there is no response. The text is for logs: it may name hosts.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// Nobody there, or the connection broke.
    #[error("the subgraph can't be reached: {0}")]
    Unreachable(String),
    /// No complete answer in time.
    #[error("the subgraph did not answer within {0:?}")]
    Timeout(Duration),
    /// The body is longer than allowed.
    #[error("the subgraph's answer is longer than {0} bytes")]
    TooLarge(usize),
    /// Too many calls of the subgraph wait already.
    #[error("too many calls of the subgraph wait already")]
    Overloaded,
    /// It is not called for a while, because calls of it have failed.
    #[error("the subgraph is not called for a while, because calls of it have failed")]
    CircuitOpen,
}

impl TransportError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "SUBGRAPH_UNREACHABLE",
            Self::Timeout(_) => "SUBGRAPH_TIMEOUT",
            Self::TooLarge(_) => "SUBGRAPH_RESPONSE_TOO_LARGE",
            Self::Overloaded => "SUBGRAPH_OVERLOADED",
            Self::CircuitOpen => "SUBGRAPH_CIRCUIT_OPEN",
        }
    }

    /// What clients may read of it.
    pub fn public_message(&self, subgraph: &str) -> String {
        match self {
            Self::Unreachable(_) => format!("subgraph `{subgraph}` can't be reached"),
            Self::Timeout(_) => format!("subgraph `{subgraph}` did not answer in time"),
            Self::TooLarge(_) => format!("the answer of subgraph `{subgraph}` is too large"),
            Self::Overloaded => format!("subgraph `{subgraph}` has too many calls waiting; try again in a moment"),
            Self::CircuitOpen => format!("subgraph `{subgraph}` is not well and is not called for a while"),
        }
    }
}

/// A subgraph: takes a POST request with a JSON body, gives the whole response body.
pub type Transport = BoxCloneSyncService<::http::Request<Bytes>, ::http::Response<Bytes>, TransportError>;

/// Make a transport of any HTTP service, such as an axum router in the same process or a client.
///
/// `limit` is the longest response body in bytes; a longer one is an error as soon as that is known.
pub fn from_service<S, In, Out>(service: S, limit: usize) -> Transport
where
    S: Service<::http::Request<In>, Response = ::http::Response<Out>> + Clone + Send + Sync + 'static,
    S::Error: std::fmt::Display,
    S::Future: Send + 'static,
    In: From<Bytes> + Send + 'static,
    Out: http_body::Body<Data = Bytes> + Send + 'static,
    Out::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = tower::service_fn(move |request: ::http::Request<Bytes>| {
        let service = service.clone();
        async move {
            let response =
                service.oneshot(request.map(In::from)).await.map_err(|e| TransportError::Unreachable(e.to_string()))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(|e| {
                if e.is::<http_body_util::LengthLimitError>() {
                    TransportError::TooLarge(limit)
                } else {
                    TransportError::Unreachable(e.to_string())
                }
            })?;
            Ok(::http::Response::from_parts(parts, body.to_bytes()))
        }
    });
    Transport::new(service)
}
