//! Alerts: turns service levels that are missed, or kept again, into signed requests to a webhook, until each was taken or was
//! tried often enough.

use crate::service::ProductService;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terrane_ingest::{Transport, http_transport};
use terrane_store::{LevelChange, StoreError};
use tower::ServiceExt as _;

/// Between two looks at the levels.
const EVERY: Duration = Duration::from_secs(15);
/// Until a try is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries of an alert.
const MOST_TRIES: i32 = 12;
/// Alerts that are sent at one look.
const AT_ONCE: usize = 100;
/// What a receiver checks that an alert is from us.
const SIGNATURE: HeaderName = HeaderName::from_static("x-terrane-signature");
/// The same for each try of an alert.
const ID: HeaderName = HeaderName::from_static("x-terrane-alert");

/// Where alerts are sent to.
#[derive(Clone)]
pub struct Alerts {
    transport: Transport,
    secret: Option<String>,
    every: Duration,
}

impl Alerts {
    /// By the variables `TERRANE_ALERT_URL` and `TERRANE_ALERT_SECRET`; none without the first.
    ///
    /// # Errors
    /// Which variable is wrong, and why.
    pub fn from_environment(read: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let Some(url) = read("TERRANE_ALERT_URL") else { return Ok(None) };
        let address: Uri = url.trim().parse().map_err(|e| format!("TERRANE_ALERT_URL: it is no address: {e}"))?;
        if address.scheme().is_none() || address.host().is_none() {
            return Err("TERRANE_ALERT_URL has no scheme or host; write https://HOST/PATH".to_owned());
        }
        Ok(Some(Self { transport: http_transport(address), secret: read("TERRANE_ALERT_SECRET"), every: EVERY }))
    }

    /// The same with another time between two looks.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    async fn send(&self, change: &LevelChange) -> Result<(), String> {
        let mut message = change.message.0.clone();
        message["id"] = change.id.to_string().into();
        message["state"] = if change.missed { "missed" } else { "kept" }.into();
        message["since"] = change.since.to_rfc3339().into();
        let body = message.to_string();
        let mut request = Request::new(Full::new(Bytes::from(body.clone())));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, HeaderValue::from_str(&change.id.to_string()).map_err(|e| e.to_string())?);
        if let Some(secret) = &self.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let signature = HeaderValue::from_str(&sign(secret, now, &body)).map_err(|e| e.to_string())?;
            headers.insert(SIGNATURE, signature);
        }
        let answer = tokio::time::timeout(PATIENCE, self.transport.clone().oneshot(request)).await;
        match answer.map_err(|_| "the webhook does not answer in time".to_owned())? {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the webhook answered {}", answer.status())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 of the seconds, a dot and the body.
fn sign(secret: &str, seconds: u64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    let code = mac.chain_update(seconds.to_string()).chain_update(".").chain_update(body).finalize().into_bytes();
    let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={digits}")
}

/// Measure the product's service levels again and again for as long as it is served, and tell of changes where somebody wants
/// to know. Any number of processes may do so.
pub async fn watch_levels(service: ProductService, alerts: Option<Alerts>) {
    let every = alerts.as_ref().map_or(EVERY, |alerts| alerts.every);
    while !service.is_stopping() {
        if let Err(error) = look(&service, alerts.as_ref()).await {
            tracing::warn!(%error, "service levels are looked at again later");
        }
        tokio::time::sleep(every).await;
    }
}

async fn look(service: &ProductService, alerts: Option<&Alerts>) -> Result<(), StoreError> {
    let levels = service.service_levels_now().await?;
    let store = service.store();
    for level in levels.iter() {
        let Some(met) = level.met else { continue };
        if store.note_level(&level.key, !met, &level.message(&service.product().id)).await? {
            match met {
                true => tracing::info!(level = level.key, "a service level is kept again"),
                false => tracing::warn!(level = level.key, measured = level.measured, "a service level is missed"),
            }
        }
    }
    let Some(alerts) = alerts else { return Ok(()) };
    for _ in 0..AT_ONCE {
        let Some(telling) = store.next_level_change().await? else { break };
        match alerts.send(&telling.change).await {
            Ok(()) => telling.done().await?,
            Err(reason) if telling.change.attempts + 1 >= MOST_TRIES => {
                tracing::error!(reason, level = telling.change.level, "an alert is given up");
                telling.done().await?;
            }
            Err(reason) => {
                tracing::warn!(reason, level = telling.change.level, "an alert is sent again later");
                telling.again().await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_time_and_body() {
        // as `printf '1.{}' | openssl dgst -sha256 -hmac secret` says
        let code = "1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908";
        assert_eq!(sign("secret", 1, "{}"), format!("t=1,v1={code}"));
    }

    #[test]
    fn a_webhook_is_an_address() {
        let with = |url: &'static str| {
            Alerts::from_environment(&move |name| (name == "TERRANE_ALERT_URL").then(|| url.to_owned()))
        };
        assert!(with("").unwrap().is_none());
        assert!(with("https://alerts.example.org/x").unwrap().is_some());
        assert!(with("nonsense").is_err());
    }
}
