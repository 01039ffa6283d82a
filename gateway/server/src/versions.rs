//! Versions: turns what products say of their data, of their policy and of who was granted what, into the versions that kept
//! answers are of, so that a publish, another policy, an approval and a revocation take effect within a second.

use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use bytes::Bytes;
use futures_util::future::join_all;
use rustc_hash::FxHasher;
use serde_json::Value;
use std::hash::{Hash as _, Hasher as _};
use std::time::{Duration, Instant};
use terrane_execute::cache::AnswerCache;
use tower::ServiceExt as _;

const EVERY: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(5);
/// So long after another policy has come to hold at a product, nothing of it is kept for longer than a look: another of its
/// processes may not have heard of it yet, and answer as before. They all look every five seconds, whatever they hear.
const SETTLING: Duration = Duration::from_secs(6);
const QUESTION: &[u8] = br#"{"query":"{ product { currentVersion { version } accessState } }"}"#;

/// What was seen of a product's policy.
#[derive(Debug, Default)]
struct Seen {
    policy: Option<String>,
    /// Since when it holds, where it was seen to come.
    since: Option<Instant>,
    looks: u64,
}

impl Seen {
    /// A number that is another one at each look as long as not all processes of the product can be taken to have heard of the
    /// policy.
    fn unsettled(&mut self, policy: &str, now: Instant) -> u64 {
        self.looks += 1;
        if self.policy.as_deref() != Some(policy) {
            // the first that is seen may have held for long
            self.since = self.policy.is_some().then_some(now);
            self.policy = Some(policy.to_owned());
        }
        match self.since.is_some_and(|since| now - since < SETTLING) {
            true => self.looks,
            false => 0,
        }
    }
}

/// Follow the versions of all products of which answers are kept, for ever.
pub async fn follow_versions(gateway: Gateway) {
    let Some(cache) = gateway.inner.cache.clone() else { return std::future::pending().await };
    let sources = &gateway.inner.settings.sources;
    let mut seen: Vec<Seen> = sources.iter().map(|_| Seen::default()).collect();
    loop {
        tokio::time::sleep(EVERY).await;
        let used = sources.iter().zip(&mut seen).filter(|(source, _)| cache.is_used_for(&source.name));
        let looks = used.map(|(source, seen)| follow(&cache, source, seen));
        tokio::join!(join_all(looks), cache.follow_changes());
    }
}

async fn follow(cache: &AnswerCache, source: &SubgraphSource, seen: &mut Seen) {
    let (hits, misses) = cache.counts(&source.name);
    let name = source.name.clone();
    metrics::counter!("terrane_gateway_cache_hits_total", "subgraph" => name.clone()).absolute(hits);
    metrics::counter!("terrane_gateway_cache_misses_total", "subgraph" => name).absolute(misses);
    if !source.product {
        return;
    }
    match version(source, seen).await {
        Some(version) => cache.set_version(&source.name, version),
        // what is kept is still as fresh as the product has said
        None => tracing::debug!(subgraph = source.name, "the version of its data is not known"),
    }
}

async fn version(source: &SubgraphSource, seen: &mut Seen) -> Option<u64> {
    let request = source.request(Bytes::from_static(QUESTION), None).ok()?;
    let answered = tokio::time::timeout(LIMIT, source.transport.clone().oneshot(request)).await.ok()?.ok()?;
    let answer: Value = serde_json::from_slice(answered.body()).ok()?;
    let version = answer.pointer("/data/product/currentVersion/version")?.as_u64()?;
    let access = answer.pointer("/data/product/accessState")?.as_str()?;
    // after its last dot, it stands for the policy
    let policy = access.rsplit('.').next().unwrap_or_default();
    let mut hasher = FxHasher::default();
    (version, access, seen.unsettled(policy, Instant::now())).hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_long_after_another_policy_has_come_to_hold() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let mut look = |policy: &str, after: u64| seen.unsettled(policy, start + Duration::from_millis(after));
        assert_eq!([look("a", 0), look("a", 500)], [0, 0], "the first that is seen may have held for long");
        assert_eq!([look("b", 1000), look("b", 1500)], [3, 4]);
        // a process that lags behind says the one before
        assert_eq!([look("a", 2000), look("b", 2500), look("b", 3000)], [5, 6, 7]);
        assert_eq!([look("b", 8400), look("b", 8600), look("b", 9100)], [8, 0, 0]);
    }
}
