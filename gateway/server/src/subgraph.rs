//! Subgraphs: turns an address and maybe an SDL into what composition and execution need.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use serde::Deserialize;
use std::time::Duration;
use terrane_execute::subscribe::Protocol;
use terrane_execute::{StreamTransport, Transport};
use tower::ServiceExt as _;

/// Where a subgraph is, and what is known of it beforehand.
#[derive(Clone)]
pub struct SubgraphSource {
    /// Name in the supergraph.
    pub name: String,
    /// Its routing address; for one in this process, where it can be reached from outside.
    pub url: String,
    /// What carries requests to it.
    pub transport: Transport,
    /// Its SDL where it is given; else the subgraph is asked.
    pub sdl: Option<String>,
    /// Whether it has the standard ports of a data product.
    pub product: bool,
    /// How it sends the events of subscriptions.
    pub events: EventSource,
}

/// How a subgraph sends events.
#[derive(Debug, Clone, Default)]
pub struct EventSource {
    /// Over what.
    pub protocol: Protocol,
    /// Where, if not at the subgraph's own address: a URL, or a path on its host.
    pub url: Option<String>,
    /// What carries the requests, if not HTTP connections: such as the subgraph's own service in this process.
    pub transport: Option<StreamTransport>,
}

const SDL_LIMIT: Duration = Duration::from_secs(10);

impl SubgraphSource {
    /// The SDL: the given one, or what the subgraph answers to `{ _service { sdl } }`.
    ///
    /// # Errors
    /// What went wrong, for the operator and the catalog; names no internals beyond the subgraph's own words.
    pub async fn fetch_sdl(&self) -> Result<String, String> {
        if let Some(sdl) = &self.sdl {
            return Ok(sdl.clone());
        }
        #[derive(Deserialize)]
        struct Answer {
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "_service")]
            service: Service,
        }
        #[derive(Deserialize)]
        struct Service {
            sdl: String,
        }
        let request = self.request(Bytes::from_static(br#"{"query":"{ _service { sdl } }"}"#), None)?;
        let answered = tokio::time::timeout(SDL_LIMIT, self.transport.clone().oneshot(request)).await;
        let response = answered
            .map_err(|_| format!("subgraph `{}` did not answer within {} s", self.name, SDL_LIMIT.as_secs()))?
            .map_err(|e| e.public_message(&self.name))?;
        let answer: Option<Answer> = serde_json::from_slice(response.body()).ok();
        let data = answer.and_then(|a| a.data);
        data.map(|d| d.service.sdl).ok_or_else(|| {
            format!(
                "subgraph `{}` did not answer `{{ _service {{ sdl }} }}` with an SDL ({})",
                self.name,
                response.status()
            )
        })
    }

    /// A GraphQL request to it.
    ///
    /// # Errors
    /// When the address is no URL.
    pub fn request(&self, body: Bytes, authorization: Option<&HeaderValue>) -> Result<Request<Bytes>, String> {
        let uri: Uri = self.url.parse().map_err(|_| format!("the address of subgraph `{}` is no URL", self.name))?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/graphql-response+json, application/json"));
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }
}
