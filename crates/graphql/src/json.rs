//! JSON writing: turns scalars into JSON text at the end of a byte buffer, without intermediate values.

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
    fn numbers_that_json_lacks_are_null() {
        let mut out = Vec::new();
        write_f64(&mut out, f64::NAN);
        write_f64(&mut out, 0.1);
        write_i64(&mut out, i64::MIN);
        assert_eq!(out, b"null0.1-9223372036854775808");
    }
}
