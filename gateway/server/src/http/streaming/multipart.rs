//! Multipart: turns outputs into a `multipart/mixed; subscriptionSpec=1.0` body (Apollo's multipart protocol for GraphQL
//! subscriptions over HTTP).

use super::{Framing, errors_body, frames, streamed};
use crate::gateway::Gateway;
use crate::subscriptions::Outputs;
use axum::body::Body;
use axum::http::Response;
use terrane_graphql::GraphqlError;

const CONTENT_TYPE: &str = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0";
const OPENING: &[u8] = b"\r\n--graphql";
/// The boundary that ends a part comes with it, so that clients can read it at once.
const HEAD: &[u8] = b"\r\ncontent-type: application/json\r\n\r\n";
const CLOSING: &[u8] = b"--\r\n";

/// The response with the outputs of one operation.
pub(super) fn respond(gateway: &Gateway, outputs: Outputs) -> Response<Body> {
    streamed(CONTENT_TYPE, frames::<Multipart>(gateway, outputs, OPENING))
}

struct Multipart;

impl Framing for Multipart {
    const HEARTBEAT: &'static [u8] = b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql";

    fn next(body: &[u8]) -> Vec<u8> {
        [HEAD, b"{\"payload\":", body, b"}", OPENING].concat()
    }

    fn failed(errors: &[GraphqlError]) -> Vec<u8> {
        // `{"errors":[…]}` of the stream, beside a payload that there is not.
        let errors = errors_body(errors);
        [HEAD, b"{\"payload\":null,", &errors[1..], OPENING, CLOSING].concat()
    }

    fn complete() -> Vec<u8> {
        CLOSING.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_opened_and_closed_once() {
        let body = [OPENING, &Multipart::next(b"{}"), Multipart::HEARTBEAT, &Multipart::complete()].concat();
        let head = "content-type: application/json\r\n\r\n";
        let expected =
            format!("\r\n--graphql\r\n{head}{{\"payload\":{{}}}}\r\n--graphql\r\n{head}{{}}\r\n--graphql--\r\n");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let failed = String::from_utf8(Multipart::failed(&[GraphqlError::new("A_B", "c")])).unwrap();
        assert!(failed.contains("{\"payload\":null,\"errors\":[{"), "{failed}");
    }
}
