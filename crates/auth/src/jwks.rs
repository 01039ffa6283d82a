//! JWKS: turns a document of public keys (RFC 7517) into the key that a token names.

use crate::AuthError;
use crate::exchange::get;
use bytes::Bytes;
use jsonwebtoken::jwk::{JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A document is fetched anew for an unknown key at most this often: unknown key ids are free to send.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);
/// And in any case when it is this old (in seconds), so that revoked keys go.
const OLDEST: u64 = 600;

pub struct Jwks {
    source: Option<http::Uri>,
    state: Mutex<State>,
    oldest: Duration,
    /// What `due` counts from.
    begun: Instant,
    /// When the document is to be fetched anew, in milliseconds.
    due: AtomicU64,
    /// How many documents there were.
    generation: AtomicU64,
}

#[derive(Default)]
struct State {
    keys: Arc<Vec<Key>>,
    document: Bytes,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

struct Key {
    id: Option<String>,
    family: AlgorithmFamily,
    key: DecodingKey,
}

impl Jwks {
    /// Keys from a URL, fetched when first needed.
    pub fn remote(url: &str, refresh_seconds: Option<u64>) -> Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|_| format!("`jwks_url` is no URL: {url}"))?;
        if uri.scheme().is_none() || uri.host().is_none() {
            return Err(format!("`jwks_url` is not absolute: {url}"));
        }
        Ok(Self::from_parts(Some(uri), State::default(), Duration::from_secs(refresh_seconds.unwrap_or(OLDEST))))
    }

    /// Keys from the settings.
    pub fn fixed(document: &Value) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_value(document.clone()).map_err(|e| format!("`jwks`: {e}"))?;
        let state = State { keys: Arc::new(usable(&set)), ..State::default() };
        Ok(Self::from_parts(None, state, Duration::MAX))
    }

    fn from_parts(source: Option<http::Uri>, state: State, oldest: Duration) -> Self {
        let due = AtomicU64::new(if source.is_some() { 0 } else { u64::MAX });
        Self { source, state: Mutex::new(state), oldest, begun: Instant::now(), due, generation: AtomicU64::default() }
    }

    /// How many documents there were: another number, other keys.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the document is to be fetched anew.
    pub fn is_due(&self) -> bool {
        self.begun.elapsed().as_millis() >= u128::from(self.due.load(Ordering::Relaxed))
    }

    fn due_in(&self, wait: Duration) {
        let at = self.begun.elapsed().saturating_add(wait).as_millis();
        self.due.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The key for a token's `kid` and algorithm; without a `kid`, the only key of the algorithm's family.
    pub async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, AuthError> {
        let mut state = self.state.lock().await;
        let old = state.fetched.is_none_or(|at| at.elapsed() >= self.oldest);
        let mut found = select(&state.keys, id, algorithm);
        let between = BETWEEN_FETCHES.min(self.oldest);
        let may_ask = state.tried.is_none_or(|at| at.elapsed() >= between);
        if let Some(source) = self.source.as_ref().filter(|_| (found.is_none() || old) && may_ask) {
            state.tried = Some(Instant::now());
            match fetch(source).await {
                Ok((document, set)) => {
                    if state.document != document {
                        state.keys = Arc::new(usable(&set));
                        state.document = document;
                        self.generation.fetch_add(1, Ordering::Release);
                    }
                    state.fetched = Some(Instant::now());
                    self.due_in(self.oldest);
                    found = select(&state.keys, id, algorithm);
                }
                Err(error) => {
                    self.due_in(between);
                    tracing::warn!(%error, "the JWKS document could not be fetched");
                }
            }
        }
        match found {
            Some(key) => Ok(key),
            None if self.source.is_some() && state.fetched.is_none() => Err(AuthError::Unavailable),
            None => Err(AuthError::Invalid("it was signed with a key that is not known here")),
        }
    }
}

fn select(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let mut fitting = keys.iter().filter(|k| k.family == algorithm.family());
    match id {
        Some(id) => fitting.find(|k| k.id.as_deref() == Some(id)).map(|k| k.key.clone()),
        None => fitting.next().filter(|_| fitting.next().is_none()).map(|k| k.key.clone()),
    }
}

/// Signature keys of kinds we know. Symmetric keys in a document that is public by nature are never used.
fn usable(set: &JwkSet) -> Vec<Key> {
    let signing = set.keys.iter().filter(|k| !matches!(k.common.public_key_use, Some(PublicKeyUse::Encryption)));
    signing
        .filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            let family = key.family();
            (family != AlgorithmFamily::Hmac).then(|| Key { id: jwk.common.key_id.clone(), family, key })
        })
        .collect()
}

async fn fetch(source: &http::Uri) -> Result<(Bytes, JwkSet), String> {
    let document = Bytes::from(get(&source.to_string(), None).await.map_err(|error| error.to_string())?);
    let set = serde_json::from_slice(&document).map_err(|e| e.to_string())?;
    Ok((document, set))
}
