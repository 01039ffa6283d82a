//! API keys: turns the secret that a machine sends into the caller that a list of hashes knows it as.
//!
//! A key is `terrane_ID_SECRET`. The list has the id and the SHA-256 of the whole key, never the key.

use crate::AuthError;
use crate::issue::{TokenRequest, issue};
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use jsonwebtoken::get_current_timestamp;
use rand::Rng as _;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq as _;
use terrane_policy::{Caller, RoleSet};
use tokio::sync::watch;

const PREFIX: &str = "terrane_";
const UNKNOWN: AuthError = AuthError::ApiKey("it is not known here");

/// A key as the list knows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The part of the key that names it.
    pub id: String,
    /// SHA-256 of the whole key, in hexadecimal digits.
    pub sha256: String,
    /// Who it stands for.
    pub subject: String,
    /// Roles of it.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Scopes of it.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it ends; never where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires: Option<DateTime<Utc>>,
    /// The id of the key whose place it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// Whether a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Until it is revoked.
    Endless,
    /// Until then.
    Until(DateTime<Utc>),
    /// It was, until then.
    Ended(DateTime<Utc>),
}

/// The keys of a list (YAML), checked; an empty text is an empty list.
///
/// # Errors
/// [`AuthError::Config`] for an entry that is none.
pub fn read_keys(text: &str) -> Result<Vec<ApiKey>, AuthError> {
    let listed: Option<Vec<ApiKey>> =
        serde_norway::from_str(text).map_err(|error| AuthError::Config(format!("API keys: {error}")))?;
    let listed = listed.unwrap_or_default();
    table(&listed)?;
    Ok(listed)
}

impl ApiKey {
    /// Whether it is good now.
    pub fn state(&self) -> KeyState {
        match self.expires {
            None => KeyState::Endless,
            Some(end) if end <= Utc::now() => KeyState::Ended(end),
            Some(end) => KeyState::Until(end),
        }
    }

    /// A new key, which is to be shown once, and what a list knows of it.
    pub fn generate(
        subject: String,
        roles: Vec<String>,
        scopes: Vec<String>,
        expires: Option<DateTime<Utc>>,
    ) -> (String, Self) {
        let mut random = rand::rng();
        let mut letters = |count| {
            (&mut random).sample_iter(rand::distr::Alphanumeric).take(count).map(char::from).collect::<String>()
        };
        let (id, secret) = (letters(12), letters(43));
        let key = format!("{PREFIX}{id}_{secret}");
        let sha256 = Sha256::digest(key.as_bytes()).iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").expect("a String takes any text");
            out
        });
        (key, Self { id, sha256, subject, roles, scopes, expires, replaces: None })
    }
}

/// How callers with an API key are made known to subgraphs, which know nothing of API keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassOn {
    /// The shared secret that subgraphs verify tokens with.
    pub secret: String,
    /// How long a token is valid that is made for a key; 600 by default.
    #[serde(default = "ten_minutes")]
    pub lifetime_seconds: u64,
}

fn ten_minutes() -> u64 {
    600
}

/// The keys that are known. Others can take their place at any time.
pub struct ApiKeys {
    known: ArcSwap<FxHashMap<String, Known>>,
    /// Keys that were given with the settings; a list that is read anew leaves them.
    given: Vec<ApiKey>,
    pass_on: Option<PassOn>,
    /// By id: a token that was made for its caller, and when another is to be made.
    tokens: Mutex<FxHashMap<String, (String, u64)>>,
    /// Counts the lists that were read.
    lists: watch::Sender<u64>,
}

/// A key that somebody came with who stays: not the key, but what tells whether it is still good.
#[derive(Debug, Clone)]
pub struct Held {
    id: String,
    digest: [u8; 32],
    caller: Arc<Caller>,
}

struct Known {
    digest: [u8; 32],
    caller: Arc<Caller>,
    expires: Option<u64>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeys").field("known", &self.known.load().len()).finish_non_exhaustive()
    }
}

impl ApiKeys {
    /// The keys in `given`.
    ///
    /// # Errors
    /// [`AuthError::Config`] for an entry that is none.
    pub fn new(given: Vec<ApiKey>, pass_on: Option<PassOn>) -> Result<Self, AuthError> {
        let known = ArcSwap::from_pointee(table(&given)?);
        Ok(Self { known, given, pass_on, tokens: Mutex::default(), lists: watch::Sender::new(0) })
    }

