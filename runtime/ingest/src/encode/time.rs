//! Dates and times: turns a given value, or its text in ISO 8601, into the binary form of Postgres' date and time types.

use super::Reason;
use crate::Given;

/// Days from 1970-01-01 to 2000-01-01, where Postgres starts to count.
const EPOCH_DAYS: i64 = 10_957;
const DAY: i64 = 86_400_000_000;
/// Postgres' own bounds: 4713 BC and, for timestamps, the year 294276.
const LEAST_DAY: i64 = -2_451_545;
const LAST_DAY: i64 = 2_145_031_948;
const LAST_TIMESTAMP_DAY: i64 = 106_751_983;

/// A calendar day. Of a timestamp, its day.
pub fn write_date(value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let days = match value {
        Given::Date(days) => i64::from(*days) - EPOCH_DAYS,
        Given::Timestamp { micros, .. } => micros.div_euclid(DAY) - EPOCH_DAYS,
        Given::Text(text) => match infinite(text) {
            Some(sign) => {
                out.extend_from_slice(&if sign { i32::MAX } else { i32::MIN }.to_be_bytes());
                return Ok(());
            }
            None => {
                let (days, rest) = parse_date(text.trim()).ok_or(Reason::from("is no date: write 2026-01-31"))?;
                if !rest.is_empty() && parse_clock(rest.trim_start_matches(['T', 't', ' '])).is_none() {
                    return Err("is no date: write 2026-01-31".into());
                }
                days
            }
        },
        _ => return Err("is no date: write 2026-01-31".into()),
    };
    if !(LEAST_DAY..=LAST_DAY).contains(&days) {
        return Err("is out of range of a date".into());
    }
    out.extend_from_slice(&(days as i32).to_be_bytes());
    Ok(())
}

/// A time of day.
pub fn write_time(value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let micros = match value {
        Given::Time(micros) => Some(*micros),
        Given::Text(text) => parse_clock(text.trim()).filter(|clock| clock.offset.is_none()).map(|clock| clock.micros),
        _ => None,
    };
    let micros = micros.filter(|m| (0..=DAY).contains(m)).ok_or(Reason::from("is no time of day: write 23:59:59"))?;
    out.extend_from_slice(&micros.to_be_bytes());
    Ok(())
}

/// A day and a time: in UTC where the type has a zone (a text without an offset is taken to be in UTC), as written
/// where it has none.
pub fn write_timestamp(value: &Given<'_>, out: &mut Vec<u8>, zoned: bool) -> Result<(), Reason> {
    let no = || Reason::from("is no timestamp: write 2026-01-31T23:59:59Z");
    let micros = match value {
        Given::Timestamp { micros, .. } => micros.checked_sub(EPOCH_DAYS * DAY),
        Given::Date(days) => Some((i64::from(*days) - EPOCH_DAYS) * DAY),
        Given::Text(text) => match infinite(text) {
            Some(sign) => {
                out.extend_from_slice(&if sign { i64::MAX } else { i64::MIN }.to_be_bytes());
                return Ok(());
            }
            None => parse_timestamp(text.trim(), zoned).ok_or_else(no)?,
        },
        _ => return Err(no()),
    };
    let least = LEAST_DAY * DAY;
    let micros = micros.filter(|m| (least..LAST_TIMESTAMP_DAY * DAY).contains(m));
    out.extend_from_slice(&micros.ok_or(Reason::from("is out of range of a timestamp"))?.to_be_bytes());
    Ok(())
}

fn infinite(text: &str) -> Option<bool> {
    let word = text.trim();
    if word.eq_ignore_ascii_case("infinity") {
        Some(true)
    } else if word.eq_ignore_ascii_case("-infinity") {
        Some(false)
    } else {
        None
    }
}

/// Microseconds since 2000-01-01; the inner `None` where they are too many.
fn parse_timestamp(text: &str, zoned: bool) -> Option<Option<i64>> {
    let (text, bc) = match text.strip_suffix(" BC") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (days, rest) = parse_day(text, bc)?;
    let clock = match rest.strip_prefix(['T', 't', ' ']) {
        Some(clock) => parse_clock(clock)?,
        None if rest.is_empty() => Clock { micros: 0, offset: None },
        None => return None,
    };
    let offset = if zoned { clock.offset.unwrap_or(0) } else { 0 };
    Some(days.checked_mul(DAY).and_then(|m| m.checked_add(clock.micros - offset * 1_000_000)))
}

