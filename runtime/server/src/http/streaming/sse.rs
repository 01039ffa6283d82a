//! Server-sent events: turns outputs into frames (GraphQL over server-sent events, "distinct connections mode"). The id of
//! an event is the position that it goes up to, so that a client that comes again goes on there.

use crate::streams::{Output, Outputs};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use terrane_graphql::GraphqlError;
use terrane_graphql::error::request_error_body;
use terrane_graphql::json::write_i64;

/// The frames of one operation's outputs.
pub(super) fn frames(outputs: Outputs) -> impl Stream<Item = Bytes> + Send {
    let frames = |output| match output {
        Output::Next(body, position) => vec![event("next", position, &body)],
        Output::Failed(errors) => refusal(&errors),
        Output::Complete => vec![complete()],
    };
    outputs.flat_map(move |output| stream::iter(frames(output)))
}

/// The frames of an operation that ends with errors.
pub(super) fn refusal(errors: &[GraphqlError]) -> Vec<Bytes> {
    vec![event("next", None, &request_error_body(errors)), complete()]
}

fn complete() -> Bytes {
    // without data, a browser would not dispatch the event
    event("complete", None, b"")
}

/// One event. JSON text of ours has no line breaks.
pub(super) fn event(name: &str, position: Option<i64>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + name.len() + 48);
    if let Some(position) = position {
        out.extend_from_slice(b"id: ");
        write_i64(&mut out, position);
        out.push(b'\n');
    }
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_position_as_id() {
        assert_eq!(event("next", Some(7), b"{}"), "id: 7\nevent: next\ndata: {}\n\n");
        assert_eq!(complete(), "event: complete\ndata: \n\n");
    }
}
