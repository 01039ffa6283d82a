//! Cells: turns Postgres' binary form of a value into what files hold: plain text, JSON, or numbers of fixed width.
//!
//! Unlike in a response, whole numbers and decimals are JSON numbers, and null items of arrays are kept.

use super::WriteError;
use super::record::{Elements, Reader};
use super::values::{write_plain_text, write_value};
use terrane_graphql::json::write_i64;
use terrane_manifest::PgType;

/// Append a value (no array) as plain text, such as a CSV field holds before it is quoted.
///
/// # Errors
/// [`WriteError`] where `bytes` is no value of `pg`.
pub fn cell_text(out: &mut Vec<u8>, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    let mut reader = Reader::new(bytes);
    match pg {
        PgType::Text | PgType::Varchar | PgType::Json => out.extend_from_slice(bytes),
        PgType::Char => out.extend_from_slice(bytes.trim_ascii_end()),
        PgType::Jsonb => out.extend_from_slice(bytes.get(1..).ok_or(WriteError::Truncated)?),
        PgType::Int8 => write_i64(out, i64::from_be_bytes(reader.array()?)),
        PgType::Float4 => match f32::from_be_bytes(reader.array()?) {
            finite if finite.is_finite() => write_value(out, bytes, pg)?,
            other => out.extend_from_slice(other.to_string().as_bytes()),
        },
        PgType::Float8 => match f64::from_be_bytes(reader.array()?) {
            finite if finite.is_finite() => write_value(out, bytes, pg)?,
            other => out.extend_from_slice(other.to_string().as_bytes()),
        },
        PgType::Int2 | PgType::Int4 | PgType::Bool => write_value(out, bytes, pg)?,
        PgType::Numeric | PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz | PgType::Uuid => {
            write_plain_text(out, bytes, pg)?;
        }
    }
    Ok(())
}

/// Append a value, or an array of them, as JSON.
///
/// # Errors
/// [`WriteError`] where `bytes` is no value of `pg`.
pub fn cell_json(out: &mut Vec<u8>, bytes: &[u8], pg: PgType, array: bool) -> Result<(), WriteError> {
    if !array {
        return one_json(out, bytes, pg);
    }
    out.push(b'[');
    for (i, item) in Elements::new(bytes)?.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match item? {
            Some(item) => one_json(out, item, pg)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Ok(())
}

fn one_json(out: &mut Vec<u8>, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    match pg {
        PgType::Int8 => cell_text(out, bytes, pg),
        PgType::Numeric => {
            let start = out.len();
            cell_text(out, bytes, pg)?;
            // NaN and infinities are no numbers of JSON
            if out[start..].iter().any(u8::is_ascii_alphabetic) {
                out.insert(start, b'"');
                out.push(b'"');
            }
            Ok(())
        }
        other => write_value(out, bytes, other),
    }
}

/// The items of an array in binary form; null is `None`.
///
/// # Errors
/// [`WriteError`] where `bytes` is no array.
pub fn cell_items(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Option<&[u8]>, WriteError>>, WriteError> {
    Elements::new(bytes)
}

/// A numeric as a whole number of units of 10^-`scale`; `None` for NaN, infinities and what has no room.
///
/// # Errors
/// [`WriteError`] where `bytes` is no numeric.
pub fn cell_decimal(bytes: &[u8], scale: u32) -> Result<Option<i128>, WriteError> {
    let mut reader = Reader::new(bytes);
    let count = reader.i16()?;
    let weight = i32::from(reader.i16()?);
    let sign = u16::from_be_bytes(reader.array()?);
    reader.i16()?;
    if sign != 0 && sign != 0x4000 {
        return Ok(None);
    }
    let mut total: Option<i128> = Some(0);
    for index in 0..i32::from(count) {
        let group = i128::from(reader.i16()?);
        // this group counts units of 10^exponent
        let exponent = (weight - index) * 4 + i32::try_from(scale).unwrap_or(i32::MAX);
        let part = match u32::try_from(exponent) {
            Ok(up) => 10i128.checked_pow(up).and_then(|factor| group.checked_mul(factor)),
            Err(_) => 10i128.checked_pow(exponent.unsigned_abs()).map(|factor| group / factor),
        };
        total = total.zip(part).and_then(|(total, part)| total.checked_add(part));
    }
    Ok(total.map(|total| if sign == 0x4000 { -total } else { total }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(digits: &[i16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let mut bytes = (digits.len() as i16).to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        digits.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes
    }

    #[test]
    fn decimals_are_units_of_their_scale() {
        assert_eq!(cell_decimal(&numeric(&[1, 2345, 6700], 1, 0, 2), 2), Ok(Some(1_234_567)));
        assert_eq!(cell_decimal(&numeric(&[12], -2, 0x4000, 8), 8), Ok(Some(-12)));
        assert_eq!(cell_decimal(&numeric(&[5], 2, 0, 0), 3), Ok(Some(500_000_000_000)));
        assert_eq!(cell_decimal(&numeric(&[], 0, 0, 2), 2), Ok(Some(0)));
        assert_eq!(cell_decimal(&numeric(&[], 0, 0xC000, 0), 2), Ok(None));
        assert_eq!(cell_decimal(&numeric(&[1], 9, 0, 0), 6), Ok(None), "10^36 in millionths has no room");
        assert!(cell_decimal(&[0, 1], 2).is_err());
    }

    #[test]
    fn numbers_are_numbers_and_null_items_stay() {
        let mut out = Vec::new();
        cell_json(&mut out, &7i64.to_be_bytes(), PgType::Int8, false).unwrap();
        cell_json(&mut out, &numeric(&[1, 5000], 0, 0, 1), PgType::Numeric, false).unwrap();
        cell_json(&mut out, &numeric(&[], 0, 0xC000, 0), PgType::Numeric, false).unwrap();
        let array = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 0, 1, b'x'];
        cell_json(&mut out, &array, PgType::Text, true).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "71.5\"NaN\"[null,\"x\"]");
    }
}
