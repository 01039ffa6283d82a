//! Compression: turns a response into a compressed one where the client takes that.

use crate::config::CompressionConfig;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Request, header};
use std::convert::Infallible;
use tower::{ServiceExt as _, service_fn};
use tower_http::compression::Compression;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};

/// Compress `response` as `headers` of the request have it. What is there of a body in parts is sent before the next part.
pub async fn compress(config: &CompressionConfig, headers: &HeaderMap, response: Response) -> Response {
    let Some(accepted) = headers.get(header::ACCEPT_ENCODING).filter(|_| config.responses) else { return response };
    let worth = SizeAbove::new(config.min_bytes.into()).and(NotForContentType::SSE);
    let mut response = Some(response);
    let ready = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut request = Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accepted.clone());
    match Compression::new(ready).compress_when(worth).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
