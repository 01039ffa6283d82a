//! Values: turns Postgres' binary form of scalars into JSON, straight into the response buffer.

use super::WriteError;
use super::record::{Elements, Reader};
use std::fmt::Write as _;
use terrane_graphql::json::{write_bool, write_bytes, write_f64, write_i64, write_str};
use terrane_manifest::PgType;

const TEXT: &str = "a String takes any text";

/// Append a value of type `pg` as JSON.
pub(crate) fn write_value(out: &mut Vec<u8>, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    let mut reader = Reader::new(bytes);
    match pg {
        PgType::Text | PgType::Varchar => write_bytes(out, bytes).map_err(|_| WriteError::NotText)?,
        // the blanks that pad a char(n) mean nothing
        PgType::Char => write_str(out, text(bytes)?.trim_end_matches(' ')),
        PgType::Int2 => write_i64(out, i64::from(reader.i16()?)),
        PgType::Int4 => write_i64(out, i64::from(reader.i32()?)),
        PgType::Int8 => {
            out.push(b'"');
            write_i64(out, i64::from_be_bytes(reader.array()?));
            out.push(b'"');
        }
        PgType::Float4 => write_f32(out, f32::from_be_bytes(reader.array()?)),
        PgType::Float8 => write_f64(out, f64::from_be_bytes(reader.array()?)),
        PgType::Bool => write_bool(out, reader.array::<1>()?[0] != 0),
        PgType::Json => out.extend_from_slice(text(bytes)?.as_bytes()),
        PgType::Jsonb => {
            reader.take(1)?;
            out.extend_from_slice(text(&bytes[1..])?.as_bytes());
        }
        PgType::Numeric | PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz | PgType::Uuid => {
            let mut plain = String::new();
            write_plain(&mut plain, bytes, pg)?;
            out.push(b'"');
            out.extend_from_slice(plain.as_bytes());
            out.push(b'"');
        }
    }
    Ok(())
}

/// Append an array as a JSON list. Null items are left out: the schema says that there are none.
pub(crate) fn write_array(out: &mut Vec<u8>, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    out.push(b'[');
    let mut first = true;
    for item in Elements::new(bytes)? {
        let Some(item) = item? else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        write_value(out, item, pg)?;
    }
    out.push(b']');
    Ok(())
}

/// Append a value in the text form that a cast from `text` reads, for cursors.
pub(crate) fn write_text_form(out: &mut String, bytes: &[u8], pg: PgType) -> Result<(), String> {
    let result = (|| -> Result<(), WriteError> {
        let mut reader = Reader::new(bytes);
        match pg {
            PgType::Text | PgType::Varchar | PgType::Char | PgType::Json => out.push_str(text(bytes)?),
            PgType::Jsonb => out.push_str(text(bytes.get(1..).unwrap_or_default())?),
            PgType::Int2 => write!(out, "{}", reader.i16()?).expect(TEXT),
            PgType::Int4 => write!(out, "{}", reader.i32()?).expect(TEXT),
            PgType::Int8 => write!(out, "{}", i64::from_be_bytes(reader.array()?)).expect(TEXT),
            PgType::Float4 => write!(out, "{}", f64::from(f32::from_be_bytes(reader.array()?))).expect(TEXT),
            PgType::Float8 => write!(out, "{}", f64::from_be_bytes(reader.array()?)).expect(TEXT),
            PgType::Bool => out.push(if reader.array::<1>()?[0] != 0 { 't' } else { 'f' }),
            other => write_plain(out, bytes, other)?,
        }
        Ok(())
    })();
    result.map_err(|e| e.to_string())
}

/// Append the text of a numeric, date, time, timestamp or UUID.
pub(crate) fn write_plain_text(out: &mut Vec<u8>, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    let mut plain = String::new();
    write_plain(&mut plain, bytes, pg)?;
    out.extend_from_slice(plain.as_bytes());
    Ok(())
}

/// Append the point in time `micros` after 1970-01-01, in UTC.
pub(crate) fn write_unix_micros(out: &mut Vec<u8>, micros: i64) {
    let mut plain = String::new();
    let micros = micros.saturating_sub(EPOCH);
    let before_christ = write_date(&mut plain, micros.div_euclid(DAY));
    plain.push('T');
    write_time(&mut plain, micros.rem_euclid(DAY));
    plain.push('Z');
    plain.push_str(before_christ);
    write_str(out, &plain);
}

fn text(bytes: &[u8]) -> Result<&str, WriteError> {
    std::str::from_utf8(bytes).map_err(|_| WriteError::NotText)
}

fn write_f32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Types whose text is the same in JSON strings and in Postgres.
fn write_plain(out: &mut String, bytes: &[u8], pg: PgType) -> Result<(), WriteError> {
    let mut reader = Reader::new(bytes);
    match pg {
        PgType::Numeric => write_numeric(out, reader)?,
        PgType::Date => match reader.i32()? {
            i32::MAX => out.push_str("infinity"),
            i32::MIN => out.push_str("-infinity"),
            days => {
                let before_christ = write_date(out, i64::from(days));
                out.push_str(before_christ);
            }
        },
        PgType::Time => write_time(out, i64::from_be_bytes(reader.array()?)),
        PgType::Timestamp | PgType::Timestamptz => match i64::from_be_bytes(reader.array()?) {
            i64::MAX => out.push_str("infinity"),
            i64::MIN => out.push_str("-infinity"),
            micros => {
                let before_christ = write_date(out, micros.div_euclid(DAY));
                out.push('T');
                write_time(out, micros.rem_euclid(DAY));
                out.push('Z');
                out.push_str(before_christ);
            }
        },
        _ => {
            for (i, byte) in reader.take(16)?.iter().enumerate() {
                if [4, 6, 8, 10].contains(&i) {
                    out.push('-');
                }
                write!(out, "{byte:02x}").expect(TEXT);
            }
        }
    }
    Ok(())
}

