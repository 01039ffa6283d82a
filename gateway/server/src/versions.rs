//! Versions: turns what products say of their data, and of who was granted what, into the versions that kept answers are of, so
//! that a publish, an approval and a revocation take effect within a second.

use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use bytes::Bytes;
use futures_util::future::join_all;
use rustc_hash::FxHasher;
use serde_json::Value;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;
use terrane_execute::cache::AnswerCache;
use tower::ServiceExt as _;

const EVERY: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(5);
const QUESTION: &[u8] = br#"{"query":"{ product { currentVersion { version } accessState } }"}"#;

/// Follow the versions of all products of which answers are kept, for ever.
pub async fn follow_versions(gateway: Gateway) {
    let Some(cache) = gateway.inner.cache.clone() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(EVERY).await;
        let used = gateway.inner.settings.sources.iter().filter(|source| cache.is_used_for(&source.name));
        tokio::join!(join_all(used.map(|source| follow(&cache, source))), cache.follow_changes());
    }
}

async fn follow(cache: &AnswerCache, source: &SubgraphSource) {
    let (hits, misses) = cache.counts(&source.name);
    let name = source.name.clone();
    metrics::counter!("terrane_gateway_cache_hits_total", "subgraph" => name.clone()).absolute(hits);
    metrics::counter!("terrane_gateway_cache_misses_total", "subgraph" => name).absolute(misses);
    if !source.product {
        return;
    }
    match version(source).await {
        Some(version) => cache.set_version(&source.name, version),
        // what is kept is still as fresh as the product has said
        None => tracing::debug!(subgraph = source.name, "the version of its data is not known"),
    }
}

async fn version(source: &SubgraphSource) -> Option<u64> {
    let request = source.request(Bytes::from_static(QUESTION), None).ok()?;
    let answered = tokio::time::timeout(LIMIT, source.transport.clone().oneshot(request)).await.ok()?.ok()?;
    let answer: Value = serde_json::from_slice(answered.body()).ok()?;
    let version = answer.pointer("/data/product/currentVersion/version")?.as_u64()?;
    let access = answer.pointer("/data/product/accessState")?.as_str()?;
    let mut hasher = FxHasher::default();
    (version, access).hash(&mut hasher);
    Some(hasher.finish())
}
