//! Callers: turns the headers of a request into who asks, and into the headers that subgraphs get.

use crate::gateway::Gateway;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use std::sync::Arc;
use terrane_auth::{AuthError, Found, Held};
use terrane_graphql::exchange::authorization;
use terrane_policy::Caller;

impl Gateway {
    /// Who sent these headers.
    ///
    /// # Errors
    /// [`AuthError`] for a token, a key or a session that is not good.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, AuthError> {
        let settings = &self.inner.settings;
        // a value that is no text is a bad key (the empty one), not no key
        let key = self.api_key(headers).map(|value| value.to_str().unwrap_or_default());
        // who brings a token or a key means to be its bearer; a cookie comes along unasked
        if authorization(headers).is_none() && key.is_none() {
            match self.session(headers) {
                Found::Visitor(visitor) => return Ok(Arc::clone(&visitor.caller)),
                Found::Ended => return Err(AuthError::Session("it has ended; open a page, or sign in again")),
                Found::Nobody => {}
            }
        }
        settings.authenticator.caller(authorization(headers), key).await
    }

    /// The session in these headers, where a cookie may speak for its visitor.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Found {
        let settings = &self.inner.settings;
        match &settings.sign_in {
            Some(sign_in) if headers.contains_key(COOKIE) && settings.front.csrf.takes_cookies(headers) => {
                sign_in.find(headers)
            }
            _ => Found::Nobody,
        }
    }

    /// The headers of a request of `caller` that go on to subgraphs. A caller with an API key or a session has none that
    /// subgraphs know; a token of the gateway's stands for it there, if so configured.
    pub(crate) fn forwarded(&self, headers: &HeaderMap, caller: &Caller) -> HeaderMap {
        let mut forwarded = self.inner.settings.headers.forwarded(headers);
        if let (Some(key), Some((_, keys))) = (self.api_key(headers), &self.inner.settings.api_keys) {
            match keys.authorization(key.to_str().unwrap_or_default(), caller) {
                Ok(Some(token)) => {
                    if let Ok(mut value) = HeaderValue::from_str(&token) {
                        value.set_sensitive(true);
                        forwarded.insert(AUTHORIZATION, value);
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "no token can be made for a caller with an API key"),
            }
        }
        if let Some(sign_in) = &self.inner.settings.sign_in {
            sign_in.strip(&mut forwarded);
            if let Some(token) = self.session_token(headers) {
                forwarded.insert(AUTHORIZATION, token);
            }
        }
        forwarded
    }

    /// What stands for the session in these headers at subgraphs; none where there is no session, or where who asks
    /// brought something else.
    pub(crate) fn session_token(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let sign_in = self.inner.settings.sign_in.as_ref()?;
        if headers.contains_key(AUTHORIZATION) || self.api_key(headers).is_some() {
            return None;
        }
        let Found::Visitor(visitor) = self.session(headers) else { return None };
        sign_in.authorization(&visitor).unwrap_or_else(|error| {
            tracing::error!(%error, "no token can be made for a visitor with a session");
            None
        })
    }

    /// What is to be kept of the API key in these headers while `caller`, who came with it, stays; none where there is none.
    pub(crate) fn held_key(&self, headers: &HeaderMap, caller: &Arc<Caller>) -> Option<Held> {
        let (key, (_, keys)) = (self.api_key(headers)?, self.inner.settings.api_keys.as_ref()?);
        keys.hold(key.to_str().unwrap_or_default(), caller)
    }

    /// Whether the API key that a caller came with is still good.
    pub(crate) fn is_good(&self, held: Option<&Held>) -> bool {
        let keys = self.inner.settings.api_keys.as_ref();
        held.is_none_or(|held| keys.is_some_and(|(_, keys)| keys.are_good_for(held)))
    }

    fn api_key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let (name, _) = self.inner.settings.api_keys.as_ref()?;
        headers.get(name)
    }
}
