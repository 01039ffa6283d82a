//! Texts: turns times, durations, numbers and links into what people read.

use crate::model::Moment;
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 3986's unreserved characters stay as they are.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 3339 text as a moment; none where it is no such text.
pub fn moment(rfc3339: &str) -> Option<Moment> {
    let at = time(rfc3339)?;
    Some(Moment {
        text: at.format("%-d %B %Y, %H:%M UTC").to_string(),
        iso: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

/// A day (`2027-06-30`) for people: `30 June 2027`; text that is no day stays as it is.
pub fn day(written: &str) -> String {
    let day = written.parse::<chrono::NaiveDate>();
    day.map_or_else(|_| written.to_owned(), |day| day.format("%-d %B %Y").to_string())
}

/// RFC 3339 text as a time.
pub fn time(rfc3339: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(rfc3339).ok().map(|at| at.with_timezone(&Utc))
}

/// `1,234,567`.
pub fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = if value < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number as a check or a service level writes it: separators in the whole part, no zeros at the end. Text that is no
/// number stays as it is.
pub fn decimal(written: &str) -> String {
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let is_part = part.bytes().all(|b| b.is_ascii_digit());
    let Some(whole) = whole.parse::<i64>().ok().filter(|_| is_part) else { return written.to_owned() };
    // "-0.5" has no sign in its whole part
    let sign = if whole == 0 && written.starts_with('-') { "-" } else { "" };
    match part.trim_end_matches('0') {
        "" => format!("{sign}{}", number(whole)),
        part => format!("{sign}{}.{part}", number(whole)),
    }
}

/// `1 row`, `2 rows`.
pub fn count(value: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// An age in its largest unit: `3 h`, `2 days`.
pub fn age(delta: TimeDelta) -> String {
    match (delta.num_minutes(), delta.num_hours(), delta.num_days()) {
        (..1, ..) => "less than a minute".to_owned(),
        (minutes @ ..60, ..) => format!("{minutes} min"),
        (_, hours @ ..48, _) => format!("{hours} h"),
        (.., days) => count(days, "day", "days"),
    }
}

/// A duration: `0.4 s`, `12 ms`.
pub fn took(milliseconds: i64) -> String {
    match milliseconds {
        ..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

/// `sourceAligned` as `source-aligned`, `dataSharingAgreement` as `data sharing agreement` with a space between.
pub fn words(camel: &str, between: char) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push(between);
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// With a capital first letter.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A link of a contract or descriptor, where its scheme is harmless: `https:`, `http:` or `mailto:`.
pub fn safe_href(url: &str) -> Option<String> {
    let url = url.trim();
    let (scheme, _) = url.split_once(':')?;
    ["https", "http", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s)).then(|| url.to_owned())
}

/// Percent-encoded, for a value of a query string or a segment of a path (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A name as part of an HTML id: without spaces and the like.
pub fn html_id(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_for_people() {
        let at = moment("2026-11-21T04:00:09.752420+01:00").unwrap();
        assert_eq!((at.text.as_str(), at.iso.as_str()), ("21 November 2026, 03:00 UTC", "2026-11-21T03:00:09Z"));
        assert_eq!(moment("yesterday"), None);
        assert_eq!([0, 999, 1000, -1234567].map(number), ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!(
            ["30.800", "7613081733", "-0.50", "n/a", "2.0"].map(decimal),
            ["30.8", "7,613,081,733", "-0.5", "n/a", "2"]
        );
        assert_eq!([12, 1_250, 61_000].map(took), ["12 ms", "1.2 s", "1 min 1 s"]);
        assert_eq!(
            [30, 600, 3 * 3600, 86_400 * 3].map(|s| age(TimeDelta::seconds(s))),
            ["less than a minute", "10 min", "3 h", "3 days"]
        );
        assert_eq!(words("sourceAligned", '-'), "source-aligned");
    }

    #[test]
    fn links_that_could_run_script_are_left_out() {
        assert_eq!(safe_href("https://example.org/a").as_deref(), Some("https://example.org/a"));
        assert_eq!(safe_href("MAILTO:ada@example.org").as_deref(), Some("MAILTO:ada@example.org"));
        for bad in ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "/relative", "java\nscript:x"] {
            assert_eq!(safe_href(bad), None, "{bad}");
        }
    }
}
