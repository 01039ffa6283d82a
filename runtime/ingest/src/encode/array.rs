//! Arrays: turns a list, a JSON list, or a literal `{a,b}` into the binary form of an array with one dimension.

use super::{Reason, write as write_one};
use crate::Given;
use serde_json::Value;
use std::borrow::Cow;
use terrane_manifest::{PgType, PhysicalType};

/// The elements, each of the base type.
pub fn write(kind: &PhysicalType, value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    match value {
        Given::List(items) => write_items(kind, items, out),
        Given::Json(json) => match json.as_ref() {
            Value::Array(items) => write_items(kind, &items.iter().map(Given::json).collect::<Vec<_>>(), out),
            _ => Err("takes a list".into()),
        },
        Given::Text(text) => match text.trim_start().as_bytes().first() {
            Some(b'{') => write_items(kind, &parse_literal(text.trim())?, out),
            Some(b'[') => {
                let items: Vec<Value> = serde_json::from_str(text).map_err(|_| Reason::from("is no list"))?;
                write_items(kind, &items.iter().map(Given::json).collect::<Vec<_>>(), out)
            }
            _ => Err("takes a list: `[…]` or `{…}`".into()),
        },
        _ => Err("takes a list".into()),
    }
}

fn write_items(kind: &PhysicalType, items: &[Given<'_>], out: &mut Vec<u8>) -> Result<(), Reason> {
    let element = PhysicalType { array: false, ..kind.clone() };
    let nulls = items.iter().any(|item| matches!(item, Given::Null));
    let length = i32::try_from(items.len()).map_err(|_| Reason::from("is too long"))?;
    out.extend_from_slice(&i32::from(length > 0).to_be_bytes());
    out.extend_from_slice(&i32::from(nulls).to_be_bytes());
    out.extend_from_slice(&oid(kind.base).to_be_bytes());
    if length == 0 {
        return Ok(());
    }
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    for (i, item) in items.iter().enumerate() {
        if matches!(item, Given::Null) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        write_one(&element, item, out).map_err(|reason| Reason::from(format!("item {}: {reason}", i + 1)))?;
        let length = i32::try_from(out.len() - start - 4).map_err(|_| Reason::from("is too large"))?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// `{a,"b, c",NULL}`, of one dimension.
fn parse_literal(text: &str) -> Result<Vec<Given<'static>>, Reason> {
    let bad = || Reason::from("is no list that Postgres knows");
    let inside = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(bad)?;
    let mut items = Vec::new();
    let mut rest = inside.chars().peekable();
    if inside.trim().is_empty() {
        return Ok(items);
    }
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut item = String::new();
        let quoted = rest.next_if_eq(&'"').is_some();
        let mut escaped = false;
        loop {
            match rest.peek().copied() {
                Some('\\') => {
                    rest.next();
                    item.push(rest.next().ok_or_else(bad)?);
                    escaped = true;
                }
                Some('"') if quoted => {
                    rest.next();
                    break;
                }
                Some(',') if !quoted => break,
                Some('{' | '}' | '"') if !quoted => return Err(bad()),
                Some(c) => {
                    rest.next();
                    item.push(c);
                }
                None if quoted => return Err(bad()),
                None => break,
            }
        }
        if !quoted {
            item.truncate(item.trim_end().len());
            if item.is_empty() {
                return Err(bad());
            }
        }
        let null = !quoted && !escaped && item.eq_ignore_ascii_case("null");
        items.push(if null { Given::Null } else { Given::Text(Cow::Owned(item)) });
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        match rest.next() {
            None => return Ok(items),
            Some(',') => {}
            Some(_) => return Err(bad()),
        }
    }
}

/// The identifiers of Postgres' own types, which never change.
fn oid(kind: PgType) -> u32 {
    match kind {
        PgType::Text => 25,
        PgType::Varchar => 1043,
        PgType::Char => 1042,
        PgType::Int2 => 21,
        PgType::Int4 => 23,
        PgType::Int8 => 20,
        PgType::Float4 => 700,
        PgType::Float8 => 701,
        PgType::Numeric => 1700,
        PgType::Bool => 16,
        PgType::Date => 1082,
        PgType::Time => 1083,
        PgType::Timestamp => 1114,
        PgType::Timestamptz => 1184,
        PgType::Uuid => 2950,
        PgType::Json => 114,
        PgType::Jsonb => 3802,
    }
}
