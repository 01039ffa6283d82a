//! Rate settings: how often may be asked.

use schemars::JsonSchema;
use serde::Deserialize;

/// Bounds of requests; what is left out is without bound.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    /// Of all clients together.
    pub all: Option<RateConfig>,
    /// Of each address, whoever asks.
    pub address: Option<RateConfig>,
    /// Of each caller: by subject, or by address where it has not signed in.
    pub caller: Option<RateConfig>,
    /// Callers and addresses that are known at the same time; the longest silent one is forgotten.
    pub known: u64,
    /// Take the last address of `x-forwarded-for` for the client's: only behind a proxy that writes it.
    pub forwarded_for: bool,
}

impl Default for RatesConfig {
    fn default() -> Self {
        Self { all: None, address: None, caller: None, known: 100_000, forwarded_for: false }
    }
}

/// A bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a second; of a budget, cost a second.
    pub per_second: u32,
    /// As much at once after a silence; as `per_second` where nothing is said.
    #[serde(default)]
    pub burst: Option<u32>,
}
