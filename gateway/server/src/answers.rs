//! Kept answers: turns the settings of the cache into where answers are kept.

use crate::config::CacheConfig;
use crate::subgraph::SubgraphSource;
use std::sync::Arc;
use terrane_execute::cache::{AnswerCache, MemoryStore};
use terrane_redis::RedisStore;

/// The cache, if there shall be one. Has to be called inside of a Tokio runtime where there is a Redis.
pub(crate) fn open(config: &CacheConfig, sources: &[SubgraphSource]) -> Option<Arc<AnswerCache>> {
    if !config.enabled {
        return None;
    }
    let memory = || AnswerCache::new(MemoryStore::new(config.memory_bytes));
    let Some(redis) = &config.redis else { return Some(Arc::new(memory())) };
    let cache = match RedisStore::open(&redis.options(config.memory_bytes)) {
        Ok(store) => AnswerCache::new(store),
        Err(error) => {
            tracing::error!(%error, "answers are kept in memory only");
            memory()
        }
    };
    // until a product has told its version, what others have kept may be of any
    for product in sources.iter().filter(|source| source.product) {
        cache.set_version(&product.name, rand::random());
    }
    Some(Arc::new(cache))
}
