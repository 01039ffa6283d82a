//! Callers: turns the headers of a request into who asks, and into the headers that subgraphs get.

use crate::gateway::Gateway;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use std::sync::Arc;
use terrane_auth::{AuthError, Held};
use terrane_graphql::exchange::authorization;
use terrane_policy::Caller;

impl Gateway {
    /// Who sent these headers.
    ///
    /// # Errors
    /// [`AuthError`] for a token or a key that is not good.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, AuthError> {
        let settings = &self.inner.settings;
        // a value that is no text is a bad key (the empty one), not no key
        let key = self.api_key(headers).map(|value| value.to_str().unwrap_or_default());
        settings.authenticator.caller(authorization(headers), key).await
    }

    /// The headers of a request of `caller` that go on to subgraphs. A caller with an API key has none that subgraphs
    /// know; a token of the gateway's stands for it there, if so configured.
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
        forwarded
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
