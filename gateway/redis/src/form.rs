//! Form: turns something that is kept into the bytes of a Redis value, and such bytes back.
//!
//! `version (1) · flags (1) · until (8, little endian) · check (16) · text`. The check is the start of the SHA-256 of the key
//! and all other bytes: what was cut off, overwritten, or written under another key is nothing. A change of the form is a new
//! version, which gateways that don't know it don't find.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use terrane_execute::cache::Kept;

const VERSION: u8 = 1;
const PUBLIC: u8 = 1;
const HEAD: usize = 10;
const TEXT: usize = HEAD + 16;

/// The bytes of a value.
pub(crate) fn encode(key: &[u8; 32], kept: &Kept) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TEXT + kept.text.len());
    bytes.push(VERSION);
    bytes.push(if kept.public { PUBLIC } else { 0 });
    bytes.extend_from_slice(&kept.until.to_le_bytes());
    let check = check(key, &bytes, &kept.text);
    bytes.extend_from_slice(&check);
    bytes.extend_from_slice(&kept.text);
    bytes
}

/// What was kept under a key; `None` where the bytes are not what [`encode`] makes for it.
pub(crate) fn decode(key: &[u8; 32], bytes: Vec<u8>) -> Option<Kept> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (found, text) = rest.split_at_checked(TEXT - HEAD)?;
    let (&[version, flags], until) = head.split_first_chunk::<2>()?;
    let known = version == VERSION && matches!(flags, 0 | PUBLIC);
    if !known || check(key, head, text) != found || std::str::from_utf8(text).is_err() {
        return None;
    }
    let until = u64::from_le_bytes(until.try_into().ok()?);
    Some(Kept { text: Bytes::from(bytes).slice(TEXT..), until, public: flags == PUBLIC })
}

fn check(key: &[u8; 32], head: &[u8], text: &[u8]) -> [u8; TEXT - HEAD] {
    let digest = Sha256::new().chain_update(key).chain_update(head).chain_update(text).finalize();
    *digest.first_chunk().expect("a digest is longer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_for_a_key_is_read_under_it() {
        for public in [true, false] {
            let kept = Kept { text: Bytes::from_static("{\"name\":\"\u{e9}\"}".as_bytes()), until: 1 << 40, public };
            let bytes = encode(&[7; 32], &kept);
            assert_eq!(bytes.len(), TEXT + kept.text.len());
            assert_eq!(decode(&[7; 32], bytes.clone()), Some(kept));
            assert_eq!(decode(&[8; 32], bytes.clone()), None, "under another key");
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert_eq!(decode(&[7; 32], other), None, "byte {at} is another");
                assert_eq!(decode(&[7; 32], bytes[..at].to_vec()), None, "ends at {at}");
            }
            assert_eq!(decode(&[7; 32], [&bytes[..], b" "].concat()), None, "goes on");
        }
    }

    #[test]
    fn forms_and_texts_that_nobody_here_writes_are_nothing() {
        let of = |version: u8, flags: u8, text: &[u8]| {
            let mut bytes = vec![version, flags];
            bytes.extend_from_slice(&9_u64.to_le_bytes());
            let check = check(&[7; 32], &bytes, text);
            decode(&[7; 32], [&bytes[..], &check, text].concat())
        };
        assert!(of(VERSION, PUBLIC, b"{}").is_some());
        for (version, flags, text) in
            [(2, PUBLIC, &b"{}"[..]), (0, PUBLIC, b"{}"), (VERSION, 2, b"{}"), (VERSION, 0, b"\xff")]
        {
            assert_eq!(of(version, flags, text), None);
        }
    }
}
