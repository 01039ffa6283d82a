//! JSON writing: turns scalars into JSON text at the end of a byte buffer, without intermediate values.

use std::str::Utf8Error;

/// Append `"text"` with JSON escapes (RFC 8259, section 7). Bytes ≥ 0x20 other than `"` and `\` are copied as they are,
/// in runs.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Append `text` escaped for the inside of a JSON string, without the quotes.
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..i]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        copied = i + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Append bytes that should be UTF-8 as a JSON string.
///
/// # Errors
/// Where they are not; then nothing was appended.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Utf8Error> {
    if !is_plain(bytes) {
        write_str(out, std::str::from_utf8(bytes)?);
        return Ok(());
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    Ok(())
}

/// Whether all bytes are ASCII and none needs an escape; eight at a time.
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    let wrong = |bytes: [u8; 8]| {
        let word = u64::from_le_bytes(bytes);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        (word & HIGH) | control | has_zero(word ^ (ONES * 0x22)) | has_zero(word ^ (ONES * 0x5c))
    };
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().all(|word| wrong(*word) == 0) && wrong(last) == 0
}

/// Append a signed integer.
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Append a finite double in its shortest form, or `null`: JSON has no NaN and no infinity.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Append `true` or `false`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_serde_json_on_every_low_character() {
        let text: String = (0u32..0x250).filter_map(char::from_u32).collect();
        let mut ours = Vec::new();
        write_str(&mut ours, &text);
        assert_eq!(serde_json::from_slice::<String>(&ours).unwrap(), text);
        assert_eq!(String::from_utf8(ours).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn bytes_are_written_as_their_text_is() {
        for code in 0u32..0x300 {
            let Some(character) = char::from_u32(code) else { continue };
            for before in 0..10 {
                let text = format!("{}{character}end", "x".repeat(before));
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                write_bytes(&mut ours, text.as_bytes()).unwrap();
                write_str(&mut theirs, &text);
                assert_eq!(ours, theirs);
            }
        }
        let mut out = Vec::new();
        assert!(write_bytes(&mut out, b"abc\xff").is_err());
        assert_eq!(out, b"");
    }

    #[test]
    fn numbers_that_json_lacks_are_null() {
        let mut out = Vec::new();
        write_f64(&mut out, f64::NAN);
        write_f64(&mut out, 0.1);
        write_i64(&mut out, i64::MIN);
        assert_eq!(out, b"null0.1-9223372036854775808");
    }
}
