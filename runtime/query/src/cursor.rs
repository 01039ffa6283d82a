//! Cursors: turns the order columns of a row into an opaque text, and back into binds.

use crate::bind::{Bind, check_scalar};
use crate::scalar::{Scalar, Wire, wire};
use crate::write::values::write_text_form;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::hash::Hasher as _;
use terrane_manifest::PgType;

/// A mark of what a list is ordered by; cursors of another order are told by it.
pub(crate) fn order_mark(text: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(text.as_bytes());
    // 48 bits are enough to tell orders apart and stay exact in every JSON reader
    hasher.finish() >> 16
}

/// Append the cursor of a row whose order columns are `parts` (binary values) as a JSON string.
pub(crate) fn write_cursor<'v>(
    out: &mut Vec<u8>,
    mark: u64,
    parts: impl Iterator<Item = (Option<&'v [u8]>, PgType)>,
) -> Result<(), String> {
    let mut plain = format!("[{mark}").into_bytes();
    let mut text = String::new();
    for (value, pg) in parts {
        plain.push(b',');
        match value {
            None => plain.extend_from_slice(b"null"),
            Some(bytes) => {
                text.clear();
                write_text_form(&mut text, bytes, pg)?;
                terrane_graphql::json::write_str(&mut plain, &text);
            }
        }
    }
    plain.push(b']');
    out.push(b'"');
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(&plain).as_bytes());
    out.push(b'"');
    Ok(())
}

/// The parts of a cursor, when it is one of a list with this mark and number of order columns.
pub(crate) fn decode_cursor(text: &str, mark: u64, count: usize) -> Option<Vec<Option<String>>> {
    let plain = URL_SAFE_NO_PAD.decode(text).ok()?;
    let parts: Vec<Value> = serde_json::from_slice(&plain).ok()?;
    let (first, rest) = parts.split_first()?;
    if first.as_u64() != Some(mark) || rest.len() != count {
        return None;
    }
    rest.iter()
        .map(|part| match part {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        })
        .collect()
}

/// A cursor's part as a bind for a column of type `pg`. Checked, because a cursor may be forged.
pub(crate) fn bind_part(part: &Option<String>, pg: PgType) -> Result<Bind, String> {
    let wrong = || "this cursor is damaged; use one that a page gave".to_owned();
    let text = part.as_deref();
    Ok(match wire(pg) {
        Wire::Int8 => Bind::Int8(text.map(str::parse).transpose().map_err(|_| wrong())?),
        Wire::Float8 => Bind::Float8(text.map(str::parse).transpose().map_err(|_| wrong())?),
        Wire::Bool => Bind::Bool(text.map(|t| t == "t")),
        Wire::Text => {
            if let Some(text) = text {
                let plain = text.strip_suffix(" BC").unwrap_or(text);
                let special = match pg {
                    PgType::Date | PgType::Timestamp | PgType::Timestamptz => ["infinity", "-infinity"].contains(&text),
                    PgType::Numeric => ["NaN", "Infinity", "-Infinity"].contains(&text),
                    _ => false,
                };
                if !special && check_scalar(Scalar::of(pg), &Value::String(plain.to_owned())).is_err() {
                    return Err(wrong());
                }
            }
            Bind::Text(text.map(str::to_owned))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_tells_its_order() {
        let mut out = Vec::new();
        let parts = [(Some(42i64.to_be_bytes().to_vec()), PgType::Int8), (None, PgType::Text)];
        write_cursor(&mut out, 7, parts.iter().map(|(v, pg)| (v.as_deref(), *pg))).unwrap();
        let text: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(decode_cursor(&text, 7, 2), Some(vec![Some("42".into()), None]));
        assert_eq!(decode_cursor(&text, 8, 2), None);
        assert_eq!(decode_cursor(&text, 7, 1), None);
        assert_eq!(decode_cursor("no cursor", 7, 2), None);
    }

    #[test]
    fn forged_parts_never_reach_a_cast() {
        assert!(bind_part(&Some("x".into()), PgType::Int8).is_err());
        assert!(bind_part(&Some("x".into()), PgType::Numeric).is_err());
        assert!(bind_part(&Some("infinity".into()), PgType::Date).is_ok());
        assert!(bind_part(&Some("2024-01-01".into()), PgType::Date).is_ok());
    }
}