/// Days since 2000-01-01 of the day that `text` begins with, and what follows it.
fn parse_date(text: &str) -> Option<(i64, &str)> {
    match text.strip_suffix(" BC") {
        Some(rest) => parse_day(rest, true).filter(|(_, rest)| rest.is_empty()),
        None => parse_day(text, false),
    }
}

/// `2026-01-31`, `2026/01/31` or `20260131`; years may have more than four digits.
fn parse_day(text: &str, bc: bool) -> Option<(i64, &str)> {
    let bytes = text.as_bytes();
    let width = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let (year, month, day, length) = if width == 8 && !matches!(bytes.get(8), Some(b'-' | b'/')) {
        (number(&bytes[..4])?, number(&bytes[4..6])?, number(&bytes[6..8])?, 8)
    } else {
        if !(4..=7).contains(&width) {
            return None;
        }
        let separator = *bytes.get(width).filter(|b| matches!(b, b'-' | b'/'))?;
        let month = bytes.get(width + 1..width + 3)?;
        if bytes.get(width + 3) != Some(&separator) {
            return None;
        }
        let day = bytes.get(width + 4..width + 6)?;
        (number(&bytes[..width])?, number(month)?, number(day)?, width + 6)
    };
    let year = if bc { 1 - year } else { year };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=last).contains(&day) || (year == 0 && !bc) {
        return None;
    }
    // a date's first bytes are ASCII digits, so that `length` is at a character's border
    Some((days_from_civil(year, month, day) - EPOCH_DAYS, &text[length..]))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, which is taken to hold for all times.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

struct Clock {
    micros: i64,
    /// Seconds east of Greenwich.
    offset: Option<i64>,
}

/// `23:59`, `23:59:59.123456`, either with `Z`, `+02`, `+02:00` or `+0200`.
fn parse_clock(text: &str) -> Option<Clock> {
    let bytes = text.as_bytes();
    let hours = number(bytes.get(..2)?)?;
    if bytes.get(2) != Some(&b':') {
        return None;
    }
    let minutes = number(bytes.get(3..5)?)?;
    let mut at = 5;
    let mut seconds = 0;
    let mut fraction = 0;
    if bytes.get(5) == Some(&b':') {
        seconds = number(bytes.get(6..8)?)?;
        at = 8;
        if matches!(bytes.get(8), Some(b'.' | b',')) {
            let width = bytes[9..].iter().take_while(|b| b.is_ascii_digit()).count();
            if width == 0 {
                return None;
            }
            fraction = micros(&text[9..9 + width])?;
            at = 9 + width;
        }
    }
    let whole_day = hours == 24 && minutes == 0 && seconds == 0 && fraction == 0;
    if (hours > 23 && !whole_day) || minutes > 59 || seconds > 60 {
        return None;
    }
    let micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction;
    Some(Clock { micros, offset: parse_offset(std::str::from_utf8(&bytes[at..]).ok()?.trim_start())? })
}

/// The digits of a fraction of a second, in microseconds; more than six are rounded as Postgres rounds them.
fn micros(digits: &str) -> Option<i64> {
    if digits.len() <= 6 {
        return number(digits.as_bytes()).map(|n| n * 10i64.pow(6 - digits.len() as u32));
    }
    let fraction: f64 = format!("0.{digits}").parse().ok()?;
    Some((fraction * 1e6).round_ties_even() as i64)
}

fn parse_offset(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(Some(0));
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let parts: Vec<&str> = text[1..].split(':').collect();
    let digits = match parts.as_slice() {
        [one] if one.len() == 1 => format!("0{one}0000"),
        [one] if one.len() == 2 => format!("{one}0000"),
        [one] if one.len() == 4 => format!("{one}00"),
        [hours, minutes] if hours.len() == 2 && minutes.len() == 2 => format!("{hours}{minutes}00"),
        [h, m, s] if [h, m, s].iter().all(|p| p.len() == 2) => format!("{h}{m}{s}"),
        _ => return None,
    };
    let digits = digits.as_bytes();
    let (hours, minutes, seconds) = (number(&digits[..2])?, number(&digits[2..4])?, number(&digits[4..6])?);
    if hours > 15 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(Some(sign * (hours * 3600 + minutes * 60 + seconds)))
}
