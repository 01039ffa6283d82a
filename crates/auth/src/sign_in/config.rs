//! Settings of signing in.

use crate::PassOn;
use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use serde::Deserialize;

/// How people sign in at a provider of OpenID Connect, and how long that lasts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignInConfig {
    /// The address at which browsers reach the gateway: `https://HOST`. Plain HTTP is for a loopback address only. At the
    /// provider, `ADDRESS/auth/callback` is to be registered as redirect URI and `ADDRESS/` for after signing out.
    pub public_url: String,
    /// The provider's issuer identifier; `ISSUER/.well-known/openid-configuration` says the rest.
    pub issuer: String,
    /// What the gateway is to the provider.
    pub client_id: String,
    /// Its secret; without one it is a public client, and PKCE alone binds the code to it.
    pub client_secret: Option<String>,
    /// Scopes that are asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Claim that holds the role names, as of `auth.jwt`; `roles` by default.
    pub roles_claim: Option<String>,
    /// Claim that holds the scopes; `scope` by default.
    pub scopes_claim: Option<String>,
    /// Claim that holds the subject; `sub` by default. It must name one person for ever.
    pub subject_claim: Option<String>,
    /// Claim that holds the name that pages show; `name` by default.
    pub name_claim: Option<String>,
    /// Further claims that a session keeps, e.g. for row filters. A cookie has room for 4 KB in all.
    pub claims: Vec<String>,
    /// Whether claims are also asked of the provider's userinfo endpoint.
    pub userinfo: bool,
    /// Algorithms that an ID token may be signed with; by default all that fit the provider's keys.
    #[schemars(with = "Option<Vec<String>>")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// How long it lasts.
    pub session: SessionConfig,
    /// Secrets of 32 bytes or more that cookies are encrypted with: the first encrypts, all decrypt. Put a new one in front,
    /// and take the old one away when its sessions have ended.
    pub cookie_keys: Vec<String>,
    /// How visitors are made known to subgraphs: by tokens that the gateway signs. Without it subgraphs see them as anonymous.
    pub pass_on: Option<PassOn>,
    /// Whether signing out goes on to the provider, where it has a page for that.
    pub sign_out_at_provider: bool,
}

impl Default for SignInConfig {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: vec!["profile".to_owned()],
            roles_claim: None,
            scopes_claim: None,
            subject_claim: None,
            name_claim: None,
            claims: Vec::new(),
            userinfo: false,
            algorithms: None,
            session: SessionConfig::default(),
            cookie_keys: Vec::new(),
            pass_on: None,
            sign_out_at_provider: true,
        }
    }
}

/// How long a session lasts.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// Until what the provider said holds no longer. Who opens no page for so long has to open one.
    pub seconds: u64,
    /// From when on a page that is opened has the provider asked anew, without asking the visitor.
    pub renew_seconds: u64,
    /// Until the visitor has to sign in again, whatever else they do.
    pub longest_seconds: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { seconds: 3600, renew_seconds: 900, longest_seconds: 43_200 }
    }
}
