//! The cache of answers: turns what subgraphs allow to keep into answers that need not be asked for (ADR 24).
//!
//! Kept are whole answers of root fetches, and each entity of an `_entities` answer by its representation: an operation
//! then asks for the entities only that are not there. What is kept says for how long, and for whom ([`Freshness`]). A
//! subgraph's version is part of every key: when it changes, what was kept is not found any more.

mod freshness;
mod key;
mod memory;

pub use freshness::Freshness;
pub(crate) use key::{Keys, Prefix};
pub use memory::MemoryStore;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// JSON text.
    pub text: Bytes,
    /// Until when, in seconds of Unix time.
    pub until: u64,
    /// Whether it is for every caller.
    pub public: bool,
}

impl Kept {
    /// What is left of its freshness; `None` where nothing is.
    pub fn freshness(&self, now: u64) -> Option<Freshness> {
        let seconds = u32::try_from(self.until.saturating_sub(now)).unwrap_or(u32::MAX);
        (seconds > 0).then_some(Freshness { seconds, public: self.public })
    }
}

/// Where answers are kept. A store that fails or is slow is one that has nothing.
pub trait Store: std::fmt::Debug + Send + Sync {
    /// For each answer, in their order: what is fresh of that which is kept under its two keys, the first one first.
    fn get(&self, answers: Vec<[[u8; 32]; 2]>) -> BoxFuture<'static, Vec<Option<Kept>>>;
    /// Keep this.
    fn put(&self, entries: Vec<([u8; 32], Kept)>);
}

impl<S: Store> Store for Arc<S> {
    fn get(&self, answers: Vec<[[u8; 32]; 2]>) -> BoxFuture<'static, Vec<Option<Kept>>> {
        S::get(self, answers)
    }

    fn put(&self, entries: Vec<([u8; 32], Kept)>) {
        S::put(self, entries);
    }
}

/// Kept answers of all subgraphs. It outlives the graphs that use it.
#[derive(Debug)]
pub struct AnswerCache {
    store: Box<dyn Store>,
    subgraphs: Mutex<HashMap<String, Arc<Cached>>>,
}

/// What is known of a subgraph.
#[derive(Debug, Default)]
pub(crate) struct Cached {
    /// Whether it has ever let an answer be kept: if not, nobody looks for one.
    allows: AtomicBool,
    version: AtomicU64,
    changes: AtomicU64,
    /// Entities and answers that were found, and not found.
    pub hits: AtomicU64,
    pub misses: AtomicU64,
}

impl Cached {
    pub fn allows(&self) -> bool {
        self.allows.load(Ordering::Relaxed)
    }

    pub fn allow(&self) {
        if !self.allows() {
            self.allows.store(true, Ordering::Relaxed);
        }
    }

    /// The version of the subgraph's data, and what stands for the last mutation that changed them.
    pub fn version(&self) -> (u64, u64) {
        (self.version.load(Ordering::Acquire), self.changes.load(Ordering::Acquire))
    }

    /// A mutation may have changed what was kept. The number is one that nobody else has: what other gateways with the
    /// same store have kept may be of before.
    pub fn change(&self) {
        self.changes.store(RandomState::new().build_hasher().finish(), Ordering::Release);
    }
}

impl AnswerCache {
    /// A cache over a store.
    pub fn new(store: impl Store + 'static) -> Self {
        Self { store: Box::new(store), subgraphs: Mutex::default() }
    }

    pub(crate) fn of(&self, subgraph: &str) -> Arc<Cached> {
        let mut subgraphs = self.subgraphs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(subgraphs.entry(subgraph.to_owned()).or_default())
    }

    /// A subgraph has this version of its data now: what was kept of another one is forgotten.
    pub fn set_version(&self, subgraph: &str, version: u64) {
        self.of(subgraph).version.store(version, Ordering::Release);
    }

    /// Whether a subgraph has let an answer be kept, so that its version matters.
    pub fn is_used_for(&self, subgraph: &str) -> bool {
        self.of(subgraph).allows()
    }

    /// Answers and entities of a subgraph that were found, and that were not.
    pub fn counts(&self, subgraph: &str) -> (u64, u64) {
        let cached = self.of(subgraph);
        (cached.hits.load(Ordering::Relaxed), cached.misses.load(Ordering::Relaxed))
    }

    /// What is kept and still fresh, for every caller or for this one.
    pub(crate) async fn get(&self, keys: &[Keys]) -> Vec<Option<(Kept, Freshness)>> {
        let asked = keys.iter().map(|keys| [keys.public.0, keys.private.0]).collect();
        let mut found = self.store.get(asked).await;
        // one for each, whatever the store says: who has none here is asked for
        found.resize(keys.len(), None);
        let now = now();
        let fresh = |kept: Kept| kept.freshness(now).map(|freshness| (kept, freshness));
        found.into_iter().map(|kept| kept.and_then(fresh)).collect()
    }

    /// Keep texts for as long as they are fresh.
    pub(crate) fn put(&self, entries: impl Iterator<Item = (Keys, Bytes)>, freshness: Freshness) {
        let until = now() + u64::from(freshness.seconds);
        let entries = entries.map(|(keys, text)| {
            let key = if freshness.public { keys.public } else { keys.private };
            (key.0, Kept { text, until, public: freshness.public })
        });
        self.store.put(entries.collect());
    }
}

/// Seconds of Unix time.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
