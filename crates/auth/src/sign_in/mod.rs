//! Signing in: turns visitors without a session into visitors with one, by way of a provider of OpenID Connect (authorization
//! code with PKCE). Nothing of it is kept here: sessions, and sign-ins that are under way, are encrypted cookies.

mod config;
mod cookies;
mod provider;
mod session;

pub use config::{SessionConfig, SignInConfig};
pub use session::Visitor;

use crate::AuthError;
use crate::issue::{TokenRequest, issue};
use cookies::{Cookies, Opened, pairs};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use jsonwebtoken::get_current_timestamp;
use moka::sync::Cache;
use provider::Provider;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session::Session;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::{Host, Url};

/// A sign-in that takes longer has to begin anew.
const FLOW: Duration = Duration::from_secs(600);
/// Sign-ins of one browser that are under way at most, each with a cookie.
const FLOWS: usize = 6;
/// The discovery document is read anew when it is this old.
const OLDEST: Duration = Duration::from_secs(600);
/// An address to come back to that is longer is not kept.
const LONGEST_RETURN: usize = 1500;
/// Clocks that differ.
const LEEWAY: u64 = 30;
/// Sessions whose caller is kept at most.
const KEPT: u64 = 10_000;
const SESSION: &str = "session";
const FLOW_PREFIX: &str = "sign-in-";

/// Why nobody was signed in. The texts are for the visitor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider cannot be asked.
    #[error("the provider cannot be reached at the moment; try again later")]
    Unavailable,
    /// What came back does not belong to a sign-in of this browser that is under way.
    #[error("this sign-in was not begun in this browser, was finished already, or took too long; begin anew")]
    Stale,
    /// The provider did not sign the visitor in.
    #[error("the provider did not sign you in: {0}")]
    Denied(&'static str),
    /// What the provider says cannot be relied on.
    #[error("the provider's answer was refused: {0}")]
    Refused(&'static str),
}

impl SignInError {
    /// Its code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable => "SIGN_IN_UNAVAILABLE",
            Self::Stale => "SIGN_IN_STALE",
            Self::Denied(_) => "SIGN_IN_DENIED",
            Self::Refused(_) => "SIGN_IN_REFUSED",
        }
    }
}

/// What a request's cookies say of who sent it.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nobody,
    /// There was a session, and it does not go on; whether the provider may know the visitor still.
    Ended,
    /// A session.
    Visitor(Arc<Visitor>),
}

/// Where to send a browser, and what to have it keep.
#[derive(Debug)]
pub struct Moved {
    /// A whole address.
    pub location: Url,
    /// Values of `set-cookie`.
    pub cookies: Vec<HeaderValue>,
    /// Who signed in, if anybody did.
    pub subject: Option<String>,
}

/// A sign-in that is under way.
#[derive(Debug, Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    /// Path and query to come back to.
    to: String,
    /// Nobody asked for it: a session is renewed in passing.
    quiet: bool,
    begun: u64,
    /// When the visitor last signed in, where they have a session.
    signed_in: Option<u64>,
}

/// Signs visitors in and out.
pub struct SignIn {
    config: SignInConfig,
    public: Url,
    redirect: Url,
    cookies: Cookies,
    /// By digest of the cookie's text: so that a session's caller, and the token for subgraphs, are the same each time.
    visitors: Cache<[u8; 32], Arc<Visitor>>,
    provider: Mutex<Option<(Arc<Provider>, Instant)>>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

impl SignIn {
    /// Of its settings.
    ///
    /// # Errors
    /// [`AuthError::Config`] with what is wrong with them.
    pub fn new(config: SignInConfig) -> Result<Self, AuthError> {
        let bad = |what: String| AuthError::Config(what);
        let address = |name: &str, text: &str| {
            let url = Url::parse(text).map_err(|_| bad(format!("`{name}`: `{text}` is no address")))?;
            match is_safe(&url) {
                true => Ok(url),
                false => Err(bad(format!("`{name}`: `{text}` is not https, nor http on a loopback address"))),
            }
        };
        let public = address("public_url", &config.public_url)?;
        if public.path() != "/" || public.query().is_some() || !public.username().is_empty() {
            return Err(bad("`public_url` is more than https://HOST".to_owned()));
        }
        address("issuer", &config.issuer)?;
        if config.client_id.is_empty() {
            return Err(bad("`client_id` is missing".to_owned()));
        }
        if config.cookie_keys.is_empty() || config.cookie_keys.iter().any(|key| key.len() < 32) {
            return Err(bad("`cookie_keys` needs at least one key, each of 32 bytes or more".to_owned()));
        }
        let session = config.session;
        if session.renew_seconds == 0
            || session.renew_seconds > session.seconds
            || session.seconds > session.longest_seconds
        {
            let order = "`session`: 0 < `renew_seconds` <= `seconds` <= `longest_seconds` does not hold";
            return Err(bad(order.to_owned()));
        }
        let secure = public.scheme() == "https";
        let redirect = public.join("/auth/callback").map_err(|error| bad(error.to_string()))?;
        let cookies = Cookies::new(&config.cookie_keys, secure, public.port());
        let visitors = Cache::new(KEPT);
        Ok(Self { config, public, redirect, cookies, visitors, provider: Mutex::default() })
    }