const DAY: i64 = 86_400_000_000;
/// From 1970-01-01 to 2000-01-01, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// Append the calendar day `days` after 2000-01-01 (proleptic Gregorian); gives what follows it for years before 1.
fn write_date(out: &mut String, days: i64) -> &'static str {
    // days since 0000-03-01, counted in eras of 400 years
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (shown, suffix) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    write!(out, "{shown:04}-{month:02}-{day:02}").expect(TEXT);
    suffix
}

fn write_time(out: &mut String, micros: i64) {
    let seconds = micros / 1_000_000;
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60).expect(TEXT);
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        write!(out, ".{fraction:06}").expect(TEXT);
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// `numeric` is groups of four decimal digits, the first with weight 10000^weight, and a display scale.
fn write_numeric(out: &mut String, mut reader: Reader<'_>) -> Result<(), WriteError> {
    let count = usize::try_from(reader.i16()?).map_err(|_| WriteError::Truncated)?;
    let weight = i32::from(reader.i16()?);
    let sign = u16::from_be_bytes(reader.array()?);
    let scale = u16::from_be_bytes(reader.array()?);
    match sign {
        0xC000 => out.push_str("NaN"),
        0xD000 => out.push_str("Infinity"),
        0xF000 => out.push_str("-Infinity"),
        _ => {
            let digits = (0..count).map(|_| reader.i16()).collect::<Result<Vec<i16>, _>>()?;
            let group = |index: i32| usize::try_from(index).ok().and_then(|i| digits.get(i)).copied().unwrap_or(0);
            if sign == 0x4000 {
                out.push('-');
            }
            write!(out, "{}", if weight < 0 { 0 } else { group(0) }).expect(TEXT);
            for index in 1..=weight {
                write!(out, "{:04}", group(index)).expect(TEXT);
            }
            if scale > 0 {
                out.push('.');
                let start = out.len();
                for index in 0..i32::from(scale.div_ceil(4)) {
                    write!(out, "{:04}", group(weight + 1 + index)).expect(TEXT);
                }
                out.truncate(start + usize::from(scale));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: &[u8], pg: PgType) -> String {
        let mut out = Vec::new();
        write_value(&mut out, bytes, pg).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn numeric(digits: &[i16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let mut bytes = (digits.len() as i16).to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        digits.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes
    }

    #[test]
    fn writes_numerics() {
        assert_eq!(json(&numeric(&[1, 2345, 6700], 1, 0, 2), PgType::Numeric), "\"12345.67\"");
        assert_eq!(json(&numeric(&[12], -2, 0x4000, 8), PgType::Numeric), "\"-0.00000012\"");
        assert_eq!(json(&numeric(&[], 0, 0, 2), PgType::Numeric), "\"0.00\"");
        assert_eq!(json(&numeric(&[5], 2, 0, 0), PgType::Numeric), "\"500000000\"");
        assert_eq!(json(&numeric(&[], 0, 0xC000, 0), PgType::Numeric), "\"NaN\"");
    }

    #[test]
    fn dates_agree_with_chrono() {
        let epoch = chrono::NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
        for days in (-730_000i32..1_000_000).step_by(997) {
            let expected = epoch + chrono::Duration::days(i64::from(days));
            assert_eq!(json(&days.to_be_bytes(), PgType::Date), format!("\"{expected}\""));
        }
        assert_eq!(json(&(-730_119i32).to_be_bytes(), PgType::Date), "\"0001-01-01\"");
        assert_eq!(json(&(-730_120i32).to_be_bytes(), PgType::Date), "\"0001-12-31 BC\"");
        assert_eq!(json(&i32::MAX.to_be_bytes(), PgType::Date), "\"infinity\"");
    }

    #[test]
    fn writes_times_without_trailing_zeros() {
        assert_eq!(json(&(-1i64).to_be_bytes(), PgType::Timestamptz), "\"1999-12-31T23:59:59.999999Z\"");
        assert_eq!(json(&1_500_000i64.to_be_bytes(), PgType::Time), "\"00:00:01.5\"");
        assert_eq!(json(&0i64.to_be_bytes(), PgType::Timestamp), "\"2000-01-01T00:00:00Z\"");
    }

    #[test]
    fn truncated_values_are_errors() {
        for pg in [PgType::Int4, PgType::Int8, PgType::Numeric, PgType::Uuid, PgType::Jsonb, PgType::Date] {
            assert!(write_value(&mut Vec::new(), &[], pg).is_err(), "{pg:?}");
        }
        assert!(write_array(&mut Vec::new(), &[0, 0, 0, 1, 0, 0], PgType::Text).is_err());
    }
}
