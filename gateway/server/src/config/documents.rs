//! Settings of documents: turns the `documents` section into which operations may run, and how clients may name them.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// How clients name operations instead of sending their text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentsConfig {
    /// Documents that clients register as they go (Automatic Persisted Queries).
    pub automatic: AutomaticConfig,
    /// Documents that were known before, as when the clients were built.
    pub trusted: TrustedConfig,
}

/// Automatic Persisted Queries.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutomaticConfig {
    /// Whether clients may register documents.
    pub enabled: bool,
    /// Bytes of registered documents that are kept; those that are used least go first.
    pub cache_bytes: u64,
}

impl Default for AutomaticConfig {
    fn default() -> Self {
        Self { enabled: true, cache_bytes: 16 * 1024 * 1024 }
    }
}

/// Trusted documents.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedConfig {
    /// A file, or a folder of files: JSON of the form `{"ID": "text"}`, Apollo's manifest of persisted queries, or
    /// `ID.graphql`. Read again when it changes.
    pub path: Option<PathBuf>,
    /// What becomes of other documents.
    pub others: OtherDocuments,
    /// Whether trusted documents, too, are taken by their id only and not by their text. Only where others are rejected.
    pub require_id: bool,
}

/// What becomes of documents that are not trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtherDocuments {
    /// They run.
    #[default]
    Allow,
    /// They run, and the log names each.
    Log,
    /// They are refused.
    Reject,
}