    /// The address that browsers reach the gateway at.
    pub fn public_url(&self) -> &Url {
        &self.public
    }

    /// Who has the session in these headers.
    pub fn find(&self, headers: &HeaderMap) -> Found {
        let text = match self.cookies.open(headers, &self.cookies.name(SESSION)) {
            Opened::Absent => return Found::Nobody,
            Opened::Unreadable => return Found::Ended,
            Opened::Text(text) => text,
        };
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let visitor = match self.visitors.get(&digest) {
            Some(visitor) => visitor,
            None => {
                let Ok(session) = serde_json::from_str::<Session>(&text) else { return Found::Ended };
                let visitor = Arc::new(session.visitor(&self.config));
                self.visitors.insert(digest, Arc::clone(&visitor));
                visitor
            }
        };
        match get_current_timestamp() < visitor.until {
            true => Found::Visitor(visitor),
            false => Found::Ended,
        }
    }

    /// The value of an `authorization` header for subgraphs; none where nothing is passed on.
    ///
    /// # Errors
    /// [`AuthError::Config`] where the secret can't sign.
    pub fn authorization(&self, visitor: &Visitor) -> Result<Option<HeaderValue>, AuthError> {
        let Some(pass_on) = &self.config.pass_on else { return Ok(None) };
        let now = get_current_timestamp();
        let mut token = visitor.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = token.as_ref().filter(|(_, until)| now < *until) {
            return Ok(Some(value.clone()));
        }
        let caller = &visitor.caller;
        let mut claims = visitor.claims.clone();
        claims.insert("scope".to_owned(), json!(caller.scopes.iter().collect::<Vec<_>>().join(" ")));
        // no token outlives its session
        let lifetime_seconds = pass_on.lifetime_seconds.min(visitor.until.saturating_sub(now));
        let request = TokenRequest {
            subject: caller.subject.clone().unwrap_or_default(),
            roles: caller.roles.iter().map(str::to_owned).collect(),
            lifetime_seconds,
            claims,
        };
        let text = format!("Bearer {}", issue(&pass_on.secret, &request)?);
        let mut value = HeaderValue::from_str(&text).map_err(|error| AuthError::Config(error.to_string()))?;
        value.set_sensitive(true);
        *token = Some((value.clone(), now + lifetime_seconds / 2));
        Ok(Some(value))
    }

    /// Send a browser to the provider, to come back to `to`. `quiet`: without asking the visitor anything.
    ///
    /// # Errors
    /// [`SignInError::Unavailable`].
    pub async fn begin(&self, headers: &HeaderMap, to: &str, quiet: bool) -> Result<Moved, SignInError> {
        let provider = self.provider().await?;
        let sent = provider.send(&self.config.scopes, self.config.session.longest_seconds, quiet);
        let signed_in = match self.cookies.open(headers, &self.cookies.name(SESSION)) {
            Opened::Text(text) => serde_json::from_str::<Session>(&text).ok().map(|session| session.signed_in),
            _ => None,
        };
        let begun = get_current_timestamp();
        let name = self.flow_name(&sent.state);
        let flow = Flow {
            state: sent.state,
            nonce: sent.nonce,
            verifier: sent.verifier,
            to: self.within(to),
            quiet,
            begun,
            signed_in,
        };
        let text = serde_json::to_string(&flow).map_err(|_| SignInError::Unavailable)?;
        let mut cookies = Vec::new();
        let prefix = self.cookies.name(FLOW_PREFIX);
        let open: Vec<&str> = pairs(headers).map(|(name, _)| name).filter(|name| name.starts_with(&prefix)).collect();
        if open.len() >= FLOWS {
            cookies.extend(open.into_iter().filter_map(|name| self.cookies.clear(name)));
        }
        cookies.extend(self.cookies.seal(&name, text, FLOW));
        Ok(Moved { location: sent.location, cookies, subject: None })
    }

