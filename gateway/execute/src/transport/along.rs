//! Headers along the way: turns what names a request, such as its id, into headers of the requests that it causes.
//!
//! Equal requests are joined whatever their names are, so these headers are no part of what is compared. They go with the
//! task that runs the request.

use http::{HeaderName, HeaderValue};
use std::future::Future;
use std::sync::Arc;

/// What goes along with a request.
#[derive(Debug)]
pub struct Names {
    /// Names the request in the log.
    pub request_id: HeaderValue,
    /// Sent to subgraphs.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Shared by all that the request causes.
pub type Along = Arc<Names>;

tokio::task_local! {
    static ALONG: Along;
}

/// Run `work`; the requests to subgraphs that it causes have these headers.
pub async fn with<F: Future>(along: Option<Along>, work: F) -> F::Output {
    match along {
        Some(along) => ALONG.scope(along, work).await,
        None => work.await,
    }
}

/// The same for work that does not wait.
pub fn with_sync<T>(along: Along, work: impl FnOnce() -> T) -> T {
    ALONG.sync_scope(along, work)
}

/// What goes along with the running task, to be passed on to another one.
pub fn current() -> Option<Along> {
    ALONG.try_with(Arc::clone).ok()
}

/// The id of the request that the running task is for, as text for a log.
pub fn request_id() -> Option<String> {
    current().map(|along| String::from_utf8_lossy(along.request_id.as_bytes()).into_owned())
}
