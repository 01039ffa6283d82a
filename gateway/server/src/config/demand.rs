//! Demand settings: what operations may cost.

use super::RateConfig;
use schemars::JsonSchema;
use serde::Deserialize;

/// Demand control by `@cost` and `@listSize`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DemandConfig {
    /// Whether costs are estimated, and whether dear operations are refused.
    pub mode: DemandMode,
    /// What one operation may cost.
    pub max_cost: f64,
    /// How long lists are taken to be of which no `@listSize` says it.
    pub list_size: f64,
    /// What each caller may spend: by subject, or by address where it has not signed in.
    pub budget: Option<RateConfig>,
    /// When `extensions.cost` is in responses.
    pub report: DemandReport,
}

impl Default for DemandConfig {
    fn default() -> Self {
        Self { mode: DemandMode::Off, max_cost: 10_000.0, list_size: 10.0, budget: None, report: DemandReport::Asked }
    }
}

/// Whether costs are estimated, and whether dear operations are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DemandMode {
    /// Nothing is estimated.
    #[default]
    Off,
    /// Costs are estimated, reported and measured; nothing is refused.
    Measure,
    /// What costs too much is refused.
    Enforce,
}

/// When `extensions.cost` is in responses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DemandReport {
    /// Never; the `graphql-cost` header is there anyway.
    Never,
    /// Where the request has `"extensions": {"cost": true}`.
    #[default]
    Asked,
    /// Always.
    Always,
}
