//! Authenticators: turns a bearer token or an API key into a caller, or into the reason why not.

use crate::issuer::{Issuer, JwtConfig};
use crate::keys::ApiKeys;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{decode_header, get_current_timestamp};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terrane_policy::Caller;

/// Verified tokens that are kept at most.
const KEPT: u64 = 10_000;

/// Why a token or key was refused. The texts are for the client and say nothing of keys or secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not `Bearer TOKEN`.
    #[error("the authorization header is not `Bearer TOKEN`")]
    NotBearer,
    /// Not verified.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// Not a key that is known, or one that has ended.
    #[error("the API key is not valid: {0}")]
    ApiKey(&'static str),
    /// Not a session that goes on.
    #[error("the session is not valid: {0}")]
    Session(&'static str),
    /// A token and a key.
    #[error("the request has a token and an API key; send one of them")]
    Both,
    /// Verification is not possible now.
    #[error("tokens cannot be verified at the moment; try again later")]
    Unavailable,
    /// The configuration cannot be used.
    #[error("authentication settings: {0}")]
    Config(String),
}

/// Verifies tokens and API keys; cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    issuers: Vec<Issuer>,
    keys: Option<Arc<ApiKeys>>,
    anonymous: Arc<Caller>,
    /// By digest: tokens that were verified, so that a repeated one costs no check of its signature.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

struct Verified {
    caller: Arc<Caller>,
    until: u64,
    issuer: usize,
    /// With which keys of the issuer.
    generation: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("issuers", &self.issuers.len()).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator for the tokens of one issuer.
    ///
    /// # Errors
    /// [`AuthError::Config`].
    pub fn new(config: &JwtConfig) -> Result<Self, AuthError> {
        Self::of(std::slice::from_ref(config), None)
    }

    /// An authenticator for the tokens of several issuers, and for API keys.
    ///
    /// # Errors
    /// [`AuthError::Config`].
    pub fn of(issuers: &[JwtConfig], keys: Option<Arc<ApiKeys>>) -> Result<Self, AuthError> {
        let issuers = issuers.iter().map(Issuer::new).collect::<Result<_, _>>()?;
        let verified = Cache::new(KEPT);
        Ok(Self { inner: Arc::new(Inner { issuers, keys, anonymous: Arc::new(Caller::anonymous()), verified }) })
    }

    /// How long a token is taken after it has expired, for clocks that differ: the longest time of any issuer.
    pub fn leeway(&self) -> Duration {
        self.inner.issuers.iter().map(Issuer::leeway).max().unwrap_or_default()
    }

    /// The caller that an `authorization` header's value stands for; without one, the anonymous caller.
    ///
    /// # Errors
    /// [`AuthError`]: a header that is there must be good; nobody falls back to being anonymous by mistake.
    pub async fn authenticate(&self, header: Option<&str>) -> Result<Caller, AuthError> {
        self.caller(header, None).await.map(Arc::unwrap_or_clone)
    }

    /// The caller that an `authorization` header's value or an API key stands for; without both, the anonymous caller.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn caller(&self, header: Option<&str>, key: Option<&str>) -> Result<Arc<Caller>, AuthError> {
        match (header, key, &self.inner.keys) {
            (None, None, _) => Ok(Arc::clone(&self.inner.anonymous)),
            (Some(_), Some(_), Some(_)) => Err(AuthError::Both),
            (None, Some(key), Some(keys)) => keys.caller(key),
            (None, Some(_), None) => Err(AuthError::ApiKey("API keys are not taken here")),
            (Some(header), _, _) => {
                let (scheme, token) = header.split_once(' ').ok_or(AuthError::NotBearer)?;
                if !scheme.eq_ignore_ascii_case("bearer") {
                    return Err(AuthError::NotBearer);
                }
                self.token(token.trim()).await
            }
        }
    }

    async fn token(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        let inner = &*self.inner;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = inner.verified.get(&digest) {
            let issuer = &inner.issuers[known.issuer];
            if get_current_timestamp() < known.until && issuer.generation() == known.generation && !issuer.is_due() {
                return Ok(Arc::clone(&known.caller));
            }
            inner.verified.invalidate(&digest);
        }
        let head = decode_header(token).map_err(|_| AuthError::Invalid("it is not a JWT"))?;
        let says = said_issuer(token);
        let mut refused = AuthError::Invalid("its issuer is not accepted here");
        for (number, issuer) in inner.issuers.iter().enumerate().filter(|(_, one)| one.judges(says.as_deref())) {
            match issuer.verify(token, &head).await {
                Ok(vouched) => {
                    let (caller, generation) = (Arc::new(vouched.caller), issuer.generation());
                    let known = Verified { caller: caller.clone(), until: vouched.until, issuer: number, generation };
                    inner.verified.insert(digest, Arc::new(known));
                    return Ok(caller);
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

/// Whom a token says it is from. Not verified: it only chooses who verifies it.
fn said_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        iss: Option<String>,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Said>(&payload).ok()?.iss
}

/// How long a token with these claims is still good (`exp`: RFC 7519, section 4.1.4), at most a year; none where it does not say.
pub fn good_for(claims: &Map<String, Value>) -> Option<Duration> {
    let at = claims.get("exp")?.as_f64()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Some(Duration::from_secs_f64((at - now).clamp(0.0, 31_536_000.0)))
}
