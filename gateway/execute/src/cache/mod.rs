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
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
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
    /// For each name, the number that all users of the store have there; where the flag is set, after it was raised to one
    /// that nobody has had. `None` where nobody else uses the store, or it does not say.
    fn numbers(&self, names: Vec<(String, bool)>) -> BoxFuture<'static, Vec<Option<u64>>> {
        ready(vec![None; names.len()]).boxed()
    }
}

impl<S: Store> Store for Arc<S> {
    fn get(&self, answers: Vec<[[u8; 32]; 2]>) -> BoxFuture<'static, Vec<Option<Kept>>> {
        S::get(self, answers)
    }

    fn put(&self, entries: Vec<([u8; 32], Kept)>) {
        S::put(self, entries);
    }

    fn numbers(&self, names: Vec<(String, bool)>) -> BoxFuture<'static, Vec<Option<u64>>> {
        S::numbers(self, names)
    }
}

/// Kept answers of all subgraphs. It outlives the graphs that use it.
#[derive(Debug)]
pub struct AnswerCache {
    store: Box<dyn Store>,
    subgraphs: Mutex<HashMap<String, Arc<Cached>>>,
}

/// What is known of a subgraph.
#[derive(Debug)]
pub(crate) struct Cached {
    /// Whether it has ever let an answer be kept: if not, nobody looks for one.
    allows: AtomicBool,
    version: AtomicU64,
    /// Stands for the last mutation: at all users of the store, or, with the highest bit, at this gateway alone.
    changes: AtomicU64,
    /// The first `changes`, before any mutation.
    first: u64,
    /// The last `changes` that all users of the store had.
    agreed: AtomicU64,
    /// Entities and answers that were found, and not found.
    pub hits: AtomicU64,
    pub misses: AtomicU64,
}

impl Default for Cached {
    /// What others have kept is not found before they have been asked.
    fn default() -> Self {
        let first = own_number();
        Self {
            allows: AtomicBool::default(),
            version: AtomicU64::default(),
            changes: first.into(),
            first,
            agreed: AtomicU64::default(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
        }
    }
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

    /// A mutation may have changed what was kept. Until other users of the store know of it, the number is one that they
    /// don't have: what they keep may still be of before.
    pub fn change(&self) {
        self.changes.store(own_number(), Ordering::Release);
    }

    /// `changes`, and whether others have to be told of it.
    fn news(&self) -> (u64, bool) {
        let changes = self.changes.load(Ordering::Acquire);
        (changes, changes >= OWN && changes != self.first)
    }

    /// All users of the store have this number now. `changes` was here when they were asked, and `told`.
    fn agree(&self, changes: u64, told: bool, number: u64) {
        // a store that was set back may have what was kept before a mutation: it is told again
        let is_news = told || number >= self.agreed.load(Ordering::Acquire);
        let next = if is_news { number } else { own_number() };
        // a mutation since then is told the next time
        if self.changes.compare_exchange(changes, next, Ordering::AcqRel, Ordering::Acquire).is_ok() && is_news {
            self.agreed.store(number, Ordering::Release);
        }
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

    /// Tell the other users of the store of mutations, and hear of theirs: what was kept before is then found by none. To be
    /// called again and again.
    pub async fn follow_changes(&self) {
        let subgraphs: Vec<(String, Arc<Cached>)> = {
            let all = self.subgraphs.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().map(|(name, cached)| (name.clone(), Arc::clone(cached))).collect()
        };
        let known: Vec<(u64, bool)> = subgraphs.iter().map(|(_, cached)| cached.news()).collect();
        let names = subgraphs.iter().zip(&known).map(|((name, _), &(_, tells))| (name.clone(), tells)).collect();
        let numbers = self.store.numbers(names).await;
        for (((_, cached), (changes, told)), number) in subgraphs.iter().zip(known).zip(numbers) {
            if let Some(number) = number.filter(|number| *number < OWN) {
                cached.agree(changes, told, number);
            }
        }
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

/// From here on, numbers are of one gateway alone.
const OWN: u64 = 1 << 63;

/// A number that nobody else has.
fn own_number() -> u64 {
    RandomState::new().build_hasher().finish() | OWN
}

/// Seconds of Unix time.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
