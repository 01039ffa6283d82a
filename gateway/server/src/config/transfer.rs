//! Settings of transfer: turns the `batching` and `compression` sections into how requests and responses travel.

use schemars::JsonSchema;
use serde::Deserialize;

/// Several operations in one HTTP request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchingConfig {
    /// Whether a request may be an array.
    pub enabled: bool,
    /// Operations of one request at most.
    pub max_operations: usize,
}

impl Default for BatchingConfig {
    fn default() -> Self {
        Self { enabled: false, max_operations: 10 }
    }
}

/// Compression by gzip, brotli and zstd.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionConfig {
    /// Whether compressed request bodies are taken. `limits.body_bytes` bounds them as they are after.
    pub requests: bool,
    /// Whether responses are compressed for clients that take it.
    pub responses: bool,
    /// Smaller responses are sent as they are.
    pub min_bytes: u16,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        Self { requests: true, responses: true, min_bytes: 1024 }
    }
}
