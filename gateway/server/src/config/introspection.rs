//! Introspection settings: who may ask for the schema.

use schemars::JsonSchema;
use serde::Deserialize;
use terrane_policy::Caller;

/// Who may ask for `__schema` and `__type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntrospectionConfig {
    /// Everybody.
    pub enabled: bool,
    /// Callers with one of these roles, also where not everybody may.
    pub roles: Vec<String>,
}

impl Default for IntrospectionConfig {
    fn default() -> Self {
        Self { enabled: true, roles: Vec::new() }
    }
}

impl IntrospectionConfig {
    /// Whether `caller` may.
    pub fn allows(&self, caller: &Caller) -> bool {
        self.enabled || self.roles.iter().any(|role| caller.roles.contains(role))
    }
}
