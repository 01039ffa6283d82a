//! Binds: turns GraphQL input values into the parameter values of a statement.

use crate::scalar::{Scalar, Wire};
use serde_json::Value;

/// A parameter of a statement, in a form every Postgres driver can bind. Casts in the statement's text make of it what
/// the column needs; the parameter's type is the first cast: `text`, `bigint`, `float8`, `boolean`, or an array of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    /// `text`
    Text(Option<String>),
    /// `bigint`
    Int8(Option<i64>),
    /// `float8`
    Float8(Option<f64>),
    /// `boolean`
    Bool(Option<bool>),
    /// `text[]`
    TextArray(Vec<Option<String>>),
    /// `bigint[]`
    Int8Array(Vec<Option<i64>>),
    /// `float8[]`
    Float8Array(Vec<Option<f64>>),
    /// `boolean[]`
    BoolArray(Vec<Option<bool>>),
}

impl Bind {
    /// An empty array that travels as `wire`.
    pub(crate) fn empty_array(wire: Wire) -> Self {
        match wire {
            Wire::Text => Self::TextArray(Vec::new()),
            Wire::Int8 => Self::Int8Array(Vec::new()),
            Wire::Float8 => Self::Float8Array(Vec::new()),
            Wire::Bool => Self::BoolArray(Vec::new()),
        }
    }

    /// Append a scalar bind to an array bind of the same kind.
    pub(crate) fn push(&mut self, item: Self) {
        match (self, item) {
            (Self::TextArray(items), Self::Text(item)) => items.push(item),
            (Self::Int8Array(items), Self::Int8(item)) => items.push(item),
            (Self::Float8Array(items), Self::Float8(item)) => items.push(item),
            (Self::BoolArray(items), Self::Bool(item)) => items.push(item),
            _ => unreachable!("arrays are filled with the kind they were made for"),
        }
    }
}

/// Read one value of `scalar` as it travels as `wire`.
pub(crate) fn bind_scalar(scalar: Scalar, wire: Wire, value: &Value) -> Result<Bind, String> {
    if value.is_null() {
        return Ok(match wire {
            Wire::Text => Bind::Text(None),
            Wire::Int8 => Bind::Int8(None),
            Wire::Float8 => Bind::Float8(None),
            Wire::Bool => Bind::Bool(None),
        });
    }
    check_scalar(scalar, value)?;
    Ok(match wire {
        Wire::Bool => Bind::Bool(value.as_bool()),
        Wire::Float8 => Bind::Float8(value.as_f64()),
        Wire::Int8 => Bind::Int8(integer(value)),
        Wire::Text if scalar == Scalar::Json => Bind::Text(Some(value.to_string())),
        Wire::Text => Bind::Text(Some(match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })),
    })
}

/// Read a list of values.
pub(crate) fn bind_list(scalar: Scalar, wire: Wire, value: &Value) -> Result<Bind, String> {
    let single = std::slice::from_ref(value);
    let items = value.as_array().map_or(single, Vec::as_slice);
    let mut bind = Bind::empty_array(wire);
    for item in items {
        bind.push(bind_scalar(scalar, wire, item)?);
    }
    Ok(bind)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|t| t.parse().ok()))
}

/// Check that `value` (not null) is a `scalar`, so that no cast in a statement can fail.
pub(crate) fn check_scalar(scalar: Scalar, value: &Value) -> Result<(), String> {
    let text = value.as_str();
    let right = match scalar {
        Scalar::Id => text.is_some() || value.is_i64() || value.is_u64(),
        Scalar::String => text.is_some(),
        Scalar::Int => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        Scalar::BigInt => integer(value).is_some(),
        Scalar::Float => value.as_f64().is_some_and(f64::is_finite),
        Scalar::Decimal => value.is_number() || text.is_some_and(is_decimal),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Date | Scalar::DateTime if text.is_some_and(|t| t.starts_with("0000")) => false,
        Scalar::Date => text.is_some_and(|t| t.len() == 10 && chrono::NaiveDate::parse_from_str(t, "%Y-%m-%d").is_ok()),
        Scalar::DateTime => text.is_some_and(|t| chrono::DateTime::parse_from_rfc3339(t).is_ok()),
        Scalar::Time => text.is_some_and(|t| chrono::NaiveTime::parse_from_str(t, "%H:%M:%S%.f").is_ok()),
        Scalar::Uuid => text.is_some_and(is_uuid),
        Scalar::Json => true,
    };
    if !right {
        return Err(format!("{} is no `{}`", shorten(value), scalar.name()));
    }
    // Postgres' text holds no NUL, and says so only when the statement runs
    if text.is_some_and(|t| t.contains('\0')) || (scalar == Scalar::Json && value.to_string().contains("\\u0000")) {
        return Err(format!("a `{}` cannot hold the character U+0000", scalar.name()));
    }
    Ok(())
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(60).collect::<String>()) }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.len() <= 1000 && part.bytes().all(|b| b.is_ascii_digit());
    plain(whole) && plain(fraction)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if [8, 13, 18, 23].contains(&i) { b == b'-' } else { b.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refuses_values_that_a_cast_would_refuse() {
        for (scalar, good, wrong) in [
            (Scalar::BigInt, json!("9223372036854775807"), json!("9223372036854775808")),
            (Scalar::Int, json!(2_147_483_647), json!(2_147_483_648_i64)),
            (Scalar::Decimal, json!("-1.50"), json!("1e5")),
            (Scalar::Date, json!("2024-02-29"), json!("2023-02-29")),
            (Scalar::DateTime, json!("2024-01-01T00:00:00Z"), json!("2024-01-01")),
            (Scalar::Time, json!("23:59:59.5"), json!("25:00:00")),
            (Scalar::Uuid, json!("00000000-0000-0000-0000-000000000000"), json!("0")),
            (Scalar::String, json!("x"), json!("a\0b")),
        ] {
            assert_eq!(check_scalar(scalar, &good), Ok(()), "{scalar:?}");
            assert!(check_scalar(scalar, &wrong).is_err(), "{scalar:?}");
        }
    }
}
