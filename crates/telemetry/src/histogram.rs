//! Histograms: turns times into counts by bucket, each with two atomic additions.
//!
//! Those of the metrics library keep every value until somebody scrapes, which takes ten times as long.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets in nanoseconds, and as they are shown: from a plan that is known to a statement that takes
/// long.
const BOUNDS: [(u64, &str); 16] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

static ALL: Mutex<Vec<Arc<Buckets>>> = Mutex::new(Vec::new());

/// Times of one kind of work.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    name: &'static str,
    /// As they are shown: `server="a"`.
    labels: String,
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// The histogram of this process with this name and label; its values are of a short list.
    pub fn seconds(name: &'static str, label: Option<(&str, &str)>) -> Self {
        let labels = label.map_or_else(String::new, |(label, value)| format!("{label}=\"{}\"", escaped(value)));
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.name == name && known.labels == labels) {
            return Self(Arc::clone(known));
        }
        let new = Buckets { name, labels, counts: Default::default(), nanos: AtomicU64::new(0) };
        let new = Arc::new(new);
        all.push(Arc::clone(&new));
        Self(new)
    }

    /// Some work took so long.
    pub fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| nanos <= *bound).unwrap_or(BOUNDS.len());
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Write all of them in Prometheus's text format.
pub(crate) fn render(out: &mut String) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.sort_by(|a, b| (a.name, &a.labels).cmp(&(b.name, &b.labels)));
    let mut before = "";
    for buckets in all {
        let Buckets { name, labels, .. } = &*buckets;
        if before != *name {
            before = name;
            push(out, format_args!("# TYPE {name} histogram"));
        }
        let (comma, braced) = if labels.is_empty() { ("", String::new()) } else { (",", format!("{{{labels}}}")) };
        let mut total = 0;
        let shown = BOUNDS.iter().map(|(_, shown)| *shown).chain(["+Inf"]);
        for (count, bound) in buckets.counts.iter().zip(shown) {
            total += count.load(Ordering::Relaxed);
            push(out, format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}"));
        }
        let sum = Duration::from_nanos(buckets.nanos.load(Ordering::Relaxed)).as_secs_f64();
        push(out, format_args!("{name}_sum{braced} {sum}"));
        push(out, format_args!("{name}_count{braced} {total}"));
    }
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_up_to_their_bound() {
        let histogram = Histogram::seconds("test_seconds", Some(("of", "a\"b")));
        for nanos in [0, 100_000, 100_001, 20_000_000_000] {
            Histogram::seconds("test_seconds", Some(("of", "a\"b"))).record(Duration::from_nanos(nanos));
        }
        drop(histogram);
        Histogram::seconds("test_plain_seconds", None).record(Duration::from_secs(1));
        let mut out = String::new();
        render(&mut out);
        let expected = [
            "# TYPE test_plain_seconds histogram",
            "test_plain_seconds_bucket{le=\"0.5\"} 0",
            "test_plain_seconds_bucket{le=\"1\"} 1",
            "test_plain_seconds_sum 1",
            "test_seconds_bucket{of=\"a\\\"b\",le=\"0.0001\"} 2",
            "test_seconds_bucket{of=\"a\\\"b\",le=\"0.00025\"} 3",
            "test_seconds_bucket{of=\"a\\\"b\",le=\"10\"} 3",
            "test_seconds_bucket{of=\"a\\\"b\",le=\"+Inf\"} 4",
            "test_seconds_sum{of=\"a\\\"b\"} 20.000200001",
            "test_seconds_count{of=\"a\\\"b\"} 4",
        ];
        for line in expected {
            assert_eq!(out.lines().filter(|known| *known == line).count(), 1, "{line}\n{out}");
        }
    }
}
