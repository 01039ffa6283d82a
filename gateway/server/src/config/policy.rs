//! Policy settings: where the mesh's rules are, and what becomes of operations that ask for what is denied.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Mesh-wide rules, decided before an operation is planned.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// casbin policy lines: `p, ROLE, Type.field, read, allow|deny`. Without a file, the mesh adds no rule of its own, and
    /// the products' rules are all there is. A change of the file holds within a second.
    pub mesh: Option<PathBuf>,
    /// What becomes of an operation that selects a denied field.
    pub mode: PolicyMode,
}

/// What becomes of an operation that selects a denied field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// It runs without the field, which is null with an error at its path.
    #[default]
    Null,
    /// It does not run.
    Reject,
}
