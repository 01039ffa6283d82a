//! Names along the way: turns what names a request, such as its id, into headers of the requests that it causes.
//!
//! Equal requests are joined whatever their names are, so these headers are no part of what is compared. They go with the
//! task that runs the request.

use crate::trace::Trace;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::future::Future;
use std::sync::Arc;

/// Characters of an id at most.
const LONGEST: usize = 128;

/// What goes along with a request.
#[derive(Debug, Default)]
pub struct Names {
    /// Names the request in the log; [`is_sane`].
    pub request_id: Option<HeaderValue>,
    /// The header in which the others are sent the id.
    pub header: Option<HeaderName>,
    /// The trace that the request is part of.
    pub trace: Trace,
}

/// Shared by all that the request causes.
pub type Along = Arc<Names>;

tokio::task_local! {
    static ALONG: Along;
}

/// Whether an id of a client can stand in logs and headers: short, and of characters that mean nothing anywhere.
pub fn is_sane(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(plain)
}

/// Run `work`; the requests to others that it causes have these names.
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

/// What goes along with the running task, but for `trace`, which takes the place of its trace.
pub fn under(trace: Trace) -> Along {
    let (request_id, header) =
        ALONG.try_with(|along| (along.request_id.clone(), along.header.clone())).unwrap_or_default();
    Arc::new(Names { request_id, header, trace })
}

/// The trace of the running task.
pub(crate) fn trace() -> Trace {
    ALONG.try_with(|along| along.trace.clone()).unwrap_or_default()
}

/// Put the running task's names into the headers of a request to somebody else, but for its trace: see
/// [`Trace::write`].
pub fn write_id(headers: &mut HeaderMap) {
    let _ = ALONG.try_with(|along| {
        if let (Some(header), Some(id)) = (&along.header, &along.request_id) {
            headers.insert(header, id.clone());
        }
    });
}

/// The id of the request that the running task is for, as text for a log.
pub fn request_id() -> Option<String> {
    ALONG.try_with(|along| along.request_id.as_ref().map(text)).ok().flatten()
}

impl Names {
    /// Whether nothing has a name.
    pub fn is_empty(&self) -> bool {
        self.request_id.is_none() && self.trace.is_none()
    }

    /// The id, as text for a log.
    pub fn id(&self) -> Option<String> {
        self.request_id.as_ref().map(text)
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
