//! Chunks: turns the pieces of a chunked body, as they come, into the body (RFC 9112, section 7.1).

use bytes::{Buf as _, BytesMut};

/// Bytes of a chunk's first line, and of all trailers, at most.
const LONGEST_LINE: usize = 16 * 1024;

/// Where in the body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a chunk's first line.
    Size,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// After a chunk's data.
    DataEnd,
    /// After the last chunk, so many bytes of trailers seen.
    Trailers(usize),
}

/// Reads chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
}

impl Chunks {
    pub fn new() -> Self {
        Self { place: Place::Size }
    }

    /// Move what `bytes` has of the body into `body`. Whether that was all of it.
    ///
    /// # Errors
    /// What is wrong, for logs.
    pub fn read(&mut self, bytes: &mut BytesMut, body: &mut BytesMut) -> Result<bool, &'static str> {
        loop {
            match self.place {
                Place::Size => match httparse::parse_chunk_size(bytes) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        bytes.advance(line);
                        self.place = if size == 0 { Place::Trailers(0) } else { Place::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if bytes.len() > LONGEST_LINE => {
                        return Err("a chunk's line is too long");
                    }
                    Ok(httparse::Status::Partial) => return Ok(false),
                    Err(_) => return Err("a chunk's size is no number"),
                },
                Place::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(false);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    body.extend_from_slice(&bytes[..here]);
                    bytes.advance(here);
                    let left = left - here as u64;
                    self.place = if left == 0 { Place::DataEnd } else { Place::Data(left) };
                }
                Place::DataEnd => match bytes.get(..2) {
                    Some(b"\r\n") => {
                        bytes.advance(2);
                        self.place = Place::Size;
                    }
                    Some(_) => return Err("a chunk is longer than it says"),
                    None => return Ok(false),
                },
                Place::Trailers(seen) => match memchr::memchr(b'\n', bytes) {
                    Some(end) => {
                        let empty = matches!(&bytes[..end], b"" | b"\r");
                        bytes.advance(end + 1);
                        if empty {
                            return Ok(true);
                        }
                        self.place = Place::Trailers(seen + end + 1);
                        if seen + end > LONGEST_LINE {
                            return Err("the trailers are too long");
                        }
                    }
                    None if seen + bytes.len() > LONGEST_LINE => return Err("the trailers are too long"),
                    None => return Ok(false),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feed `wire` in pieces of `step` bytes.
    fn fed(wire: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let (mut chunks, mut bytes, mut body) = (Chunks::new(), BytesMut::new(), BytesMut::new());
        let mut given = 0;
        for piece in wire.chunks(step.max(1)) {
            bytes.extend_from_slice(piece);
            given += piece.len();
            if chunks.read(&mut bytes, &mut body)? {
                return Ok(Some((body.to_vec(), given - bytes.len())));
            }
        }
        Ok(None)
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same_body(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            step in 1usize..30,
        ) {
            let mut wire = Vec::new();
            for part in &parts {
                wire.extend_from_slice(format!("{:X};a=b\r\n", part.len()).as_bytes());
                wire.extend_from_slice(part);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\ntrailer: x\r\n\r\n");
            let expected = Some((parts.concat(), wire.len()));
            prop_assert_eq!(fed(&wire, step), Ok(expected));
            prop_assert_eq!(fed(&wire[..wire.len() - 1], step), Ok(None));
        }

        #[test]
        fn whatever_comes_is_no_panic(wire in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..30) {
            let _ = fed(&wire, step);
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        for wire in ["x\r\n", "2\r\nabc\r\n", "fffffffffffffffff\r\n", "-1\r\n"] {
            assert!(fed(wire.as_bytes(), 1).is_err(), "{wire}");
        }
        assert!(fed(format!("1;{}", "a".repeat(LONGEST_LINE)).as_bytes(), 1000).is_err());
        assert!(fed(format!("0\r\n{}", "a: b\r\n".repeat(LONGEST_LINE)).as_bytes(), 1000).is_err());
    }
}
