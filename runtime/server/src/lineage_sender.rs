//! Lineage sender: turns kept OpenLineage events into requests to whoever collects them, in order, until each was taken.

use crate::service::ProductService;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use std::time::Duration;
use terrane_ingest::{Transport, http_transport};
use terrane_store::LineageEvent;
use tower::ServiceExt as _;

/// How often it is looked whether there is something to send.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Where OpenLineage's clients send to, below the collector's address.
const ENDPOINT: &str = "api/v1/lineage";

/// Where lineage events are sent to.
#[derive(Debug, Clone)]
pub struct Collector {
    transport: Transport,
    authorization: Option<HeaderValue>,
}

impl Collector {
    /// By the variables that OpenLineage's clients read: `OPENLINEAGE_URL`, `OPENLINEAGE_ENDPOINT` and
    /// `OPENLINEAGE_API_KEY`; none without the first.
    ///
    /// # Errors
    /// Which variable is wrong, and why.
    pub fn from_environment(read: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let Some(url) = read("OPENLINEAGE_URL") else { return Ok(None) };
        let endpoint = read("OPENLINEAGE_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let address = format!("{}/{}", url.trim().trim_end_matches('/'), endpoint.trim_start_matches('/'));
        let address: Uri = address.parse().map_err(|e| format!("OPENLINEAGE_URL: `{address}` is no address: {e}"))?;
        if address.scheme().is_none() || address.host().is_none() {
            return Err(format!("OPENLINEAGE_URL: `{address}` has no scheme or host; write http://HOST:PORT"));
        }
        let key = read("OPENLINEAGE_API_KEY").map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let authorization = key.transpose().map_err(|_| "OPENLINEAGE_API_KEY is no header value".to_owned())?;
        Ok(Some(Self { transport: http_transport(address), authorization }))
    }

    async fn send(&self, event: &LineageEvent) -> Result<(), String> {
        let mut request = Request::new(Full::new(Bytes::from(event.event.to_string())));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let answer = self.transport.clone().oneshot(request).await.map_err(|e| e.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // sent again it would be refused again, and hold up all that come after it
            status if status.is_client_error() && !may_pass(status) => {
                tracing::warn!(%status, run = %event.run_id, "the collector refused a lineage event; it is left out");
                Ok(())
            }
            status => Err(format!("the collector answered {status}")),
        }
    }
}

/// Refusals that are about now, not about the event.
fn may_pass(status: StatusCode) -> bool {
    let passing = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    passing.contains(&status)
}

/// Send the events of a product for as long as it is served.
pub async fn send_events(service: ProductService, collector: Collector) {
    let mut pause = PAUSE;
    while !service.is_stopping() {
        match send_next(&service, &collector).await {
            Ok(true) => {
                pause = PAUSE;
                continue;
            }
            Ok(false) => pause = PAUSE,
            Err(reason) => {
                tracing::warn!(product = %service.product().id, reason, ?pause, "lineage events wait");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Whether there was one to send.
async fn send_next(service: &ProductService, collector: &Collector) -> Result<bool, String> {
    let next = service.store().next_lineage_event().await.map_err(|e| e.to_string())?;
    let Some(sending) = next else { return Ok(false) };
    collector.send(&sending.event).await?;
    sending.taken().await.map_err(|e| e.to_string())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_as_for_other_openlineage_clients() {
        let with = |pairs: &'static [(&str, &str)]| {
            Collector::from_environment(&move |name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[]).unwrap().is_none());
        let collector = with(&[("OPENLINEAGE_URL", "http://127.0.0.1:5000/"), ("OPENLINEAGE_API_KEY", "k")]).unwrap();
        assert_eq!(collector.unwrap().authorization.unwrap(), "Bearer k");
        assert!(with(&[("OPENLINEAGE_URL", "nonsense")]).unwrap_err().contains("OPENLINEAGE_URL"));
    }
}
