//! Traffic: turns the transport of a subgraph into one that bounds, repeats and gives up calls, and sheds load.
//!
//! From the outside in: a place among those that may call at once, repetition, the breaker, the call itself. What is off
//! is not there.

mod breaker;
mod mask;
mod places;
mod retry;
mod shed;

pub use mask::{mask, masked};
pub use shed::{Place, Shed};

use crate::config::CallConfig;
use breaker::Breaker;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use places::Places;
use retry::Repetition;
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::subscribe::Gate;
use terrane_execute::{Transport, TransportError};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower::retry::Retry;
use tower::service_fn;

/// What the outermost guard leaves to the time limit of the call, so that the breaker learns of it first.
const GRACE: Duration = Duration::from_secs(1);

/// When a call has to be over, with all repetitions.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

type Called = Result<Response<Bytes>, TransportError>;

/// A subgraph whose calls are guarded.
pub struct Guarded {
    /// What calls it.
    pub transport: Transport,
    /// After how long a call is given up from outside.
    pub timeout: Duration,
    /// Guards the opening of its event streams, by the same breaker.
    pub gate: Option<Gate>,
}

/// Guard calls of the subgraph `name`.
pub fn guard(transport: Transport, name: &str, config: &CallConfig, usual: Duration) -> Guarded {
    let timeout = config.timeout_seconds.map_or(usual, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(usual));
    if !config.is_guarded() {
        return Guarded { transport, timeout, gate: None };
    }
    let name: Arc<str> = name.into();
    let mut guarded = limited(transport, timeout);
    let breaker = config.breaker.as_ref().map(|breaker| Arc::new(Breaker::new(&name, breaker)));
    if let Some(breaker) = &breaker {
        guarded = broken(guarded, Arc::clone(breaker));
    }
    if let Some(retries) = &config.retries {
        guarded = Transport::new(Retry::new(Repetition::new(&name, retries), guarded));
    }
    if let Some(concurrency) = &config.concurrency {
        guarded = placed(guarded, Arc::new(Places::new(&name, concurrency)));
    }
    let started = service_fn(move |mut request: Request<Bytes>| {
        request.extensions_mut().insert(Deadline(Instant::now() + timeout));
        guarded.clone().oneshot(request)
    });
    Guarded { transport: Transport::new(started), timeout: timeout + GRACE, gate: breaker.map(gate) }
}

fn gate(breaker: Arc<Breaker>) -> Gate {
    Arc::new(move || {
        let attempt = breaker.enter()?;
        Ok(Box::new(move |well| attempt.end(well)))
    })
}

/// Give a call up when its time is over.
fn limited(inner: Transport, timeout: Duration) -> Transport {
    Transport::new(service_fn(move |request: Request<Bytes>| {
        let end =
            request.extensions().get::<Deadline>().map_or_else(|| Instant::now() + timeout, |deadline| deadline.0);
        let call = inner.clone().oneshot(request);
        async move { tokio::time::timeout_at(end, call).await.unwrap_or(Err(TransportError::Timeout(timeout))) }
    }))
}

fn broken(inner: Transport, breaker: Arc<Breaker>) -> Transport {
    Transport::new(service_fn(move |request: Request<Bytes>| {
        let (inner, breaker) = (inner.clone(), Arc::clone(&breaker));
        async move {
            let attempt = breaker.enter()?;
            let called: Called = inner.oneshot(request).await;
            attempt.end(!is_failure(&called));
            called
        }
    }))
}

fn placed(inner: Transport, places: Arc<Places>) -> Transport {
    Transport::new(service_fn(move |request: Request<Bytes>| {
        let (inner, places) = (inner.clone(), Arc::clone(&places));
        async move {
            let _place = places.take().await?;
            inner.oneshot(request).await
        }
    }))
}

/// Whether the subgraph is unwell, as far as a call can tell.
fn is_failure(called: &Called) -> bool {
    match called {
        Ok(response) => is_unavailable(response.status()),
        Err(TransportError::Unreachable(_) | TransportError::Timeout(_)) => true,
        Err(_) => false,
    }
}

fn is_unavailable(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}
