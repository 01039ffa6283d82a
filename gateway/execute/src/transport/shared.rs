//! Sharing: turns equal work that is under way at the same time into one.

use super::TransportError;
use crate::cache::Freshness;
use crate::error::ExecuteError;
use crate::program::Program;
use crate::run::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustc_hash::{FxHashMap, FxHasher};
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

/// Forwarded headers, as far as answers may depend on them.
pub(crate) type Headers = Arc<[(HeaderName, HeaderValue)]>;

/// The forwarded headers in the form in which they are compared.
pub(crate) fn compared(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What is sent to a subgraph, as far as the answer may depend on it. It is hashed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    hash: u64,
    subgraph: usize,
    body: Bytes,
    headers: Headers,
}

impl Identity {
    pub fn new(subgraph: usize, body: Bytes, headers: Headers) -> Self {
        let hash = hash_of(&(subgraph, &body, &headers));
        Self { hash, subgraph, body, headers }
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

fn hash_of(of: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    of.hash(&mut hasher);
    hasher.finish()
}

/// What a whole query's response depends on. It keeps the program, so that no other one gets its address.
#[derive(Debug, Clone)]
pub(crate) struct QueryIdentity {
    hash: u64,
    program: Arc<Program>,
    /// JSON text.
    variables: Bytes,
    headers: Headers,
}

impl QueryIdentity {
    pub fn new(program: Arc<Program>, variables: Bytes, headers: Headers) -> Self {
        let hash = hash_of(&(Arc::as_ptr(&program), &variables, &headers));
        Self { hash, program, variables, headers }
    }
}

impl PartialEq for QueryIdentity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.program, &other.program) && self.variables == other.variables && self.headers == other.headers
    }
}

impl Eq for QueryIdentity {}

impl Hash for QueryIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A subgraph's answer.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub status: http::StatusCode,
    pub body: Bytes,
    /// How long it may be kept, where that is asked.
    pub freshness: Option<Freshness>,
}

pub(crate) type Answered = Result<Received, TransportError>;
pub(crate) type Executed = Result<Response, ExecuteError>;

/// Work under way, by what its result depends on.
#[derive(Debug)]
pub(crate) struct Shares<K, T: Clone> {
    running: Mutex<FxHashMap<K, WeakShared<BoxFuture<'static, T>>>>,
}

impl<K, T: Clone> Default for Shares<K, T> {
    fn default() -> Self {
        Self { running: Mutex::default() }
    }
}

/// Takes work off the list when it is done, or when nobody waits for it any more.
struct UnderWay<K: Eq + Hash, T: Clone> {
    shares: Arc<Shares<K, T>>,
    identity: K,
}

impl<K: Eq + Hash, T: Clone> Drop for UnderWay<K, T> {
    fn drop(&mut self) {
        self.shares.lock().remove(&self.identity);
    }
}

impl<K: Eq + Hash, T: Clone> Shares<K, T> {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<K, WeakShared<BoxFuture<'static, T>>>> {
        self.running.lock().expect("nothing panics while it is held")
    }

    /// Nobody joins what is under way now: its result may be out of date.
    pub fn forget(&self) {
        self.lock().clear();
    }
}

impl<K, T> Shares<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The result of equal work that is under way, or of `start`.
    pub fn join<F>(self: &Arc<Self>, identity: K, start: impl FnOnce() -> F) -> Shared<BoxFuture<'static, T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = self.lock();
        if let Some(shared) = running.get(&identity).and_then(WeakShared::upgrade) {
            return shared;
        }
        let under_way = UnderWay { shares: Arc::clone(self), identity: identity.clone() };
        let work = start();
        let work = async move {
            let _under_way = under_way;
            work.await
        };
        let shared = work.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            running.insert(identity, weak);
        }
        shared
    }
}
