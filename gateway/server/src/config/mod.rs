//! Configuration: turns a YAML file into typed settings of the gateway.

mod auth;
mod browsers;
mod cache;
mod check;
mod demand;
mod documents;
mod errors;
mod expand;
mod headers;
mod introspection;
mod policy;
mod rates;
mod server;
mod subgraph;
mod subscriptions;
mod telemetry;
mod traffic;
mod transfer;

pub use auth::{ApiKeysConfig, AuthConfig};
pub use browsers::{CorsConfig, CsrfConfig, CsrfRefusal};
pub use cache::{CacheConfig, RedisConfig};
pub use check::{Finding, findings};
pub use demand::{DemandConfig, DemandMode, DemandReport};
pub use documents::{AutomaticConfig, DocumentsConfig, OtherDocuments, TrustedConfig};
pub use errors::{ErrorMessages, ErrorRule, ErrorsConfig};
pub use expand::{ExpandError, expand};
pub use headers::{AccessLogConfig, HeaderRule, HeadersConfig, InsertRule, PropagateRule, RequestIdConfig};
pub use introspection::IntrospectionConfig;
pub use policy::{PolicyConfig, PolicyMode};
pub use rates::{RateConfig, RatesConfig};
pub use server::{ServerConfig, TlsConfig};
pub use subgraph::{SubgraphConfig, SubgraphTlsConfig};
pub use subscriptions::{ReconnectConfig, SlowConsumer, SourceProtocol, SubgraphSubscriptions, SubscriptionsConfig};
pub use telemetry::{TelemetryConfig, TracesConfig};
pub use traffic::{BreakerConfig, CallConfig, ConcurrencyConfig, RetryConfig, TrafficConfig};
pub use transfer::{BatchingConfig, CompressionConfig};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of `terrane gateway --config FILE`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address to listen on, e.g. `0.0.0.0:4000`; `--listen` goes first.
    #[serde(default)]
    pub listen: Option<String>,
    /// A composed supergraph to serve as it is.
    #[serde(default)]
    pub supergraph: Option<PathBuf>,
    /// Subgraphs to compose.
    #[serde(default)]
    pub subgraphs: Vec<SubgraphConfig>,
    /// Who verifies tokens.
    #[serde(default)]
    pub auth: AuthConfig,
    /// Mesh-wide rules.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Bounds of what a client may ask.
    #[serde(default)]
    pub limits: Limits,
    /// Streams to clients, and those of subgraphs that feed them.
    #[serde(default)]
    pub subscriptions: SubscriptionsConfig,
    /// Answers of subgraphs that are kept.
    #[serde(default)]
    pub cache: CacheConfig,
    /// Requests at once, and how subgraphs are called.
    #[serde(default)]
    pub traffic: TrafficConfig,
    /// What clients read of subgraphs' errors.
    #[serde(default)]
    pub errors: ErrorsConfig,
    /// How often may be asked.
    #[serde(default)]
    pub rates: RatesConfig,
    /// What operations may cost.
    #[serde(default)]
    pub demand: DemandConfig,
    /// Who may ask for the schema.
    #[serde(default)]
    pub introspection: IntrospectionConfig,
    /// Whether the explorer is served at `/graphiql`.
    #[serde(default = "explorer_by_default")]
    pub explorer: bool,
    /// Request headers that are passed on to subgraphs.
    #[serde(default = "forwarded_by_default")]
    pub forward_headers: Vec<String>,
    /// Seconds between two looks at subgraphs whose SDL is asked of them; 0 never looks again.
    #[serde(default = "poll_by_default")]
    pub poll_seconds: u64,
    /// Persisted and trusted documents.
    #[serde(default)]
    pub documents: DocumentsConfig,
    /// Prevention of cross-site request forgery.
    #[serde(default)]
    pub csrf: CsrfConfig,
    /// Pages of other origins that may ask.
    #[serde(default)]
    pub cors: CorsConfig,
    /// Several operations in one request.
    #[serde(default)]
    pub batching: BatchingConfig,
    /// Compressed requests and responses.
    #[serde(default)]
    pub compression: CompressionConfig,
    /// Connections.
    #[serde(default)]
    pub server: ServerConfig,
    /// What subgraphs are sent of the client's headers.
    #[serde(default)]
    pub headers: HeadersConfig,
    /// Names of requests.
    #[serde(default)]
    pub request_id: RequestIdConfig,
    /// A line for each request.
    #[serde(default)]
    pub access_log: AccessLogConfig,
    /// What the gateway tells of itself.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// The sections that say how requests come in and responses go out.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `documents`
    pub documents: DocumentsConfig,
    /// `csrf`
    pub csrf: CsrfConfig,
    /// `cors`
    pub cors: CorsConfig,
    /// `batching`
    pub batching: BatchingConfig,
    /// `compression`
    pub compression: CompressionConfig,
    /// Until the body of a request has to be there.
    pub body_timeout: Duration,
    /// `request_id`
    pub request_id: RequestIdConfig,
    /// `access_log`
    pub access_log: AccessLogConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        GatewayConfig::empty().http()
    }
}

