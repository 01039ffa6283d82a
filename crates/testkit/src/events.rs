//! Event streams: turns a subscription over server-sent events into the responses that it brings, one after the other.

use crate::Client;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::time::Duration;

/// A subscription that is open.
#[derive(Debug)]
pub struct Events {
    body: BoxBody<Bytes, String>,
    text: String,
}

impl Client {
    /// Open a subscription at `/graphql` (GraphQL over SSE, distinct connections).
    pub async fn events(&self, query: &str) -> Events {
        let mut request = Request::post(format!("{}/graphql", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Full::new(Bytes::from(json!({"query": query}).to_string()));
        let response = self.http.request(request.body(body).expect("a request")).await.expect("the server answers");
        assert!(response.status().is_success(), "the subscription is refused: {}", response.status());
        Events { body: response.into_body().map_err(|e| e.to_string()).boxed(), text: String::new() }
    }
}

impl Events {
    /// The next response; panics where none comes within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e}: {data}"));
                }
                continue;
            }
            let frame = tokio::time::timeout(limit, self.body.frame()).await.expect("something comes in time");
            let frame = frame.expect("the stream goes on").expect("the stream is whole");
            if let Ok(piece) = frame.into_data() {
                self.text.push_str(&String::from_utf8_lossy(&piece));
            }
        }
    }
}
