//! Multipart: turns chunks of a `multipart/mixed; subscriptionSpec=1.0` body into signals (RFC 2046, section 5.1; the
//! multipart protocol of Apollo for subscriptions over HTTP).

use super::source::Signal;
use super::{SourceError, WireReader};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// Reads a body chunk by chunk.
#[derive(Debug)]
pub(super) struct MultipartReader {
    buffer: BytesMut,
    /// `--boundary`
    delimiter: Vec<u8>,
    /// Inside of a part; else before one.
    inside: bool,
    limit: usize,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    /// Some servers send the response itself.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

impl MultipartReader {
    /// A reader of parts with at most `limit` bytes, for the value of a `content-type` header.
    pub fn new(content_type: &str, limit: usize) -> Self {
        let boundary = content_type.split(';').find_map(|piece| piece.trim().strip_prefix("boundary="));
        let delimiter = format!("--{}", boundary.unwrap_or("-").trim_matches('"')).into_bytes();
        Self { buffer: BytesMut::new(), delimiter, inside: false, limit }
    }

    /// Where the next delimiter is: at the beginning of a line.
    fn delimiter(&self) -> Option<usize> {
        memmem::find_iter(&self.buffer, &self.delimiter).find(|&at| at == 0 || self.buffer[at - 1] == b'\n')
    }

    /// Go past a delimiter; whether it was the last one. `None`: what follows it is not there yet.
    fn pass(&mut self, at: usize) -> Option<bool> {
        let after = at + self.delimiter.len();
        let last = self.buffer.get(after..after + 2)? == b"--";
        self.buffer.advance(after);
        self.inside = !last;
        Some(last)
    }

    /// A part whose text is complete, though no delimiter came yet: the next one may only come with the next event.
    fn early(&mut self) -> Option<Bytes> {
        let (start, body) = content(&self.buffer)?;
        let complete = body.ends_with(b"}") && serde_json::from_slice::<IgnoredAny>(body).is_ok();
        let length = body.len();
        if !complete {
            return None;
        }
        self.buffer.advance(start);
        self.inside = false;
        Some(self.buffer.split_to(length).freeze())
    }
}

/// What is after the headers of a part, and where it begins.
fn content(part: &[u8]) -> Option<(usize, &[u8])> {
    let crlf = memmem::find(part, b"\r\n\r\n").map(|at| at + 4);
    let start = crlf.or_else(|| memmem::find(part, b"\n\n").map(|at| at + 2))?;
    let leading = part[start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    Some((start + leading, part[start + leading..].trim_ascii_end()))
}

fn signals_of(part: &Bytes, signals: &mut VecDeque<Signal>) -> Result<(), SourceError> {
    let read: Part<'_> = serde_json::from_slice(part)
        .map_err(|error| SourceError::Invalid(format!("a part is no JSON object of the protocol: {error}")))?;
    let payload = read.payload.filter(|payload| payload.get() != "null");
    match (payload, read.errors) {
        (None, _) if read.data.is_some() => signals.push_back(Signal::Event(part.clone())),
        (Some(payload), _) => signals.push_back(Signal::Event(part.slice_ref(payload.get().as_bytes()))),
        (None, Some(errors)) => signals.push_back(Signal::Last(format!("{{\"errors\":{errors}}}").into())),
        // A heartbeat.
        (None, None) => {}
    }
    Ok(())
}

impl WireReader for MultipartReader {
    fn read(&mut self, chunk: &Bytes, signals: &mut VecDeque<Signal>) -> Result<(), SourceError> {
        self.buffer.extend_from_slice(chunk);
        loop {
            let Some(at) = self.delimiter() else {
                if self.inside
                    && let Some(part) = self.early()
                {
                    signals_of(&part, signals)?;
                }
                break;
            };
            if self.inside {
                let part = self.buffer.split_to(at).freeze();
                self.inside = false;
                if let Some((start, body)) = content(&part) {
                    signals_of(&part.slice(start..start + body.len()), signals)?;
                }
                continue;
            }
            match self.pass(at) {
                Some(true) => {
                    signals.push_back(Signal::Complete);
                    return Ok(());
                }
                Some(false) => {}
                None => break,
            }
        }
        // the headers of a part are a few dozen bytes
        if self.buffer.len() > self.limit + 1024 { Err(SourceError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> Result<Vec<Signal>, SourceError> {
        let mut reader = MultipartReader::new("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", 64);
        let mut signals = VecDeque::new();
        for chunk in chunks {
            reader.read(&Bytes::copy_from_slice(chunk.as_bytes()), &mut signals)?;
        }
        Ok(signals.into())
    }

    #[test]
    fn reads_parts_however_the_body_is_cut() {
        let head = "content-type: application/json\r\n\r\n";
        let text = format!(
            "\r\n--graphql\r\n{head}{{\"payload\":{{\"data\":1}}}}\r\n--graphql\r\n{head}{{}}\r\n--graphql\r\n\
             {head}{{\"payload\":null,\"errors\":[{{}}]}}\r\n--graphql--\r\n"
        );
        let expected =
            vec![Signal::Event("{\"data\":1}".into()), Signal::Last("{\"errors\":[{}]}".into()), Signal::Complete];
        for cut in 0..text.len() {
            assert_eq!(read(&[&text[..cut], &text[cut..]]).unwrap(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_part_need_not_wait_for_the_next_delimiter() {
        let chunks =
            ["--graphql\r\nContent-Type: application/json\r\n\r\n", "{\"payload\":{\"data\":\"}\"", "}}", "\r\n"];
        assert_eq!(read(&chunks).unwrap(), [Signal::Event("{\"data\":\"}\"}".into())]);
        let chunks = ["--graphql\r\n\r\n", "{\"data\":{}}", "\r\n", "--graphql--\r\n"];
        assert_eq!(read(&chunks).unwrap(), [Signal::Event("{\"data\":{}}".into()), Signal::Complete]);
    }

    #[test]
    fn what_is_no_part_and_what_is_too_large_ends_the_stream() {
        assert!(matches!(read(&["--graphql\r\n\r\nnone\r\n--graphql"]), Err(SourceError::Invalid(_))));
        assert!(matches!(read(&["--graphql\r\n\r\n{\"", &"x".repeat(2000)]), Err(SourceError::TooLarge(64))));
    }
}
