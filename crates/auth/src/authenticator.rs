//! Authenticators: turns a bearer token into a caller, or into the reason why not.

use crate::jwks::Jwks;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use terrane_policy::{Caller, RoleSet};

/// How tokens are verified. At least one of `secret`, `jwks_url` and `jwks` makes signed-in callers possible; without
/// any, everybody is anonymous and a token is refused.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JwtConfig {
    /// Shared secret of HS256/384/512 tokens.
    pub secret: Option<String>,
    /// Where a JWKS document is fetched from.
    pub jwks_url: Option<String>,
    /// A JWKS document given here.
    pub jwks: Option<Value>,
    /// Required `iss`, if any.
    pub issuer: Option<String>,
    /// Required `aud`, if any.
    pub audience: Option<String>,
    /// Claim that holds the role names: a list, or one text with spaces between. `roles` by default.
    pub roles_claim: Option<String>,
    /// Clock skew that is tolerated, in seconds; 30 by default.
    pub leeway_seconds: Option<u64>,
}

/// Why a token was refused. The texts are for the client and say nothing of keys or secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not `Bearer TOKEN`.
    #[error("the authorization header is not `Bearer TOKEN`")]
    NotBearer,
    /// Not verified.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// Verification is not possible now.
    #[error("tokens cannot be verified at the moment; try again later")]
    Unavailable,
    /// The configuration cannot be used.
    #[error("authentication settings: {0}")]
    Config(String),
}

/// Shorter secrets can be guessed (RFC 7518, section 3.2: at least the size of the hash).
const SHORTEST_SECRET: usize = 32;

/// Verifies tokens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
    validation: Validation,
    roles_claim: String,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("roles_claim", &self.roles_claim).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator for these settings.
    ///
    /// # Errors
    /// [`AuthError::Config`].
    pub fn new(config: &JwtConfig) -> Result<Self, AuthError> {
        let secret = config.secret.as_deref().filter(|s| !s.is_empty());
        if secret.is_some_and(|s| s.len() < SHORTEST_SECRET) {
            return Err(AuthError::Config(format!("`secret` is shorter than {SHORTEST_SECRET} bytes")));
        }
        let jwks = match (&config.jwks_url, &config.jwks) {
            (Some(url), _) => Some(Jwks::remote(url).map_err(AuthError::Config)?),
            (None, Some(document)) => Some(Jwks::fixed(document).map_err(AuthError::Config)?),
            (None, None) => None,
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = config.leeway_seconds.unwrap_or(30);
        validation.validate_nbf = true;
        match &config.audience {
            Some(audience) => validation.set_audience(&[audience]),
            None => validation.validate_aud = false,
        }
        let mut required = vec!["exp"];
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if config.audience.is_some() {
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        Ok(Self {
            inner: Arc::new(Inner {
                secret: secret.map(|s| DecodingKey::from_secret(s.as_bytes())),
                jwks,
                validation,
                roles_claim: config.roles_claim.clone().unwrap_or_else(|| "roles".to_owned()),
            }),
        })
    }

    /// How long a token is taken after it has expired, for clocks that differ.
    pub fn leeway(&self) -> Duration {
        Duration::from_secs(self.inner.validation.leeway)
    }

    /// The caller that an `authorization` header's value stands for; without one, the anonymous caller.
    ///
    /// # Errors
    /// [`AuthError`]: a header that is there must be good; nobody falls back to being anonymous by mistake.
    pub async fn authenticate(&self, header: Option<&str>) -> Result<Caller, AuthError> {
        let Some(header) = header else { return Ok(Caller::anonymous()) };
        let (scheme, token) = header.split_once(' ').ok_or(AuthError::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::NotBearer);
        }
        let token = token.trim();
        let head = decode_header(token).map_err(|_| AuthError::Invalid("it is not a JWT"))?;
        let symmetric = matches!(head.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let mut validation = self.inner.validation.clone();
        // only the algorithm that fits the kind of key: a public key must never be taken for a shared secret
        validation.algorithms = vec![head.alg];
        let claims = if symmetric {
            let key = self.inner.secret.as_ref().ok_or(AuthError::Invalid("its algorithm is not accepted here"))?;
            decode::<Map<String, Value>>(token, key, &validation)
        } else {
            let jwks = self.inner.jwks.as_ref().ok_or(AuthError::Invalid("its algorithm is not accepted here"))?;
            let key = jwks.key(head.kid.as_deref(), head.alg).await?;
            decode::<Map<String, Value>>(token, &key, &validation)
        };
        let claims = claims.map_err(|e| AuthError::Invalid(reason(e.kind())))?.claims;
        Ok(self.caller(claims))
    }

    fn caller(&self, claims: Map<String, Value>) -> Caller {
        let roles: Vec<String> = match claims.get(&self.inner.roles_claim) {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(names)) => names.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let subject = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
        Caller { subject, roles: RoleSet::new(roles), claims }
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "its issuer is not accepted here",
        ErrorKind::InvalidAudience => "it is meant for another audience",
        ErrorKind::InvalidSignature => "its signature does not match",
        ErrorKind::MissingRequiredClaim(_) => "a required claim (exp, iss or aud) is missing",
        _ => "it cannot be read",
    }
}
