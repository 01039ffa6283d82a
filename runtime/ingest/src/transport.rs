//! Transports: turns an address into a service that sends GraphQL requests there.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

/// Sends one request; over HTTP, or to a product in the same process.
pub type Transport = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

/// An answer larger than this is refused.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A transport to `url` over HTTP/1.1 or HTTP/2, with or without TLS. The request's own URI is replaced.
pub fn http_transport(url: http::Uri) -> Transport {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    BoxCloneSyncService::new(service_fn(move |mut request: Request<Full<Bytes>>| {
        let client = client.clone();
        *request.uri_mut() = url.clone();
        async move {
            let answer = async {
                let response = client.request(request).await?;
                let (parts, body) = response.into_parts();
                let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
                Ok::<_, BoxError>(Response::from_parts(parts, body))
            };
            tokio::time::timeout(ANSWER_LIMIT, answer).await?
        }
    }))
}
