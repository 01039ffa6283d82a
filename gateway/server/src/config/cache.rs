//! Settings of the cache: turns the `cache` section into how much of subgraphs' answers is kept.

use schemars::JsonSchema;
use serde::Deserialize;

/// Answers that are kept for as long as subgraphs' `Cache-Control` allows. A subgraph that says nothing is always asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Whether anything is kept.
    pub enabled: bool,
    /// Bytes of memory for it; what is used least goes first.
    pub memory_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { enabled: true, memory_bytes: 64 * 1024 * 1024 }
    }
}