/// Bounds of what a client may ask.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Tokens of an operation's text.
    pub tokens: usize,
    /// Levels of an operation's selections.
    pub depth: usize,
    /// Fields of an operation under another name than their own.
    pub aliases: usize,
    /// Fields of the root, with those of fragments.
    pub root_fields: usize,
    /// Directives in the text.
    pub directives: usize,
    /// Fragments in the text.
    pub fragments: usize,
    /// Fields and fragments, where each fragment counts as often as it is spread.
    pub selections: usize,
    /// Items of one list, in an argument or a variable.
    pub list_items: usize,
    /// Bytes of a request's variables.
    pub variables_bytes: usize,
    /// Levels of a request's variables.
    pub variables_depth: usize,
    /// Bytes of compiled plans that are kept.
    pub plan_cache_bytes: u64,
    /// Seconds until a subgraph's answer is given up.
    pub subgraph_timeout_seconds: u64,
    /// Bytes of one subgraph's answer.
    pub subgraph_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 * 1024 * 1024,
            tokens: 15_000,
            depth: 64,
            aliases: 500,
            root_fields: 100,
            directives: 500,
            fragments: 500,
            selections: 20_000,
            list_items: 10_000,
            variables_bytes: 1024 * 1024,
            variables_depth: 32,
            plan_cache_bytes: 40 * 1024 * 1024,
            subgraph_timeout_seconds: 30,
            subgraph_body_bytes: 64 * 1024 * 1024,
        }
    }
}

fn forwarded_by_default() -> Vec<String> {
    vec!["authorization".to_owned()]
}

fn explorer_by_default() -> bool {
    true
}

fn poll_by_default() -> u64 {
    10
}

impl GatewayConfig {
    /// Read YAML text; `${VAR}` and `${VAR:-default}` are replaced first, by `variable`.
    ///
    /// # Errors
    /// All that is wrong with its form; [`findings`] are what else may be.
    pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Finding>> {
        check::read(text, variable)
    }

    /// The JSON schema of the file (draft 2020-12), as it is in `schema/gateway-config.schema.json`.
    pub fn json_schema() -> String {
        let mut schema = schemars::schema_for!(Self).to_value();
        allow_placeholders(&mut schema);
        serde_json::to_string_pretty(&schema).expect("a schema becomes JSON text") + "\n"
    }

    /// Defaults for a list of subgraphs or a supergraph.
    pub fn empty() -> Self {
        serde_json::from_value(Value::Object(serde_json::Map::new())).expect("every key has a default")
    }

    /// How requests come in and responses go out.
    pub fn http(&self) -> HttpConfig {
        HttpConfig {
            documents: self.documents.clone(),
            csrf: self.csrf.clone(),
            cors: self.cors.clone(),
            batching: self.batching.clone(),
            compression: self.compression.clone(),
            body_timeout: Duration::from_secs(self.server.body_timeout_seconds),
            request_id: self.request_id.clone(),
            access_log: self.access_log.clone(),
        }
    }
}

/// Let numbers and booleans also be written as `${VAR}`.
fn allow_placeholders(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let typed = |name: &Value| matches!(name.as_str(), Some("integer" | "number" | "boolean"));
            let types = match map.get("type") {
                Some(Value::Array(names)) if names.iter().any(typed) => names.clone(),
                Some(name) if typed(name) => vec![name.clone()],
                _ => Vec::new(),
            };
            if !types.is_empty() {
                let types = types.into_iter().chain([Value::from("string")]).collect();
                map.insert("type".to_owned(), Value::Array(types));
                // says something of strings only
                map.insert("pattern".to_owned(), Value::from("^\\$\\{.+\\}$"));
            }
            map.values_mut().for_each(allow_placeholders);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_placeholders),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_documentation_shows() {
        let text = "listen: 0.0.0.0:4000\nsubgraphs:\n  - {name: a, url: \"http://a:4001/graphql\", product: true}\n\
                    auth: {jwt: {secret: \"${SECRET}\"}}\nlimits: {depth: \"${DEPTH:-9}\"}\n";
        let config = GatewayConfig::parse(text, &|name| (name == "SECRET").then(|| "s".to_owned())).unwrap();
        assert_eq!(config.auth.jwt.secret.as_deref(), Some("s"));
        assert_eq!((config.limits.depth, config.limits.tokens), (9, 15_000));
        assert!(config.subgraphs[0].product);
        assert_eq!(config.forward_headers, ["authorization"]);
    }

    #[test]
    fn the_settings_of_the_documentation_are_settings() {
        let text = include_str!("../../../../docs/gateway.md");
        let blocks: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 5, "{}", blocks.len());
        for block in blocks {
            let read = GatewayConfig::parse(block, &|_| Some("set".to_owned()));
            assert!(read.is_ok(), "{block}\n{read:#?}");
        }
    }

    #[test]
    fn the_committed_schema_is_that_of_the_settings() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/gateway-config.schema.json");
        let schema = GatewayConfig::json_schema();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "UPDATE=1 writes it anew");
    }
}
