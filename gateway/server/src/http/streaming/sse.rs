//! Server-sent events: turns outputs into a `text/event-stream` body (GraphQL over server-sent events, "distinct
//! connections mode").

use super::{Framing, errors_body, frames, streamed};
use crate::gateway::Gateway;
use crate::subscriptions::Outputs;
use axum::body::Body;
use axum::http::Response;
use terrane_graphql::GraphqlError;

pub(super) const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";
/// A comment: proxies and clients see that the stream is alive, and that it has begun.
pub(super) const COMMENT: &[u8] = b":\n\n";

/// The response with the outputs of one operation.
pub(super) fn respond(gateway: &Gateway, outputs: Outputs) -> Response<Body> {
    streamed(CONTENT_TYPE, frames::<Sse>(gateway, outputs, COMMENT))
}

/// One event. JSON text of responses has no line breaks: those in strings are escaped, and a subgraph's own between its
/// tokens would begin a line of data each.
pub(super) fn event(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + name.len() + 24);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\n\n");
    out
}

struct Sse;

impl Framing for Sse {
    const HEARTBEAT: &'static [u8] = COMMENT;

    fn next(body: &[u8]) -> Vec<u8> {
        event("next", body)
    }

    fn failed(errors: &[GraphqlError]) -> Vec<u8> {
        [event("next", &errors_body(errors)), Self::complete()].concat()
    }

    fn complete() -> Vec<u8> {
        // Without data, a browser would not dispatch the event.
        event("complete", b"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_begins_another_line_of_data() {
        assert_eq!(event("next", b"{\r\n}"), b"event: next\ndata: {\ndata: \ndata: }\n\n");
        assert_eq!(Sse::complete(), b"event: complete\ndata: \n\n");
    }
}
