//! Sessions: turns the headers of a connection into who asks over it, and until when.

use crate::service::ProductService;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use terrane_auth::{AuthError, good_for};
use terrane_policy::Caller;
use tokio::time::Instant;

/// Who asks over a connection.
pub(crate) struct Session {
    pub(crate) caller: Caller,
    /// The `authorization` header that it came with.
    pub(crate) authorization: Option<String>,
    /// When the token is no longer good.
    expires: Option<Instant>,
}

impl Session {
    /// The session of a connection that came with `headers`.
    ///
    /// # Errors
    /// [`AuthError`] where there is a token, and it is not good.
    pub(crate) async fn open(service: &ProductService, headers: &HeaderMap) -> Result<Self, AuthError> {
        let authorization = terrane_graphql::exchange::authorization(headers).map(str::to_owned);
        let caller = service.authenticate(authorization.as_deref()).await?;
        let good = good_for(&caller.claims).map(|after| Instant::now() + after + service.leeway());
        Ok(Self { caller, authorization, expires: good })
    }

    /// Wait until the token is no longer good; for ever without one.
    pub(crate) fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        let expires = self.expires;
        async move {
            match expires {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// The headers of a WebSocket: those of its upgrade, and over them `authorization` in the payload of `connection_init`, by
/// name or in `headers`. Browsers can't set headers of an upgrade.
pub(crate) fn with_payload(upgrade: &HeaderMap, payload: Option<&Map<String, Value>>) -> HeaderMap {
    let mut headers = upgrade.clone();
    let Some(payload) = payload else { return headers };
    let nested = payload.get("headers").and_then(Value::as_object);
    for (name, value) in payload.iter().chain(nested.into_iter().flatten()) {
        let name = HeaderName::try_from(name.as_str()).ok().filter(|name| *name == header::AUTHORIZATION);
        let value = value.as_str().and_then(|value| HeaderValue::try_from(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    headers
}
