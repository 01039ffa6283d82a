//! Encoding: turns a given value into the binary form that Postgres' COPY takes for a column of its type.
//!
//! What does not fit its column is found here, one value at a time, with its reason: in a COPY, the first bad value ends
//! the statement, and with it the batch.

mod array;
mod json;
mod number;
mod text;
mod time;

use crate::Given;
use std::borrow::Cow;
use terrane_manifest::{Field, PgType, PhysicalType};

/// Why a value does not fit its column, in words that follow its name: "is no whole number". It never holds the value.
pub type Reason = Cow<'static, str>;

/// Append `value` as a COPY field (length and bytes) of `field`'s column.
///
/// # Errors
/// The reason; `out` is then as it was.
pub fn encode(field: &Field, value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    if matches!(value, Given::Null) {
        if field.required {
            return Err("is required, and has no value".into());
        }
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    match write(&field.physical, value, out) {
        Ok(()) => {
            let length = i32::try_from(out.len() - start - 4).map_err(|_| Reason::from("is too large"))?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(reason) => {
            out.truncate(start);
            Err(reason)
        }
    }
}

/// Append the bytes of a value that is not null, without their length.
fn write(kind: &PhysicalType, value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    if kind.array {
        return array::write(kind, value, out);
    }
    match kind.base {
        PgType::Text | PgType::Varchar | PgType::Char => text::write(kind, value, out),
        PgType::Int2 => number::write_int::<i16>(value, out, "-32768", "32767"),
        PgType::Int4 => number::write_int::<i32>(value, out, "-2147483648", "2147483647"),
        PgType::Int8 => number::write_int::<i64>(value, out, "-9223372036854775808", "9223372036854775807"),
        PgType::Float4 => number::write_float(value, out, true),
        PgType::Float8 => number::write_float(value, out, false),
        PgType::Numeric => number::write_numeric(kind, value, out),
        PgType::Bool => text::write_bool(value, out),
        PgType::Date => time::write_date(value, out),
        PgType::Time => time::write_time(value, out),
        PgType::Timestamp => time::write_timestamp(value, out, false),
        PgType::Timestamptz => time::write_timestamp(value, out, true),
        PgType::Uuid => text::write_uuid(value, out),
        PgType::Json => json::write(value, out),
        PgType::Jsonb => {
            out.push(1);
            json::write(value, out)?;
            json::check_jsonb(out)
        }
    }
}
