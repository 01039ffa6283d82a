//! Server-sent events: turns chunks of a `text/event-stream` body into signals (HTML standard, section 9.2; GraphQL over
//! server-sent events, "distinct connections mode").

use super::source::Signal;
use super::{SourceError, WireReader};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;

/// Reads a body chunk by chunk.
#[derive(Debug)]
pub(super) struct SseReader {
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no end of a line.
    seen: usize,
    /// A line ended with CR: a LF that follows belongs to it.
    after_cr: bool,
    first: bool,
    event: Vec<u8>,
    data: Vec<u8>,
    lines: usize,
    /// Of the events from here on, where it was said since the last event.
    id: Option<Bytes>,
    limit: usize,
}

impl SseReader {
    /// A reader of events with at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (event, data) = (Vec::new(), Vec::new());
        Self { buffer: BytesMut::new(), seen: 0, after_cr: false, first: true, event, data, lines: 0, id: None, limit }
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Option<BytesMut> {
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer[0] == b'\n' {
                self.buffer.advance(1);
            }
        }
        let Some(at) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.seen..]) else {
            self.seen = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.seen + at + 1);
        self.after_cr = line.ends_with(b"\r");
        line.truncate(line.len() - 1);
        self.seen = 0;
        if std::mem::take(&mut self.first) && line.starts_with("\u{feff}".as_bytes()) {
            line.advance(3);
        }
        Some(line)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), SourceError> {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[..0]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event = value.to_vec(),
            b"data" => {
                if self.data.len() + value.len() >= self.limit {
                    return Err(SourceError::TooLarge(self.limit));
                }
                if self.lines > 0 {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.lines += 1;
            }
            b"id" if !value.contains(&0) => self.id = Some(Bytes::copy_from_slice(value)),
            // A comment, or what only browsers need.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Signal> {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        self.lines = 0;
        match &event[..] {
            b"complete" => Some(Signal::Complete),
            b"next" | b"" if !data.is_empty() => Some(Signal::Event(data.into())),
            _ => None,
        }
    }
}

impl WireReader for SseReader {
    fn read(&mut self, chunk: &Bytes, signals: &mut VecDeque<Signal>) -> Result<(), SourceError> {
        self.buffer.extend_from_slice(chunk);
        while let Some(line) = self.line() {
            if line.is_empty() {
                signals.extend(self.id.take().map(Signal::Id));
                signals.extend(self.dispatch());
            } else {
                self.field(&line)?;
            }
        }
        // `data: ` and a value of the largest size
        if self.buffer.len() > self.limit + 6 { Err(SourceError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> Result<Vec<Signal>, SourceError> {
        let (mut reader, mut signals) = (SseReader::new(64), VecDeque::new());
        for chunk in chunks {
            reader.read(&Bytes::copy_from_slice(chunk.as_bytes()), &mut signals)?;
        }
        Ok(signals.into())
    }

    #[test]
    fn reads_events_however_the_body_is_cut_and_its_lines_end() {
        let text = ":\n\nevent: next\ndata: {\"a\":\ndata: 1}\n\nid: 7\ndata:{}\n\nevent: other\ndata: x\n\nevent: complete\n\n";
        let expected = vec![
            Signal::Event("{\"a\":\n1}".into()),
            Signal::Id("7".into()),
            Signal::Event("{}".into()),
            Signal::Complete,
        ];
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{feff}{}", text.replace('\n', end));
            for cut in (0..text.len()).filter(|&cut| text.is_char_boundary(cut)) {
                assert_eq!(read(&[&text[..cut], &text[cut..]]).unwrap(), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_line_without_end_and_an_event_of_many_lines_are_limited() {
        assert!(read(&["data: ", &"x".repeat(100)]).is_err());
        assert!(read(&["data: xxxxxxxxxxxxxxxxxxxx\n"; 9]).is_err());
        assert!(read(&["data: xxxxxxxxxxxxxxxxxxxx\n\n"; 9]).is_ok());
    }
}
