//! Copies: turns short pieces of text into bytes at the end of a buffer, without a call for each.
//!
//! Most keys and values of an answer are shorter than 32 bytes. That many are copied at once, in a few instructions, and
//! what was too much is cut off again.

const SHORT: usize = 32;

/// Text that is written many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    text: Box<[u8]>,
    /// How much of the text is the piece; the rest fills it up.
    len: usize,
}

impl Piece {
    /// Append it to `out`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, &self.text, 0, self.len);
    }
}

impl From<Vec<u8>> for Piece {
    fn from(mut text: Vec<u8>) -> Self {
        let len = text.len();
        text.resize(len.max(SHORT), 0);
        Self { text: text.into(), len }
    }
}

/// Append `len` bytes of `text`, from `start`, to `out`.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8], start: usize, len: usize) {
    let rest = &text[start..];
    match rest.first_chunk::<SHORT>() {
        Some(chunk) if len <= SHORT => {
            let end = out.len() + len;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&rest[..len]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_what_it_is_told() {
        let text: Vec<u8> = (0..100).collect();
        for start in 0..text.len() {
            for len in 0..=text.len() - start {
                let mut out = vec![7];
                append(&mut out, &text, start, len);
                assert_eq!((out[0], &out[1..]), (7, &text[start..start + len]));
                let mut out = Vec::new();
                Piece::from(text[start..start + len].to_vec()).write(&mut out);
                assert_eq!(out, text[start..start + len]);
            }
        }
    }
}
