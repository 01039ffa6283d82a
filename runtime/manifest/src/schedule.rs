//! Schedules: turns a cron expression of five fields into the times at which it is due, in UTC.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// Read a cron expression of five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday).
pub fn parse_schedule(text: &str) -> Option<Cron> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "*,/-# ".contains(c);
    if text.split_whitespace().count() != 5 || !text.chars().all(plain) {
        return None;
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).ok()
}

/// Whether it can be read.
pub(crate) fn is_schedule(text: &str) -> bool {
    parse_schedule(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_within_their_bounds_are_a_schedule() {
        for text in ["0 3 * * *", "*/5 * * * 1-5", "30 4 1,15 * *", "0 0 * * 0", "0 0 * * SUN", "59 23 31 12 7"] {
            assert!(is_schedule(text), "{text}");
        }
        for text in [
            "",
            "0 3 * *",
            "0 3 * * * *",
            "60 3 * * *",
            "0 24 * * *",
            "0 0 32 * *",
            "0 0 * 13 *",
            "@daily",
            "a b c d e",
        ] {
            assert!(!is_schedule(text), "{text}");
        }
    }
}