    /// Let the keys of a list (YAML) take the place of those of the list before.
    ///
    /// # Errors
    /// [`AuthError::Config`]; then those of before stay.
    pub fn replace(&self, text: &str) -> Result<(), AuthError> {
        let all: Vec<ApiKey> = self.given.iter().cloned().chain(read_keys(text)?).collect();
        let known = table(&all)?;
        self.known.store(Arc::new(known));
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.lists.send_modify(|number| *number += 1);
        Ok(())
    }

    /// What is to be kept of a key while `caller`, who came with it, stays.
    pub fn hold(&self, key: &str, caller: &Arc<Caller>) -> Option<Held> {
        let id = id_of(key)?.to_owned();
        Some(Held { id, digest: Sha256::digest(key.as_bytes()).into(), caller: Arc::clone(caller) })
    }

    /// Whether a key is in the list as it is now, for the same caller with the same rights.
    pub fn are_good_for(&self, held: &Held) -> bool {
        self.known.load().get(&held.id).is_some_and(|known| {
            let expired = known.expires.is_some_and(|end| get_current_timestamp() >= end);
            !expired && bool::from(known.digest.ct_eq(&held.digest)) && *known.caller == *held.caller
        })
    }

    /// Changes whenever another list holds.
    pub fn lists(&self) -> watch::Receiver<u64> {
        self.lists.subscribe()
    }

    /// The caller of a key.
    pub(crate) fn caller(&self, key: &str) -> Result<Arc<Caller>, AuthError> {
        let known = self.known.load();
        let found = id_of(key).and_then(|id| known.get(id)).ok_or(UNKNOWN)?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if !bool::from(digest.ct_eq(&found.digest)) {
            return Err(UNKNOWN);
        }
        if found.expires.is_some_and(|end| get_current_timestamp() >= end) {
            return Err(AuthError::ApiKey("it has expired"));
        }
        Ok(Arc::clone(&found.caller))
    }

    /// The value of an `authorization` header for subgraphs, for a caller that came with `key`; none where nothing is
    /// passed on.
    ///
    /// # Errors
    /// [`AuthError::Config`] where the secret can't sign.
    pub fn authorization(&self, key: &str, caller: &Caller) -> Result<Option<String>, AuthError> {
        let (Some(pass_on), Some(id)) = (&self.pass_on, id_of(key)) else { return Ok(None) };
        let now = get_current_timestamp();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, _)) = tokens.get(id).filter(|(_, until)| now < *until) {
            return Ok(Some(token.clone()));
        }
        let scope = caller.scopes.iter().collect::<Vec<_>>().join(" ");
        let request = TokenRequest {
            subject: caller.subject.clone().unwrap_or_default(),
            roles: caller.roles.iter().map(str::to_owned).collect(),
            lifetime_seconds: pass_on.lifetime_seconds,
            claims: Map::from_iter([("scope".to_owned(), json!(scope))]),
        };
        let token = format!("Bearer {}", issue(&pass_on.secret, &request)?);
        tokens.insert(id.to_owned(), (token.clone(), now + pass_on.lifetime_seconds / 2));
        Ok(Some(token))
    }
}

fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)?.split_once('_').map(|(id, _)| id)
}

fn table(keys: &[ApiKey]) -> Result<FxHashMap<String, Known>, AuthError> {
    let mut known = FxHashMap::default();
    for key in keys {
        let bad = |what: &str| AuthError::Config(format!("API key `{}`: {what}", key.id));
        let digest = hexadecimal(&key.sha256).ok_or_else(|| bad("its sha256 is not 64 hexadecimal digits"))?;
        if key.subject.is_empty() {
            return Err(bad("it has no subject"));
        }
        let expires = key.expires.map(|at| u64::try_from(at.timestamp()).unwrap_or(0));
        let mut claims: Map<String, Value> = Map::from_iter([("sub".to_owned(), json!(key.subject))]);
        // what lasts ends with the key, as it does with a token
        claims.extend(expires.map(|at| ("exp".to_owned(), json!(at))));
        let caller = Caller {
            subject: Some(key.subject.clone()),
            roles: RoleSet::new(key.roles.iter().cloned()),
            scopes: RoleSet::new(key.scopes.iter().cloned()),
            signed_in: true,
            claims,
        };
        if known.insert(key.id.clone(), Known { digest, caller: Arc::new(caller), expires }).is_some() {
            return Err(bad("another one has the same id"));
        }
    }
    Ok(known)
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(out)
}
