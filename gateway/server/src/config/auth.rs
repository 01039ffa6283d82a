//! Authentication settings: whose tokens and which API keys are good.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use terrane_auth::{ApiKey, JwtConfig, PassOn, SignInConfig};

/// Who verifies tokens and API keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Bearer tokens of one issuer.
    pub jwt: JwtConfig,
    /// Bearer tokens of several issuers, each with its own keys, audience and claims. A token is judged by those whose
    /// `issuer` it names, and by those without one.
    pub issuers: Vec<JwtConfig>,
    /// API keys of machines.
    pub api_keys: Option<ApiKeysConfig>,
    /// People who sign in with a browser.
    pub sign_in: Option<SignInConfig>,
}

/// API keys of machines. `terrane key` makes one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeysConfig {
    /// The request header that a key is sent in.
    pub header: String,
    /// A YAML list of keys, each with `id`, `sha256`, `subject`, `roles`, `scopes` and `expires`. A change of the file holds
    /// within a second.
    pub file: Option<PathBuf>,
    /// Keys given here.
    pub keys: Vec<ApiKey>,
    /// How their callers are made known to subgraphs: by tokens that the gateway signs. Without it subgraphs see them as
    /// anonymous.
    pub pass_on: Option<PassOn>,
}

impl Default for ApiKeysConfig {
    fn default() -> Self {
        Self { header: "x-api-key".to_owned(), file: None, keys: Vec::new(), pass_on: None }
    }
}
