//! Configuration: turns a YAML file into typed settings of the gateway.

mod auth;
mod browsers;
mod demand;
mod documents;
mod expand;
mod introspection;
mod policy;
mod rates;
mod traffic;
mod transfer;

pub use auth::{ApiKeysConfig, AuthConfig};
pub use browsers::{CorsConfig, CsrfConfig, CsrfRefusal};
pub use demand::{DemandConfig, DemandMode, DemandReport};
pub use documents::{AutomaticConfig, DocumentsConfig, OtherDocuments, TrustedConfig};
pub use expand::{ExpandError, expand};
pub use introspection::IntrospectionConfig;
pub use policy::{PolicyConfig, PolicyMode};
pub use rates::{RateConfig, RatesConfig};
pub use traffic::{BreakerConfig, CallConfig, ConcurrencyConfig, RetryConfig, TrafficConfig};
pub use transfer::{BatchingConfig, CompressionConfig};

use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of `terrane gateway --config FILE`.
#[derive(Debug, Clone, Deserialize)]
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
    /// Requests at once, and how subgraphs are called.
    #[serde(default)]
    pub traffic: TrafficConfig,
    /// How often may be asked.
    #[serde(default)]
    pub rates: RatesConfig,
    /// What operations may cost.
    #[serde(default)]
    pub demand: DemandConfig,
    /// Who may ask for the schema.
    #[serde(default)]
    pub introspection: IntrospectionConfig,
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
}

impl Default for HttpConfig {
    fn default() -> Self {
        GatewayConfig::empty().http()
    }
}

/// A subgraph.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubgraphConfig {
    /// Name in the supergraph.
    pub name: String,
    /// Its GraphQL endpoint.
    pub url: String,
    /// Its SDL; asked of the subgraph (`_service { sdl }`) where it is left out.
    #[serde(default)]
    pub sdl: Option<String>,
    /// Whether it has the standard ports of a data product, and so belongs into the catalog.
    #[serde(default)]
    pub product: bool,
}

/// Bounds of what a client may ask.
#[derive(Debug, Clone, Copy, Deserialize)]
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

fn poll_by_default() -> u64 {
    10
}

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An environment variable is missing.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// Not YAML, or not of the form.
    #[error("{0}")]
    Form(String),
}

impl GatewayConfig {
    /// Read YAML text; `${VAR}` and `${VAR:-default}` are replaced first, by `variable`.
    ///
    /// # Errors
    /// [`ConfigError`], with the key's path or the line.
    pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut value: serde_norway::Value =
            serde_norway::from_str(text).map_err(|e| ConfigError::Form(e.to_string()))?;
        expand(&mut value, variable)?;
        serde_norway::from_value(value).map_err(|e| ConfigError::Form(e.to_string()))
    }

    /// Defaults for a list of subgraphs or a supergraph.
    pub fn empty() -> Self {
        Self {
            listen: None,
            supergraph: None,
            subgraphs: Vec::new(),
            auth: AuthConfig::default(),
            policy: PolicyConfig::default(),
            limits: Limits::default(),
            traffic: TrafficConfig::default(),
            rates: RatesConfig::default(),
            demand: DemandConfig::default(),
            introspection: IntrospectionConfig::default(),
            forward_headers: forwarded_by_default(),
            poll_seconds: poll_by_default(),
            documents: DocumentsConfig::default(),
            csrf: CsrfConfig::default(),
            cors: CorsConfig::default(),
            batching: BatchingConfig::default(),
            compression: CompressionConfig::default(),
        }
    }

    /// How requests come in and responses go out.
    pub fn http(&self) -> HttpConfig {
        HttpConfig {
            documents: self.documents.clone(),
            csrf: self.csrf.clone(),
            cors: self.cors.clone(),
            batching: self.batching.clone(),
            compression: self.compression.clone(),
            body_timeout: Duration::from_secs(30),
        }
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
    fn refuses_unknown_keys_and_missing_variables() {
        let none = |_: &str| None;
        assert!(GatewayConfig::parse("lisen: x", &none).unwrap_err().to_string().contains("lisen"));
        let error = GatewayConfig::parse("auth: {jwt: {secret: \"${NOPE}\"}}", &none).unwrap_err().to_string();
        assert!(error.contains("auth.jwt.secret") && error.contains("NOPE"), "{error}");
    }
}
