//! Texts, booleans and UUIDs: turns a given value into the binary form of `text`, `varchar`, `char`, `boolean`, `uuid`.

use super::Reason;
use crate::Given;
use terrane_manifest::{PgType, PhysicalType};
use uuid::Uuid;

/// Text of at most as many characters as the type has.
pub fn write(kind: &PhysicalType, value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let start = out.len();
    match value {
        Given::Text(text) => out.extend_from_slice(text.as_bytes()),
        Given::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => out.extend_from_slice(text.as_bytes()),
            Err(_) => return Err("is no text in UTF-8".into()),
        },
        Given::Date(_) | Given::Time(_) | Given::Timestamp { .. } => out.extend_from_slice(value.iso().as_bytes()),
        Given::List(_) => return Err("takes one value, not a list".into()),
        Given::Json(json) if json.is_array() => return Err("takes one value, not a list".into()),
        Given::Json(json) if json.is_object() => return Err("takes one value, not an object".into()),
        other => out.extend_from_slice(other.shown().unwrap_or_default().as_bytes()),
    }
    let text = &out[start..];
    if memchr::memchr(0, text).is_some() {
        return Err("has a character that Postgres' text cannot hold (NUL)".into());
    }
    let most = match (kind.base, kind.modifiers.first()) {
        (PgType::Char, None) => 1,
        (_, Some(&most)) => most as usize,
        _ => return Ok(()),
    };
    // spaces at the end are cut off by Postgres
    if text.len() > most {
        let characters = std::str::from_utf8(text).map_or(text.len(), |t| t.trim_end_matches(' ').chars().count());
        if characters > most {
            return Err(format!("is longer than {most} characters").into());
        }
    }
    Ok(())
}

/// The words that Postgres takes.
pub fn write_bool(value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let flag = match value {
        Given::Bool(flag) => Some(*flag),
        Given::Int(0) => Some(false),
        Given::Int(1) => Some(true),
        Given::Text(text) => {
            let word = text.trim();
            let is = |words: &[&str]| words.iter().any(|w| word.eq_ignore_ascii_case(w));
            if is(&["true", "t", "yes", "y", "on", "1"]) {
                Some(true)
            } else if is(&["false", "f", "no", "n", "off", "0"]) {
                Some(false)
            } else {
                None
            }
        }
        _ => None,
    };
    out.push(u8::from(flag.ok_or(Reason::from("is neither true nor false"))?));
    Ok(())
}

/// A UUID, with or without hyphens.
pub fn write_uuid(value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let id = match value {
        Given::Text(text) => Uuid::try_parse(text.trim()).ok(),
        Given::Bytes(bytes) => Uuid::from_slice(bytes).ok(),
        _ => None,
    };
    out.extend_from_slice(id.ok_or(Reason::from("is no UUID"))?.as_bytes());
    Ok(())
}
