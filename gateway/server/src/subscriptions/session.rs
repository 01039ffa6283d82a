//! Sessions: turns the headers of a connection into who asks over it, and until when.

use crate::gateway::Gateway;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use terrane_auth::{AuthError, Held, good_for};
use terrane_graphql::GraphqlError;
use terrane_policy::Caller;
use tokio::sync::watch;
use tokio::time::Instant;

/// Who asks over a connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub caller: Arc<Caller>,
    /// From where, as far as that counts.
    pub address: Option<IpAddr>,
    /// Headers that go along to subgraphs.
    pub forwarded: HeaderMap,
    /// When the token is no longer good.
    pub expires: Option<Instant>,
    /// The API key, where there is one.
    key: Option<Held>,
}

impl Session {
    /// The session of a connection that came with `headers`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where there is a token, and it is not good.
    pub async fn open(gateway: &Gateway, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Self, GraphqlError> {
        let refused = |error: AuthError| GraphqlError::new("UNAUTHENTICATED", error.to_string());
        let caller = gateway.caller(headers).await.map_err(refused)?;
        let leeway = gateway.inner.settings.authenticator.leeway();
        let expires = good_for(&caller.claims).map(|after| Instant::now() + after + leeway);
        let forwarded = gateway.forwarded(headers, &caller);
        let key = gateway.held_key(headers, &caller);
        Ok(Self { caller, address, forwarded, expires, key })
    }

    /// Whether who asks may still do so, as far as an API key can tell: one can be taken back at any time.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn check(&self, gateway: &Gateway) -> Result<(), GraphqlError> {
        let taken = || GraphqlError::new("UNAUTHENTICATED", "the API key is no longer good; connect with another one");
        gateway.is_good(self.key.as_ref()).then_some(()).ok_or_else(taken)
    }

    /// Tells when API keys change, where there is one.
    pub fn key_lists(&self, gateway: &Gateway) -> Option<watch::Receiver<u64>> {
        self.key.as_ref()?;
        gateway.inner.settings.api_keys.as_ref().map(|(_, keys)| keys.lists())
    }

    /// Wait until the token is no longer good; for ever without one.
    pub async fn expired(&self) {
        match self.expires {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// The headers of a WebSocket: those of its upgrade, under those in the payload of `connection_init`, where they stand by
/// name or in `headers`. Browsers can't set headers of an upgrade.
pub(crate) fn with_payload(upgrade: &HeaderMap, payload: Option<&Map<String, Value>>) -> HeaderMap {
    let mut headers = upgrade.clone();
    if is_foreign(upgrade) {
        // A page of another origin can open a socket without asking, and the browser adds our cookies.
        headers.remove(header::COOKIE);
    }
    let Some(payload) = payload else { return headers };
    let nested = payload.get("headers").and_then(Value::as_object);
    for (name, value) in payload.iter().chain(nested.into_iter().flatten()) {
        let Some(value) = value.as_str() else { continue };
        // Only names that mean a header; those that say what the connection is stay.
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) else {
            continue;
        };
        if ![header::HOST, header::ORIGIN, header::CONTENT_LENGTH, header::CONTENT_TYPE].contains(&name) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Whether a browser says that the page is of another origin.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return false };
    let of = origin.split_once("://").map(|(_, authority)| authority);
    of.is_none() || of != text(header::HOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_the_payload_says_goes_first() {
        let upgrade = headers(&[("authorization", "Bearer a"), ("x-trace", "1")]);
        let payload =
            json!({"Authorization": "Bearer b", "n": 1, "no name": "x", "headers": {"x-trace": "2", "host": "evil"}});
        let merged = with_payload(&upgrade, payload.as_object());
        assert_eq!(merged, headers(&[("authorization", "Bearer b"), ("x-trace", "2")]));
    }

    #[test]
    fn a_foreign_page_brings_no_cookies() {
        let of = |origin| headers(&[("host", "a.example"), ("cookie", "s=1"), ("origin", origin)]);
        assert!(with_payload(&of("https://a.example"), None).contains_key("cookie"));
        assert!(!with_payload(&of("https://b.example"), None).contains_key("cookie"));
        assert!(!with_payload(&of("null"), None).contains_key("cookie"));
    }
}
