//! Sharing: turns equal requests that are under way at the same time into one.

use super::TransportError;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use rustc_hash::FxHashMap;
use std::sync::Mutex;

/// What is sent, as far as the answer may depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub subgraph: usize,
    pub body: Bytes,
    /// Forwarded headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

pub(crate) type Answered = Result<(http::StatusCode, Bytes), TransportError>;
type Running = WeakShared<BoxFuture<'static, Answered>>;

/// Requests under way.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    running: Mutex<FxHashMap<Identity, Running>>,
}

impl Shares {
    /// The answer of an equal request that is under way, or of `start`.
    pub fn join(
        &self,
        identity: Identity,
        start: impl FnOnce() -> BoxFuture<'static, Answered>,
    ) -> Shared<BoxFuture<'static, Answered>> {
        let mut running = self.running.lock().expect("nothing panics while it is held");
        if let Some(shared) = running.get(&identity).and_then(WeakShared::upgrade).filter(|s| s.peek().is_none()) {
            return shared;
        }
        // What nobody waits for any more is gone, but its entry is not.
        if running.len() >= 1024 {
            running.retain(|_, weak| weak.upgrade().is_some());
        }
        let shared = start().shared();
        if let Some(weak) = shared.downgrade() {
            running.insert(identity, weak);
        }
        shared
    }

    /// Forget a request that was answered.
    pub fn done(&self, identity: &Identity) {
        self.running.lock().expect("nothing panics while it is held").remove(identity);
    }
}
