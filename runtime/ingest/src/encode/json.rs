//! JSON: turns a given value into the text of a `json` or `jsonb` column.

use super::Reason;
use crate::Given;
use serde::de::IgnoredAny;

/// Text must be JSON; other values become it.
pub fn write(value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    match value {
        Given::Text(text) => {
            serde_json::from_str::<IgnoredAny>(text).map_err(|_| Reason::from("is no JSON"))?;
            out.extend_from_slice(text.as_bytes());
        }
        Given::Bytes(_) => return Err("is bytes, which JSON does not have".into()),
        other => serde_json::to_writer(&mut *out, &other.to_json()).map_err(|_| Reason::from("is no JSON"))?,
    }
    Ok(())
}

/// `jsonb` holds its texts as Postgres' text, which has no NUL.
pub fn check_jsonb(text: &[u8]) -> Result<(), Reason> {
    for at in memchr::memmem::find_iter(text, b"\\u0000") {
        let backslashes = text[..at].iter().rev().take_while(|&&b| b == b'\\').count();
        if backslashes % 2 == 0 {
            return Err("has a character that jsonb cannot hold (NUL)".into());
        }
    }
    Ok(())
}
