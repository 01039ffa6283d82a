//! Local transports: turns a product's router into a transport for products in the same process.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use terrane_ingest::Transport;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _, service_fn};

/// A transport that hands GraphQL requests to `router` without a connection in between.
pub fn local_transport(router: Router) -> Transport {
    BoxCloneSyncService::new(service_fn(move |request: Request<Full<Bytes>>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            *request.uri_mut() = Uri::from_static("/graphql");
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, BoxError>(Response::from_parts(parts, body))
        }
    }))
}
