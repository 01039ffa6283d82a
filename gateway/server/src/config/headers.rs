//! Settings of headers: turns the `headers` and `request_id` sections into what subgraphs are sent beside the operation.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What subgraphs are sent of the client's headers, and others. Rules come after `forward_headers`, in their order.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// For each subgraph.
    pub all: Vec<HeaderRule>,
    /// For one subgraph, by its name; after those for all.
    pub subgraphs: BTreeMap<String, Vec<HeaderRule>>,
}

/// One rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HeaderRule {
    /// Send a header of the client.
    Propagate(PropagateRule),
    /// Send the headers of the client whose names begin so.
    PropagatePrefix(String),
    /// Send a header of the operator's, instead of what is there of that name.
    Insert(InsertRule),
    /// Send no header of this name.
    Remove(String),
}

/// A header of the client.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PropagateRule {
    /// Its name.
    pub name: String,
    /// Its name at the subgraph, where that is another.
    #[serde(default)]
    pub rename: Option<String>,
    /// Its value where the client sends none.
    #[serde(default)]
    pub default: Option<String>,
}

/// A header of the operator.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InsertRule {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A name for each request, by which its lines in the logs of all that took part are found.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestIdConfig {
    /// Whether requests have one.
    pub enabled: bool,
    /// The header that it comes in, goes back in, and is sent to subgraphs in.
    pub header: String,
    /// Whether subgraphs are sent it.
    pub forward: bool,
}

impl Default for RequestIdConfig {
    fn default() -> Self {
        Self { enabled: true, header: "x-request-id".to_owned(), forward: true }
    }
}

/// A line of the log for each request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Whether it is written.
    pub enabled: bool,
}
