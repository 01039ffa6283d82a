//! Heads: turns the first bytes of a response into its status, its headers, and how its body ends (RFC 9112, section 6).

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Headers of one response at most.
const MOST_HEADERS: usize = 128;
/// Bytes of a head at most.
const LONGEST_HEAD: usize = 64 * 1024;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(usize),
    /// With the last of its chunks.
    Chunked,
    /// With the connection.
    Close,
}

/// What comes before a body.
#[derive(Debug)]
pub(super) struct Head {
    pub status: StatusCode,
    /// Without those that are about the connection, and without `date` and `server`.
    pub headers: HeaderMap,
    pub framing: Framing,
    /// Whether another request may follow on the connection.
    pub persistent: bool,
    /// Its length in bytes.
    pub len: usize,
}

/// What the headers say of the connection and of the body's length.
#[derive(Default)]
struct Said {
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

/// The head that `bytes` begin with; `None` where it is not complete. Interim responses (1xx) are heads, too.
///
/// # Errors
/// What is wrong with it, for logs.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [const { std::mem::MaybeUninit::uninit() }; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() > LONGEST_HEAD => {
            return Err(format!("the head of its response is longer than {LONGEST_HEAD} bytes"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("its response is no HTTP/1.1: {error}")),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("its response has no status")?;
    let mut said = Said { close: response.version == Some(0), ..Said::default() };
    let mut kept = HeaderMap::new();
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| "a header's name is not valid")?;
        match name {
            CONTENT_LENGTH => said.length = Some(length(header.value, said.length)?),
            TRANSFER_ENCODING if said.chunked => return Err("it has several transfer encodings".to_owned()),
            TRANSFER_ENCODING if header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") => said.chunked = true,
            TRANSFER_ENCODING => return Err("its transfer encoding is not `chunked`".to_owned()),
            CONNECTION => said.close |= says_close(header.value),
            DATE | SERVER | TE | TRAILER | UPGRADE => {}
            _ if header.name.eq_ignore_ascii_case("keep-alive") => {}
            _ => {
                let value = HeaderValue::from_bytes(header.value).map_err(|_| "a header's value is not valid")?;
                kept.append(name, value);
            }
        }
    }
    let framing = framing(status, &said);
    // both at once is how a response is smuggled in: what follows is not trusted (RFC 9112, section 6.3)
    let persistent = !said.close && framing != Framing::Close && !(said.chunked && said.length.is_some());
    Ok(Some(Head { status, headers: kept, framing, persistent, len }))
}

fn framing(status: StatusCode, said: &Said) -> Framing {
    if status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Framing::Length(0);
    }
    match (said.chunked, said.length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Close,
    }
}

/// `content-length`; said twice, it must be the same.
fn length(value: &[u8], before: Option<usize>) -> Result<usize, String> {
    let text = value.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    match (length, before) {
        (Some(length), None) => Ok(length),
        (Some(length), Some(before)) if length == before => Ok(length),
        _ => Err("its content-length is not one number".to_owned()),
    }
}

fn says_close(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(head: &str) -> Result<Option<(u16, Framing, bool)>, String> {
        read(head.as_bytes()).map(|read| read.map(|h| (h.status.as_u16(), h.framing, h.persistent)))
    }

    #[test]
    fn a_bodys_end_is_read_from_the_head() {
        use Framing::{Chunked, Close, Length};
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (200, Length(5), true)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n", (200, Length(5), true)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", (200, Chunked, true)),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n", (200, Chunked, false)),
            ("HTTP/1.1 502 Bad\r\n\r\n", (502, Close, false)),
            ("HTTP/1.1 204 Nothing\r\n\r\n", (204, Length(0), true)),
            ("HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n", (304, Length(0), true)),
            ("HTTP/1.1 100 Continue\r\n\r\n", (100, Length(0), true)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x, Close\r\n\r\n", (200, Length(1), false)),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", (200, Length(1), false)),
        ] {
            assert_eq!(framed(head), Ok(Some(expected)), "{head}");
            assert_eq!(framed(&head[..head.len() - 1]), Ok(None), "{head}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 99 Low\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/2 200\r\n\r\n",
        ] {
            assert!(read(head.as_bytes()).is_err(), "{head}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1));
        assert!(read(many.as_bytes()).is_err());
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(LONGEST_HEAD));
        assert!(read(long.as_bytes()).is_err());
    }

    #[test]
    fn headers_of_the_connection_are_left_out() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: now\r\nkeep-alive: 5\r\ncontent-length: 0\r\nset-cookie: a\r\nset-cookie: b\r\n\r\n";
        let headers = read(head.as_bytes()).unwrap().unwrap().headers;
        let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(shown, [("content-type", "application/json"), ("set-cookie", "a"), ("set-cookie", "b")]);
    }
}
