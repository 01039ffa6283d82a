//! Parts: turns the parts of an incremental response into a `multipart/mixed` body ("Incremental Delivery over HTTP", an
//! RFC of GraphQL over HTTP).

/// The `content-type` header of a response in parts.
pub const MULTIPART: &str = "multipart/mixed; boundary=\"-\"; incrementalSpec=v0.2";

/// What a body begins with.
pub const OPENING: &[u8] = b"\r\n---";
/// What a body ends with.
pub const CLOSING: &[u8] = b"--\r\n";

/// One part. The boundary that ends it comes with it, so that clients can read it at once.
pub fn part(json: &[u8]) -> Vec<u8> {
    let head = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n";
    let mut out = Vec::with_capacity(head.len() + json.len() + OPENING.len());
    out.extend_from_slice(head);
    out.extend_from_slice(json);
    out.extend_from_slice(OPENING);
    out
}

/// Whether the client takes a response in parts, in the form of the current RFC: `multipart/mixed` without parameters, or
/// with `incrementalSpec=v0.2`. Earlier forms have other parameters, and are not spoken.
pub fn accepts_parts(accept: Option<&str>) -> bool {
    accept.unwrap_or_default().split(',').any(|range| {
        let mut pieces = range.split(';').map(str::trim);
        let named = pieces.next().is_some_and(|name| name.eq_ignore_ascii_case("multipart/mixed"));
        named
            && pieces.all(|piece| match piece.split_once('=') {
                Some(("q", weight)) => weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
                Some(("incrementalSpec", version)) => version.trim_matches('"') == "v0.2",
                Some(("boundary", _)) => true,
                _ => false,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_form_is_spoken() {
        assert!(accepts_parts(Some("multipart/mixed, application/json")));
        assert!(accepts_parts(Some("application/json;q=0.9, multipart/mixed;incrementalSpec=v0.2")));
        assert!(!accepts_parts(Some("multipart/mixed; deferSpec=20220824, application/json")));
        assert!(!accepts_parts(Some("multipart/mixed;q=0")));
        assert!(!accepts_parts(Some("application/json")));
        assert!(!accepts_parts(None));
    }

    #[test]
    fn a_body_is_opened_and_closed_once() {
        let body = [OPENING, &part(b"{\"a\":1}"), &part(b"{}"), CLOSING].concat();
        let text = String::from_utf8(body).expect("it is text");
        let head = "content-type: application/json; charset=utf-8\r\n\r\n";
        assert_eq!(text, format!("\r\n---\r\n{head}{{\"a\":1}}\r\n---\r\n{head}{{}}\r\n-----\r\n"));
    }
}
