//! Subgraphs: turns request bodies into HTTP requests to a subgraph.

use crate::cache::{Cached, Freshness};
use crate::meters::SubgraphMeters;
use crate::transport::{Answered, AtMostOnce, Headers, Received, Transport, TransportError, along};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use terrane_telemetry::trace;
use tower::ServiceExt;

/// How a subgraph is asked.
#[derive(Clone)]
pub struct SubgraphClient {
    /// Its name, for errors.
    pub name: String,
    /// Where requests go.
    pub uri: http::Uri,
    /// What carries them.
    pub transport: Transport,
    /// How long one may take in all.
    pub timeout: Duration,
}

impl std::fmt::Debug for SubgraphClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubgraphClient").field("name", &self.name).field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// A subgraph, with the headers that all requests to it have.
#[derive(Debug, Clone)]
pub(crate) struct Subgraph {
    pub client: SubgraphClient,
    pub meters: Arc<SubgraphMeters>,
    headers: HeaderMap,
    /// Where its answers are kept.
    pub cached: Option<Arc<Cached>>,
}

impl Subgraph {
    pub fn new(client: SubgraphClient) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = "application/graphql-response+json, application/json;q=0.9";
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        if let Some(host) = host(&client.uri) {
            headers.insert(HOST, host);
        }
        Self { meters: Arc::new(SubgraphMeters::new(&client.name)), client, headers, cached: None }
    }

    /// Send a body, with the caller's headers; `once` where sending it again might do something again.
    pub async fn post(self: Arc<Self>, body: Bytes, forwarded: Headers, once: bool) -> Answered {
        let client = &self.client;
        let mut request = http::Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = client.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        for (name, value) in forwarded.iter() {
            match *name {
                CONTENT_TYPE | ACCEPT => {}
                HOST => drop(headers.insert(name, value.clone())),
                _ => drop(headers.append(name, value.clone())),
            }
        }
        let (trace, mut span) = trace::request("subgraph request");
        along::write_id(headers);
        trace.write(headers);
        if once {
            request.extensions_mut().insert(AtMostOnce);
        }
        if span.is_recording() {
            span.set("terrane.subgraph", client.name.clone());
            span.set("http.request.method", "POST");
            span.set("http.request.body.size", size(request.body().len()));
        }
        let asked = self.meters.ask(request.body().len());
        let answer = tokio::time::timeout(client.timeout, client.transport.clone().oneshot(request)).await;
        let answered = match answer {
            Ok(answer) => answer.map(|response| self.received(response, &forwarded, once)),
            Err(_) => Err(TransportError::Timeout(client.timeout)),
        };
        let outcome = asked.end(&answered);
        if let Ok(Received { status, body, .. }) = &answered {
            span.set("http.response.status_code", i64::from(status.as_u16()));
            span.set("http.response.body.size", size(body.len()));
        }
        if outcome != "answered" {
            span.fail(outcome);
        }
        answered
    }

    /// An answer, and how long it may be kept.
    fn received(&self, response: http::Response<Bytes>, forwarded: &Headers, once: bool) -> Received {
        let freshness = self.cached.as_ref().filter(|_| !once && response.status() == http::StatusCode::OK);
        let freshness = freshness.and_then(|cached| {
            let authorized = forwarded.iter().any(|(name, _)| *name == AUTHORIZATION);
            let freshness = Freshness::of(response.headers(), authorized)?;
            cached.allow();
            Some(freshness)
        });
        Received { status: response.status(), body: response.into_body(), freshness }
    }
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The `host` header for an address: without the port where it is the scheme's own (RFC 9110, section 7.2).
fn host(uri: &http::Uri) -> Option<HeaderValue> {
    let host = uri.host()?;
    let text = match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(80), Some("http")) | (Some(443), Some("https")) => host.to_owned(),
        (Some(port), _) => format!("{host}:{port}"),
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::compared;

    #[tokio::test]
    async fn the_callers_headers_go_along_but_for_those_that_say_what_the_request_is() {
        let transport = Transport::new(tower::service_fn(|request: http::Request<Bytes>| async move {
            let headers = request.headers();
            let shown = [AUTHORIZATION, CONTENT_TYPE, HOST].map(|name| headers.get_all(name).iter().cloned().collect());
            let shown: Vec<Vec<HeaderValue>> = shown.into();
            Ok(http::Response::new(Bytes::from(format!("{shown:?} {}", request.uri()))))
        }));
        let uri = http::Uri::from_static("http://shop:4001/graphql");
        let client = SubgraphClient { name: "a".to_owned(), uri, transport, timeout: Duration::from_secs(60) };
        let mut forwarded = HeaderMap::new();
        forwarded.append(AUTHORIZATION, HeaderValue::from_static("one"));
        forwarded.append(AUTHORIZATION, HeaderValue::from_static("two"));
        forwarded.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let received = Arc::new(Subgraph::new(client)).post(Bytes::new(), compared(&forwarded), false).await.unwrap();
        let expected = r#"[["one", "two"], ["application/json"], ["shop:4001"]] http://shop:4001/graphql"#;
        assert_eq!(received.body, expected.as_bytes());
    }

    #[test]
    fn the_host_has_no_port_that_the_scheme_implies() {
        let host = |uri: &'static str| host(&http::Uri::from_static(uri)).unwrap();
        assert_eq!(host("http://a.example:80/"), "a.example");
        assert_eq!(host("https://a.example:443/"), "a.example");
        assert_eq!(host("https://a.example:80/"), "a.example:80");
        assert_eq!(host("http://[::1]:4001/"), "[::1]:4001");
    }
}