    /// Take what the provider sent a browser back with: the parameters of the query.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn complete(&self, headers: &HeaderMap, query: &[(String, String)]) -> Result<Moved, SignInError> {
        let part = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let state = part("state").ok_or(SignInError::Stale)?;
        let name = self.flow_name(state);
        let Opened::Text(text) = self.cookies.open(headers, &name) else { return Err(SignInError::Stale) };
        let flow: Flow = serde_json::from_str(&text).map_err(|_| SignInError::Stale)?;
        let now = get_current_timestamp();
        if flow.state != state || now > flow.begun.saturating_add(FLOW.as_secs()) {
            return Err(SignInError::Stale);
        }
        // RFC 9207: an answer of another provider is none to this question
        if part("iss").is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(SignInError::Refused("it is of another issuer"));
        }
        let location = self.public.join(&flow.to).unwrap_or_else(|_| self.public.clone());
        let mut cookies = Vec::from_iter(self.cookies.clear(&name));
        if let Some(error) = part("error") {
            tracing::info!(error, quiet = flow.quiet, "the provider signed nobody in");
            if flow.quiet {
                cookies.extend(self.cookies.clear(&self.cookies.name(SESSION)));
                return Ok(Moved { location, cookies, subject: None });
            }
            return Err(SignInError::Denied(said(error)));
        }
        let code = part("code").ok_or(SignInError::Stale)?.to_owned();
        let caller = self.provider().await?.redeem(code, flow.verifier, &flow.nonce).await?;
        let told = caller.claims.get("auth_time").and_then(Value::as_u64);
        let signed_in = told.or(flow.signed_in.filter(|_| flow.quiet)).unwrap_or(now).min(now);
        if signed_in.saturating_add(self.config.session.longest_seconds + LEEWAY) < now {
            return Err(SignInError::Refused("it has not asked you for too long; sign out there, and begin anew"));
        }
        let session = Session::of(&self.config, caller, signed_in, now);
        let session = session.ok_or(SignInError::Refused("it does not say who you are"))?;
        let subject = session.subject.clone();
        // kept beyond the session's end, so that a page that is opened then knows whom to ask the provider for
        let lasts = signed_in.saturating_add(self.config.session.longest_seconds).saturating_sub(now);
        let text = serde_json::to_string(&session).map_err(|_| SignInError::Refused("it cannot be kept"))?;
        let sealed = self.cookies.seal(&self.cookies.name(SESSION), text, Duration::from_secs(lasts));
        cookies.push(sealed.ok_or(SignInError::Refused("you have more roles and claims than a cookie can keep"))?);
        Ok(Moved { location, cookies, subject: Some(subject) })
    }

    /// End the session in this browser; the location is the provider's page for signing out there, or the gateway's first.
    pub async fn leave(&self) -> Moved {
        let cookies = Vec::from_iter(self.forget());
        let provider = match self.config.sign_out_at_provider {
            true => self.provider().await.ok(),
            false => None,
        };
        let location = provider.and_then(|provider| provider.sign_out(&self.public));
        Moved { location: location.unwrap_or_else(|| self.public.clone()), cookies, subject: None }
    }

    /// The value of `set-cookie` that has a browser forget its session.
    pub fn forget(&self) -> Option<HeaderValue> {
        self.cookies.clear(&self.cookies.name(SESSION))
    }

    /// Take the cookies of signing in out of headers: they are for nobody behind the gateway.
    pub fn strip(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(COOKIE) {
            return;
        }
        let (session, flows) = (self.cookies.name(SESSION), self.cookies.name(FLOW_PREFIX));
        let others = pairs(headers).filter(|(name, _)| *name != session && !name.starts_with(&flows));
        let others: Vec<String> = others.map(|(name, value)| format!("{name}={value}")).collect();
        headers.remove(COOKIE);
        if let Ok(value) = HeaderValue::from_str(&others.join("; "))
            && !others.is_empty()
        {
            headers.insert(COOKIE, value);
        }
    }

    /// Path and query of an address to come back to; the first page where it is not one of ours.
    fn within(&self, to: &str) -> String {
        let plain = to.len() <= LONGEST_RETURN && to.starts_with('/') && !to.contains(['\\', '\r', '\n', '\t']);
        let url = plain.then(|| self.public.join(to).ok()).flatten();
        let ours = |url: &Url| url.origin() == self.public.origin() && !url.path().starts_with("/auth/");
        // two slashes would begin another host where somebody joins it to an address
        match url.filter(|url| ours(url) && !url.path().starts_with("//")) {
            Some(url) => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
            None => "/".to_owned(),
        }
    }

    fn flow_name(&self, state: &str) -> String {
        let known = state.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
        format!("{}{}", self.cookies.name(FLOW_PREFIX), known.take(16).collect::<String>())
    }

    async fn provider(&self) -> Result<Arc<Provider>, SignInError> {
        let mut known = self.provider.lock().await;
        if let Some((provider, _)) = known.as_ref().filter(|(_, at)| at.elapsed() < OLDEST) {
            return Ok(Arc::clone(provider));
        }
        match (Provider::discover(&self.config, &self.redirect).await, known.as_ref()) {
            (Ok(provider), _) => {
                let provider = Arc::new(provider);
                *known = Some((Arc::clone(&provider), Instant::now()));
                Ok(provider)
            }
            // what it said before may still hold
            (Err(_), Some((provider, _))) => Ok(Arc::clone(provider)),
            (Err(error), None) => Err(error),
        }
    }
}

/// Whether nobody on the way can read or change what goes to an address.
fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" && url.has_host() || url.scheme() == "http" && loopback
}

/// What a provider's error means; its own text may be anybody's.
fn said(error: &str) -> &'static str {
    match error {
        "access_denied" => "it was declined",
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
            "it needs to ask you first"
        }
        "temporarily_unavailable" | "server_error" => "it has a problem of its own; try again later",
        _ => "it does not take the request; the gateway's operator finds the reason in its log",
    }
}

#[cfg(test)]
mod tests;
