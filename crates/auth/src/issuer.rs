//! Issuers: turns a JWT (RFC 7519) into the caller that its issuer vouches for, or into the reason why not.

use crate::AuthError;
use crate::jwks::Jwks;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;
use terrane_policy::{Caller, RoleSet};

/// How tokens of one issuer are verified. At least one of `secret`, `jwks_url` and `jwks` makes signed-in callers possible;
/// without any, everybody is anonymous and a token is refused.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JwtConfig {
    /// Shared secret of HS256/384/512 tokens.
    pub secret: Option<String>,
    /// Where a JWKS document is fetched from.
    pub jwks_url: Option<String>,
    /// A JWKS document given here.
    pub jwks: Option<Value>,
    /// After how many seconds the document is fetched anew, so that revoked keys go; 600 by default.
    pub jwks_refresh_seconds: Option<u64>,
    /// Required `iss`, if any.
    pub issuer: Option<String>,
    /// Required `aud`, if any.
    pub audience: Option<String>,
    /// Algorithms that are accepted, e.g. `[RS256, ES256]`; by default all that fit the keys.
    #[schemars(with = "Option<Vec<String>>")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// Claim that holds the role names: a list, or one text with spaces between. `roles` by default. A name with dots is
    /// looked for as it is, then as a path: `realm_access.roles`.
    pub roles_claim: Option<String>,
    /// Claim that holds the scopes, in the same forms; `scope` by default.
    pub scopes_claim: Option<String>,
    /// Claim that holds the subject; `sub` by default.
    pub subject_claim: Option<String>,
    /// Clock skew that is tolerated, in seconds; 30 by default.
    pub leeway_seconds: Option<u64>,
}

/// Shorter secrets can be guessed (RFC 7518, section 3.2: at least the size of the hash).
const SHORTEST_SECRET: usize = 32;

const NOT_ACCEPTED: AuthError = AuthError::Invalid("its algorithm is not accepted here");

/// Verifies the tokens of one issuer.
pub(crate) struct Issuer {
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
    validation: Validation,
    issuer: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    roles_claim: String,
    scopes_claim: String,
    subject_claim: String,
}

/// A caller, and when its token ends (seconds of the Unix epoch, with the tolerated skew).
pub(crate) struct Vouched {
    pub caller: Caller,
    pub until: u64,
}

impl Issuer {
    /// How long a token is taken after it has expired.
    pub fn leeway(&self) -> Duration {
        Duration::from_secs(self.validation.leeway)
    }

    pub fn new(config: &JwtConfig) -> Result<Self, AuthError> {
        let secret = config.secret.as_deref().filter(|s| !s.is_empty());
        if secret.is_some_and(|s| s.len() < SHORTEST_SECRET) {
            return Err(AuthError::Config(format!("`secret` is shorter than {SHORTEST_SECRET} bytes")));
        }
        let jwks = match (&config.jwks_url, &config.jwks) {
            (Some(url), _) => Some(Jwks::remote(url, config.jwks_refresh_seconds).map_err(AuthError::Config)?),
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
        let claim = |name: &Option<String>, usual: &str| name.clone().unwrap_or_else(|| usual.to_owned());
        Ok(Self {
            secret: secret.map(|s| DecodingKey::from_secret(s.as_bytes())),
            jwks,
            validation,
            issuer: config.issuer.clone(),
            algorithms: config.algorithms.clone(),
            roles_claim: claim(&config.roles_claim, "roles"),
            scopes_claim: claim(&config.scopes_claim, "scope"),
            subject_claim: claim(&config.subject_claim, "sub"),
        })
    }

    /// Whether a token that says it is from `issuer` is for this one to judge.
    pub fn judges(&self, issuer: Option<&str>) -> bool {
        self.issuer.is_none() || self.issuer.as_deref() == issuer
    }

    /// Another number once a key of it is another one, or gone.
    pub fn generation(&self) -> u64 {
        self.jwks.as_ref().map_or(0, Jwks::generation)
    }

    /// Whether its keys are so old that they are to be fetched anew before they are relied on.
    pub fn is_due(&self) -> bool {
        self.jwks.as_ref().is_some_and(Jwks::is_due)
    }

    pub async fn verify(&self, token: &str, head: &Header) -> Result<Vouched, AuthError> {
        if self.algorithms.as_ref().is_some_and(|accepted| !accepted.contains(&head.alg)) {
            return Err(NOT_ACCEPTED);
        }
        let symmetric = matches!(head.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let mut validation = self.validation.clone();
        // only the algorithm that fits the kind of key: a public key must never be taken for a shared secret
        validation.algorithms = vec![head.alg];
        let claims = if symmetric {
            decode::<Map<String, Value>>(token, self.secret.as_ref().ok_or(NOT_ACCEPTED)?, &validation)
        } else {
            let key = self.jwks.as_ref().ok_or(NOT_ACCEPTED)?.key(head.kid.as_deref(), head.alg).await?;
            decode::<Map<String, Value>>(token, &key, &validation)
        };
        let claims = claims.map_err(|e| AuthError::Invalid(reason(e.kind())))?.claims;
        let expires = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        Ok(Vouched { until: (expires as u64).saturating_add(self.validation.leeway), caller: self.caller(claims) })
    }

    /// The caller of claims that were verified.
    pub fn caller(&self, claims: Map<String, Value>) -> Caller {
        let subject = at(&claims, &self.subject_claim).and_then(Value::as_str).map(str::to_owned);
        let roles = names(at(&claims, &self.roles_claim));
        let scopes = names(at(&claims, &self.scopes_claim));
        Caller { subject, roles, scopes, signed_in: true, claims }
    }
}

/// A claim by its name, or by its path with dots between.
pub(crate) fn at<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    let (first, rest) = name.split_once('.')?;
    at(claims.get(first)?.as_object()?, rest)
}

fn names(claim: Option<&Value>) -> RoleSet {
    match claim {
        Some(Value::Array(names)) => RoleSet::new(names.iter().filter_map(Value::as_str)),
        Some(Value::String(names)) => RoleSet::new(names.split_whitespace()),
        _ => RoleSet::default(),
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
