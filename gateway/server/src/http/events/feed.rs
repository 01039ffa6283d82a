//! Feeds: turns a product and a position into what it tells after that, as who asks: a page of events, or one after the other.

use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use std::time::Duration;
use terrane_execute::transport::StreamBody;
use tower::ServiceExt as _;

/// Until a product that does not answer counts as away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a page of one product at most.
const LARGEST_PAGE: usize = 32 * 1024 * 1024;
/// Bytes of an event at most.
const LARGEST_EVENT: usize = 1024 * 1024;

/// An event as its product tells it.
#[derive(Debug)]
pub struct Event {
    /// Its place in the product's feed.
    pub position: i64,
    /// What it is about, by which an `EventSource` may choose.
    pub kind: String,
    /// The CloudEvent.
    pub text: String,
}

/// Why a product tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It can't be reached, or is not well.
    Away,
    /// Who asks may not know of it.
    Closed,
    /// Who asks is not let in by their token any more.
    Unauthenticated,
    /// The events after the position are not kept any more.
    Expired,
}

/// The feed of a product for somebody.
pub struct Feed<'a> {
    /// The gateway that asks.
    pub gateway: &'a Gateway,
    /// The product.
    pub source: &'a SubgraphSource,
    /// What goes along of the request of who asks.
    pub forwarded: &'a HeaderMap,
}

impl Feed<'_> {
    /// The events after `position`, `first` at most, and the position up to which was looked.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn page(&self, position: Option<i64>, first: usize) -> Result<(Vec<Value>, i64), Silence> {
        let after = position.map(|position| format!("&after={position}")).unwrap_or_default();
        let read = async {
            let response = self.ask(&format!("?first={first}{after}"), "application/json", None).await?;
            let next = response.headers().get("link").and_then(|link| after_of(link.to_str().ok()?));
            let body = Limited::new(response.into_body(), LARGEST_PAGE).collect().await.map_err(|_| Silence::Away)?;
            let events: Vec<Value> = serde_json::from_slice(&body.to_bytes()).map_err(|_| Silence::Away)?;
            Ok::<_, Silence>((events, next.ok_or(Silence::Away)?))
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Silence::Away))
    }

    /// The events after `position`, as they come.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn stream(&self, position: Option<i64>) -> Result<Events, Silence> {
        let asked = self.ask("", "text/event-stream", position);
        let response = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Silence::Away))?;
        Ok(Events { body: response.into_body(), buffer: BytesMut::new() })
    }

    async fn ask(&self, query: &str, accept: &'static str, seen: Option<i64>) -> Result<Response<StreamBody>, Silence> {
        let (gateway, source) = (self.gateway, self.source);
        let base = source.url.trim_end_matches('/').trim_end_matches("/graphql");
        let uri: Uri = format!("{base}/events{query}").parse().map_err(|_| Silence::Away)?;
        let mut request = Request::new(Bytes::new());
        *request.headers_mut() = gateway.inner.settings.headers.sent(&source.name, self.forwarded);
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        // an event's source is the product's address: the same by whatever way it is asked
        if let Some(host) = uri.authority().and_then(|at| HeaderValue::from_str(at.as_str()).ok()) {
            headers.insert(HOST, host);
        }
        if uri.scheme_str() == Some("https") {
            headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
        }
        if let Some(seen) = seen {
            headers.insert(HeaderName::from_static("last-event-id"), HeaderValue::from(seen));
        }
        *request.uri_mut() = uri;
        let transport = source.events.transport.clone();
        let transport = transport.unwrap_or_else(|| gateway.inner.subscriptions.streams.transport());
        let response = transport.oneshot(request).await.map_err(|error| {
            tracing::debug!(product = source.name, %error, "the feed of a product can't be read");
            Silence::Away
        })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED => Err(Silence::Unauthenticated),
            // a subgraph that has no feed has nothing to tell
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Err(Silence::Closed),
            StatusCode::GONE => Err(Silence::Expired),
            _ => Err(Silence::Away),
        }
    }
}

/// The position that a product's link to the next page names.
fn after_of(link: &str) -> Option<i64> {
    let (_, rest) = link.split_once("after=")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

/// The events of a product as they come.
pub struct Events {
    body: StreamBody,
    buffer: BytesMut,
}

impl Events {
    /// The next event; none where the product has ended the stream, or it broke.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(frame) = self.frame() {
                match read(&frame) {
                    Read::Event(event) => return Some(event),
                    Read::End => return None,
                    Read::Nothing => {}
                }
            }
            if self.buffer.len() > LARGEST_EVENT {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// The next frame that is whole. Products end each with an empty line, and lines by LF.
    fn frame(&mut self) -> Option<BytesMut> {
        let end = self.buffer.windows(2).position(|two| two == b"\n\n")?;
        Some(self.buffer.split_to(end + 2))
    }
}

enum Read {
    Event(Event),
    /// The product says that it will tell no more on this stream.
    End,
    /// A sign of life.
    Nothing,
}

fn read(frame: &[u8]) -> Read {
    let Ok(text) = str::from_utf8(frame) else { return Read::End };
    let (mut kind, mut position, mut data) = ("", None, None);
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => kind = value,
            Some(("id", value)) => position = value.parse().ok(),
            Some(("data", value)) => data = Some(value),
            _ => {}
        }
    }
    match (kind, position, data) {
        ("error", ..) => Read::End,
        (kind, Some(position), Some(text)) => {
            Read::Event(Event { position, kind: kind.to_owned(), text: text.to_owned() })
        }
        _ => Read::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terrane_execute::TransportError;

    #[tokio::test]
    async fn events_are_read_however_the_body_is_cut() {
        let text =
            ":\n\nevent: version\nid: 7\ndata: {\"a\": \"x: y\"}\n\n:\n\nevent: error\ndata: {}\n\nid: 8\ndata: {}\n\n";
        for cut in 0..text.len() {
            let pieces = [&text[..cut], &text[cut..]]
                .map(|piece| Ok::<_, TransportError>(Bytes::copy_from_slice(piece.as_bytes())));
            let frames = futures_util::stream::iter(pieces.map(|piece| piece.map(http_body::Frame::data)));
            let body = StreamBody::new(http_body_util::StreamBody::new(frames));
            let mut events = Events { body, buffer: BytesMut::new() };
            let event = events.next().await.unwrap();
            assert_eq!((event.position, event.kind.as_str(), event.text.as_str()), (7, "version", "{\"a\": \"x: y\"}"));
            assert!(events.next().await.is_none(), "the product ended it, cut at {cut}");
        }
    }

    #[test]
    fn the_next_position_is_in_the_link() {
        assert_eq!(after_of("</products/a/events?after=42&first=9>; rel=\"next\""), Some(42));
        assert_eq!(after_of("</events>; rel=\"next\""), None);
    }
}
