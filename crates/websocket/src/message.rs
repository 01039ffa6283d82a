//! Messages: turns text of `graphql-transport-ws` into what it says, and outputs into text.

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use terrane_graphql::GraphqlError;
use terrane_graphql::json::write_str;

/// Why a socket is closed: a code of the protocol, and words.
pub(crate) struct Close(pub(crate) u16, pub(crate) String);

impl Close {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    pub(crate) fn invalid(reason: &str) -> Self {
        Self::new(4400, format!("Invalid message: {reason}"))
    }

    /// Of a socket that can't be read or written.
    pub(crate) fn broken(error: &axum::Error) -> Self {
        let too_large = error.to_string().contains("too long") || error.to_string().contains("too large");
        if too_large { Self::new(1009, "Message too big") } else { Self::new(1002, "") }
    }
}

/// A message of the client.
#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) payload: Option<Value>,
}

impl Received {
    pub(crate) fn read(text: &str) -> Result<Self, Close> {
        serde_json::from_str(text).map_err(|_| Close::invalid("it is no JSON object with a `type`"))
    }
}

/// `{"id":"…","type":"…","payload":…}`
pub(crate) fn with_id(kind: &str, id: &str, payload: Option<&[u8]>) -> Result<Utf8Bytes, Close> {
    let mut out = Vec::with_capacity(payload.map_or(0, <[u8]>::len) + id.len() + 48);
    out.extend_from_slice(b"{\"id\":");
    write_str(&mut out, id);
    out.extend_from_slice(b",\"type\":");
    write_str(&mut out, kind);
    if let Some(payload) = payload {
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(payload);
    }
    out.push(b'}');
    Utf8Bytes::try_from(Bytes::from(out)).map_err(|_| Close::new(4500, "Internal error"))
}

/// `[{"message":…},…]`
pub(crate) fn errors_list(errors: &[GraphqlError]) -> Vec<u8> {
    serde_json::to_vec(errors).expect("errors are plain JSON values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_the_protocol_says() {
        let text = with_id("next", "a\"1", Some(b"{\"data\":null}"));
        assert_eq!(text.ok().as_deref(), Some(r#"{"id":"a\"1","type":"next","payload":{"data":null}}"#));
        assert_eq!(with_id("complete", "1", None).ok().as_deref(), Some(r#"{"id":"1","type":"complete"}"#));
    }

    #[test]
    fn what_is_no_message_is_told() {
        let refused = |text| Received::read(text).err().map(|close| close.0);
        assert_eq!(refused("[]"), Some(4400));
        assert_eq!(refused(r#"{"id":"1"}"#), Some(4400));
        assert_eq!(refused(r#"{"type":"ping"}"#), None);
    }
}
