//! Sessions: turns what a provider vouched for into a text to be sealed, and that into the caller of a request.

use super::SignInConfig;
use crate::issuer::at;
use http::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use terrane_policy::{Caller, RoleSet};

/// What a session's cookie says. Times are seconds of the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// When the visitor last proved to the provider who they are.
    pub signed_in: u64,
    /// When the provider said all this.
    pub told: u64,
}

/// Somebody with a session.
#[derive(Debug)]
pub struct Visitor {
    /// Who they are to everything behind. `exp` of its claims is when the session ends, and `name` what pages show.
    pub caller: Arc<Caller>,
    pub(super) claims: Map<String, Value>,
    /// From when on a page has the provider asked anew.
    pub(super) renew: u64,
    /// When the session ends.
    pub(super) until: u64,
    /// A token that was made for subgraphs, and when another is to be made.
    pub(super) token: Mutex<Option<(HeaderValue, u64)>>,
}

impl Session {
    /// The session of a caller whom the provider vouched for; none without a subject.
    pub fn of(config: &SignInConfig, caller: Caller, signed_in: u64, now: u64) -> Option<Self> {
        let name = at(&caller.claims, config.name_claim.as_deref().unwrap_or("name")).and_then(Value::as_str);
        let kept = config.claims.iter().filter_map(|name| Some((name.clone(), at(&caller.claims, name)?.clone())));
        Some(Self {
            name: name.map(str::to_owned),
            claims: kept.collect(),
            subject: caller.subject.filter(|subject| !subject.is_empty())?,
            roles: caller.roles.iter().map(str::to_owned).collect(),
            scopes: caller.scopes.iter().map(str::to_owned).collect(),
            signed_in,
            told: now,
        })
    }

    /// When it ends: after its time, or when the visitor has to sign in again.
    pub fn until(&self, config: &SignInConfig) -> u64 {
        let longest = self.signed_in.saturating_add(config.session.longest_seconds);
        self.told.saturating_add(config.session.seconds).min(longest)
    }

    /// Who comes with it.
    pub fn visitor(self, config: &SignInConfig) -> Visitor {
        let until = self.until(config);
        let renew = self.told.saturating_add(config.session.renew_seconds);
        let mut claims = self.claims.clone();
        claims.insert("sub".to_owned(), json!(self.subject));
        claims.insert("exp".to_owned(), json!(until));
        claims.extend(self.name.map(|name| ("name".to_owned(), json!(name))));
        let caller = Caller {
            subject: Some(self.subject),
            roles: RoleSet::new(self.roles),
            scopes: RoleSet::new(self.scopes),
            signed_in: true,
            claims,
        };
        Visitor { caller: Arc::new(caller), claims: self.claims, renew, until, token: Mutex::default() }
    }
}

impl Visitor {
    /// Whether a page that is opened should have the provider asked anew.
    pub fn is_due(&self) -> bool {
        jsonwebtoken::get_current_timestamp() >= self.renew
    }

    /// When the session ends, in seconds of the Unix epoch.
    pub fn until(&self) -> u64 {
        self.until
    }
}
