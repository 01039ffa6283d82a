//! Settings of the cache: turns the `cache` section into how much of subgraphs' answers is kept, and where.

use super::Finding;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use terrane_redis::RedisStore;

/// Answers that are kept for as long as subgraphs' `Cache-Control` allows. A subgraph that says nothing is always asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Whether anything is kept.
    pub enabled: bool,
    /// Bytes of memory for it; what is used least goes first.
    pub memory_bytes: u64,
    /// Where gateways share what they keep; the memory is then in front of it.
    pub redis: Option<RedisConfig>,
}

/// A Redis that several gateways have. While it is gone or slow, each gateway is as without it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `unix:///PATH`.
    pub url: String,
    /// What all keys begin with. Gateways with the same prefix share answers: they have to be of the same mesh, with the
    /// same settings of subgraphs and headers.
    #[serde(default = "prefix_by_default")]
    pub prefix: String,
    /// Milliseconds until a lookup is given up.
    #[serde(default = "timeout_by_default")]
    pub timeout_ms: u64,
}

fn prefix_by_default() -> String {
    terrane_redis::Options::default().prefix
}

fn timeout_by_default() -> u64 {
    50
}

impl RedisConfig {
    /// How the store uses it, with so many bytes of memory in front.
    pub fn options(&self, memory_bytes: u64) -> terrane_redis::Options {
        terrane_redis::Options {
            url: self.url.clone(),
            prefix: self.prefix.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            near_bytes: memory_bytes,
            ..terrane_redis::Options::default()
        }
    }
}

impl CacheConfig {
    /// What is wrong with it.
    pub(super) fn check(&self, found: &mut Vec<Finding>) {
        let Some(redis) = &self.redis else { return };
        if let Err(error) = RedisStore::check(&redis.url) {
            found.push(Finding::new("cache.redis.url", error.to_string()));
        }
        if !(1..=64).contains(&redis.prefix.len()) {
            found.push(Finding::new("cache.redis.prefix", "give between 1 and 64 bytes"));
        }
        if !(1..=10_000).contains(&redis.timeout_ms) {
            found.push(Finding::new("cache.redis.timeout_ms", "give between 1 and 10000 milliseconds"));
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { enabled: true, memory_bytes: 64 * 1024 * 1024, redis: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewayConfig;

    #[test]
    fn what_is_no_redis_is_told() {
        let found = |redis: &str| {
            let config = GatewayConfig::parse(&format!("cache: {{redis: {{{redis}}}}}\n"), &|_| None).unwrap();
            let mut found = Vec::new();
            config.cache.check(&mut found);
            found.into_iter().map(|finding| finding.path).collect::<Vec<_>>()
        };
        assert_eq!(found("url: \"redis://:word@cache:6379/2\""), [""; 0]);
        assert_eq!(
            found("url: \"http://cache\", prefix: \"\", timeout_ms: 0"),
            ["cache.redis.url", "cache.redis.prefix", "cache.redis.timeout_ms"]
        );
        assert_eq!(found("url: \"rediss://cache\""), ["cache.redis.url"]);
        let defaults = GatewayConfig::parse("cache: {redis: {url: \"redis://cache\"}}\n", &|_| None).unwrap().cache;
        let options = defaults.redis.unwrap().options(defaults.memory_bytes);
        assert_eq!((options.prefix.as_str(), options.timeout), ("terrane:", Duration::from_millis(50)));
        assert_eq!(options.near_bytes, 64 * 1024 * 1024);
    }
}
