//! Memory: keeps answers in this process, as many bytes of them as it may, the most used ones.

use super::{Kept, Store};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use moka::Expiry;
use moka::sync::Cache;
use std::time::{Duration, Instant};

/// What an entry takes beside its text.
const OVERHEAD: usize = 200;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    entries: Cache<[u8; 32], Kept>,
}

struct UntilStale;

impl Expiry<[u8; 32], Kept> for UntilStale {
    fn expire_after_create(&self, _: &[u8; 32], kept: &Kept, _: Instant) -> Option<Duration> {
        Some(Duration::from_secs(kept.until.saturating_sub(super::now())))
    }
}

impl MemoryStore {
    /// A store for so many bytes.
    pub fn new(bytes: u64) -> Self {
        let weigh = |_: &[u8; 32], kept: &Kept| u32::try_from(kept.text.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self { entries: Cache::builder().max_capacity(bytes).weigher(weigh).expire_after(UntilStale).build() }
    }

    /// As [`Store::get`], at once.
    pub fn find(&self, answers: &[[[u8; 32]; 2]]) -> Vec<Option<Kept>> {
        let now = super::now();
        let fresh = |key: &[u8; 32]| self.entries.get(key).filter(|kept| kept.until > now);
        answers.iter().map(|keys| keys.iter().find_map(fresh)).collect()
    }
}

impl Store for MemoryStore {
    fn get(&self, answers: Vec<[[u8; 32]; 2]>) -> BoxFuture<'static, Vec<Option<Kept>>> {
        ready(self.find(&answers)).boxed()
    }

    fn put(&self, entries: Vec<([u8; 32], Kept)>) {
        for (key, kept) in entries {
            self.entries.insert(key, kept);
        }
    }
}
