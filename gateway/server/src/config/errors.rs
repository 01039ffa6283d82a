//! Error settings: what clients read of subgraphs' errors.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What clients read of subgraphs' errors.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorsConfig {
    /// Of every subgraph.
    pub all: ErrorRule,
    /// Of some subgraphs, by name, instead of what `all` says.
    pub subgraphs: BTreeMap<String, ErrorRule>,
}

/// What clients read of a subgraph's errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorRule {
    /// Whether they read its texts.
    pub messages: ErrorMessages,
    /// Which of its extensions they read; all where nothing is said.
    pub extensions: Option<Vec<String>>,
}

/// Whether clients read the texts of a subgraph's errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMessages {
    /// As the subgraph wrote them.
    #[default]
    Pass,
    /// One text for all; the subgraph's own goes to the log.
    Mask,
}

impl ErrorsConfig {
    /// The rule of the subgraph `name`.
    pub fn of(&self, name: &str) -> &ErrorRule {
        self.subgraphs.get(name).unwrap_or(&self.all)
    }
}
