//! Upkeep: turns the custom properties `retry` and `retention` of a descriptor into how often a failed run is tried again
//! and how long earlier versions, and records of runs, are kept.

use crate::yaml::Node;
use std::time::Duration;

/// When a run that failed for a reason that may pass is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often it is run at most, the first time included.
    pub attempts: u32,
    /// How long the second attempt waits; each later one waits twice as long as the one before.
    pub backoff: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, backoff: Duration::from_secs(10), longest: Duration::from_secs(3600) }
    }
}

impl Retry {
    /// How long to wait after attempt number `attempt` (from 1) has failed; none where it was the last.
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        Some(self.backoff.saturating_mul(factor).min(self.longest))
    }
}

/// Which earlier versions are kept beside the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many at most.
    pub versions: u32,
    /// None that stopped being current longer ago than this.
    pub age: Option<Duration>,
    /// How long runs stay on record that have published no version.
    pub runs: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { versions: 5, age: None, runs: Duration::from_secs(365 * 86_400) }
    }
}

/// The custom property `retry` of the descriptor.
pub(crate) fn read_retry(root: &Node<'_>) -> Retry {
    let mut retry = Retry::default();
    let Some(node) = root.custom("retry") else { return retry };
    node.expect_keys(&["attempts", "backoff", "longest"]);
    retry.attempts = count(&node, "attempts", 1, 100).unwrap_or(3);
    retry.backoff = duration(&node, "backoff").unwrap_or(retry.backoff);
    retry.longest = duration(&node, "longest").unwrap_or(retry.longest.max(retry.backoff));
    retry
}

/// The custom property `retention` of the descriptor.
pub(crate) fn read_retention(root: &Node<'_>) -> Retention {
    let mut retention = Retention::default();
    let Some(node) = root.custom("retention") else { return retention };
    node.expect_keys(&["versions", "age", "runs"]);
    retention.versions = count(&node, "versions", 0, 1000).unwrap_or(retention.versions);
    retention.age = duration(&node, "age");
    retention.runs = duration(&node, "runs").unwrap_or(retention.runs);
    retention
}

fn count(node: &Node<'_>, key: &str, least: i64, most: i64) -> Option<u32> {
    let value = node.integer(key)?;
    if !(least..=most).contains(&value) {
        let message = format!("`{key}` is {value}");
        node.error("PRODUCT_UPKEEP", message, &format!("write a number from {least} to {most}"));
        return None;
    }
    u32::try_from(value).ok()
}

fn duration(node: &Node<'_>, key: &str) -> Option<Duration> {
    let text = node.text(key)?;
    let read = read_duration(&text);
    if read.is_none() {
        let message = format!("`{key}` is `{text}`, which is no duration");
        node.error("PRODUCT_UPKEEP", message, "write a number and s, m, h or d, such as `30s` or `90d`");
    }
    read
}

/// `30s`, `10m`, `2h` or `90d`, from a second to ten years.
fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    let total = number.checked_mul(seconds)?;
    (1..=3_650 * 86_400).contains(&total).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let seconds = |text| read_duration(text).map(|d| d.as_secs());
        assert_eq!(["1s", "10m", "2h", "90d"].map(seconds), [Some(1), Some(600), Some(7200), Some(90 * 86_400)]);
        for wrong in ["", "s", "0s", "1", "1w", "-1s", "1.5h", "9999999d", "ü"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let retry = Retry { attempts: 5, backoff: Duration::from_secs(10), longest: Duration::from_secs(60) };
        let waits: Vec<Option<u64>> = (1..=5).map(|n| retry.after(n).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(10), Some(20), Some(40), Some(60), None]);
        assert_eq!(Retry { attempts: u32::MAX, ..retry }.after(200).map(|d| d.as_secs()), Some(60));
        assert_eq!(Retry::default().after(1), None);
    }
}
