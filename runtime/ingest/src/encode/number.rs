//! Numbers: turns a given value into the binary form of Postgres' integers, floats and `numeric`.

use super::Reason;
use crate::Given;
use std::borrow::Cow;
use terrane_manifest::PhysicalType;

/// Digits of a number at most; Postgres' own limit is higher.
const MOST_DIGITS: usize = 4_000;

/// An integer of Postgres, in network order.
pub trait Whole: TryFrom<i64> {
    /// Append it.
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! whole {
    ($($kind:ty),*) => {$(
        impl Whole for $kind {
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

whole!(i16, i32, i64);

/// A whole number between `least` and `most`.
pub fn write_int<W: Whole>(value: &Given<'_>, out: &mut Vec<u8>, least: &str, most: &str) -> Result<(), Reason> {
    let whole = match value {
        Given::Int(whole) => *whole,
        Given::Text(text) => match parse_whole(text.trim().as_bytes()) {
            Some(whole) => whole,
            None if is_whole(text.trim()) => return Err(out_of_range(least, most)),
            None => return Err("is no whole number".into()),
        },
        Given::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => *number as i64,
        _ => return Err("is no whole number".into()),
    };
    W::try_from(whole).map_err(|_| out_of_range(least, most))?.put(out);
    Ok(())
}

fn out_of_range(least: &str, most: &str) -> Reason {
    format!("is out of range: its column takes {least} to {most}").into()
}

fn parse_whole(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut whole: i64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // downwards, since the least number has no opposite
        whole = whole.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(whole) } else { whole.checked_neg() }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A float, of four bytes where `short`.
pub fn write_float(value: &Given<'_>, out: &mut Vec<u8>, short: bool) -> Result<(), Reason> {
    let no = || Reason::from("is no number");
    let number = match value {
        Given::Float(number) => *number,
        Given::Int(whole) => *whole as f64,
        Given::Text(text) => {
            let number: f64 = text.trim().parse().map_err(|_| no())?;
            if number.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) {
                return Err("is out of range of a float".into());
            }
            number
        }
        _ => return Err(no()),
    };
    if !short {
        out.extend_from_slice(&number.to_be_bytes());
        return Ok(());
    }
    let four = number as f32;
    if four.is_infinite() && !number.is_infinite() {
        return Err("is out of range of a float of four bytes".into());
    }
    out.extend_from_slice(&four.to_be_bytes());
    Ok(())
}

/// A decimal: any number of digits, an exponent, or `NaN`.
pub fn write_numeric(kind: &PhysicalType, value: &Given<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let text: Cow<'_, str> = match value {
        Given::Text(text) => Cow::Borrowed(text.trim()),
        Given::Int(whole) => Cow::Owned(whole.to_string()),
        Given::Float(number) => Cow::Owned(number.to_string()),
        _ => return Err("is no number".into()),
    };
    if text.eq_ignore_ascii_case("nan") {
        put_numeric(out, 0, 0, 0xC000, 0);
        return Ok(());
    }
    let decimal = Decimal::parse(&text)?;
    decimal.check(&kind.modifiers)?;
    decimal.put(out);
    Ok(())
}

/// The digits of a number, where they were written: what is before the point and what is after it, without a sign.
struct Decimal<'t> {
    negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    /// Zeros in front, which do not count, and digits without them.
    zeros: usize,
    count: usize,
    /// Digits before the point; below zero: zeros after it.
    before: i64,
}

impl<'t> Decimal<'t> {
    fn parse(text: &'t str) -> Result<Self, Reason> {
        let no = || Reason::from("is no number");
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let split = rest.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, exponent) = match split {
            Some(at) => (&rest[..at], parse_whole(&rest[at + 1..]).ok_or_else(no)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
            Some(point) => (&mantissa[..point], &mantissa[point + 1..]),
            None => (mantissa, &[][..]),
        };
        let length = whole.len() + fraction.len();
        if length == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return Err(no());
        }
        if length > MOST_DIGITS || exponent.unsigned_abs() > MOST_DIGITS as u64 {
            return Err(format!("has more than {MOST_DIGITS} digits").into());
        }
        let zeros = whole.iter().chain(fraction).take_while(|b| **b == b'0').count();
        let before = whole.len() as i64 + exponent - zeros as i64;
        Ok(Self { negative, whole, fraction, zeros, count: length - zeros, before })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).skip(self.zeros).map(|byte| byte - b'0')
    }

    /// Whether what is left after rounding to the type's scale has no more digits than its precision allows.
    fn check(&self, modifiers: &[u32]) -> Result<(), Reason> {
        let Some(&precision) = modifiers.first() else { return Ok(()) };
        let scale = i64::from(modifiers.get(1).copied().unwrap_or(0));
        let room = i64::from(precision) - scale;
        // only as many digits as there is room for can become one more by rounding
        let carries = || {
            let kept = usize::try_from(self.before + scale).unwrap_or(0);
            let rounds_up = self.digits().nth(kept).is_some_and(|digit| digit >= 5);
            self.before >= 0 && rounds_up && self.digits().take(kept).all(|digit| digit == 9)
        };
        if self.count > 0 && (self.before > room || (self.before == room && carries())) {
            return Err(format!("has more than {} digits before the point", room.max(0)).into());
        }
        Ok(())
    }

    /// As Postgres has it: groups of four digits, aligned at the point.
    fn put(&self, out: &mut Vec<u8>) {
        let scale = u16::try_from((self.count as i64 - self.before).max(0)).unwrap_or(u16::MAX);
        if self.count == 0 {
            return put_numeric(out, 0, 0, 0, scale);
        }
        let weight = (self.before - 1).div_euclid(4);
        let padding = ((weight + 1) * 4 - self.before) as usize;
        let sign = if self.negative { 0x4000 } else { 0 };
        let start = out.len();
        put_numeric(out, 0, weight as i16, sign, scale);
        let groups = out.len();
        let (mut group, mut places) = (0i16, padding);
        for digit in self.digits() {
            group = group * 10 + i16::from(digit);
            places += 1;
            if places == 4 {
                out.extend_from_slice(&group.to_be_bytes());
                (group, places) = (0, 0);
            }
        }
        if places > 0 {
            let group = group * 10i16.pow(4 - places as u32);
            out.extend_from_slice(&group.to_be_bytes());
        }
        while out.len() > groups && out.ends_with(&[0, 0]) {
            out.truncate(out.len() - 2);
        }
        let count = ((out.len() - groups) / 2) as i16;
        out[start..start + 2].copy_from_slice(&count.to_be_bytes());
    }
}

/// The head of a `numeric`, whose `groups` follow it.
fn put_numeric(out: &mut Vec<u8>, groups: i16, weight: i16, sign: u16, scale: u16) {
    out.extend_from_slice(&groups.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}
