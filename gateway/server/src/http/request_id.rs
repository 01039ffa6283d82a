//! Request ids: turns the id that a client sent, or a new one, into a name for all that a request causes.

use crate::config::RequestIdConfig;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use terrane_telemetry::along::{self, Along, is_sane};

/// How requests get their ids.
#[derive(Debug, Clone)]
pub struct RequestIds {
    header: HeaderName,
    forward: bool,
}

impl RequestIds {
    /// From the settings; `None` where requests have no ids.
    pub fn new(config: &RequestIdConfig) -> Option<Self> {
        let header = config.header.parse().ok()?;
        config.enabled.then_some(Self { header, forward: config.forward })
    }

    /// The id of a request.
    pub fn name(&self, headers: &HeaderMap) -> HeaderValue {
        headers.get(&self.header).filter(|value| is_sane(value)).cloned().unwrap_or_else(made)
    }

    /// The header in which subgraphs are sent it.
    pub fn forwarded(&self) -> Option<HeaderName> {
        self.forward.then(|| self.header.clone())
    }

    /// Tell the client.
    pub fn tell(&self, id: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), id.clone());
    }
}

/// A body that is made while it is read; what that causes is named as the request is.
pub struct NamedBody {
    pub body: Body,
    pub along: Along,
}

impl HttpBody for NamedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let along = Arc::clone(&self.along);
        along::with_sync(along, || Pin::new(&mut self.body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn made() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random: [u8; 16] = rand::random();
    let mut text = [0; 32];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(random) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits can stand in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients_are_kept_where_they_are_sane() {
        let ids = RequestIds::new(&RequestIdConfig::default()).unwrap();
        let name = |value: &str| {
            let headers = HeaderMap::from_iter([(ids.header.clone(), HeaderValue::from_str(value).unwrap())]);
            ids.name(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(name("a-1/b"), "a-1/b");
        for wrong in ["", "a b", "a\"b", "{}", &"x".repeat(129)] {
            let made = name(wrong);
            assert!(made.len() == 32 && made != wrong, "{made}");
        }
        assert_ne!(name(""), name(""));
    }
}
