//! Shedding: turns requests beyond what runs at the same time into refusals at once, so that the others stay quick.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use terrane_graphql::GraphqlError;
use terrane_graphql::exchange::refuse;
use terrane_graphql::media::negotiate;
use tokio::sync::Semaphore;

/// How many operations run at the same time.
#[derive(Clone)]
pub struct Shed(Option<Arc<Semaphore>>);

impl Shed {
    /// At most `most`; 0 is without bound.
    pub fn new(most: usize) -> Self {
        Self((most > 0).then(|| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))))
    }
}

/// Let a request through, or refuse it with 503.
pub async fn shed(State(Shed(places)): State<Shed>, request: Request, next: Next) -> Response {
    let Some(places) = places else { return next.run(request).await };
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("terrane_gateway_requests_shed_total").increment(1);
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let media = negotiate(accept).unwrap_or(terrane_graphql::media::ResponseMedia::Json);
        let error = GraphqlError::new("OVERLOADED", "too many operations run at the same time; try again in a moment");
        let mut reply = refuse(StatusCode::SERVICE_UNAVAILABLE, media, &[error]).map(Body::from);
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return reply;
    };
    next.run(request).await
}
