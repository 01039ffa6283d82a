//! Measured: turns what was found by one quality rule over time into a chart.

use crate::model::{Diagram, Status};
use crate::records::PastQualityResult;
use crate::said::QualityResult;
use crate::text::{decimal, moment};
use terrane_diagram::{Bar, Chart, Part, bars};

/// What came of a rule: passed, or what follows where it did not.
pub fn result(result: &QualityResult) -> Status {
    match (result.passed, result.severity.as_str()) {
        (true, _) => Status::new("passed", "good"),
        (false, "error") => Status::new("failed", "bad"),
        (false, "warning") => Status::new("warning", "warn"),
        (false, _) => Status::new("noted", "muted"),
    }
}

/// What was measured, where the product says it to this visitor.
pub fn found(result: &QualityResult) -> String {
    let Some(measured) = result.measured.as_deref().map(decimal) else { return String::new() };
    if result.passed { measured } else { format!("{measured}, expected {}", expected(&result.expected)) }
}

fn expected(written: &str) -> String {
    written.split(' ').map(decimal).collect::<Vec<_>>().join(" ")
}

/// What one rule found over time, from what was told with the newest first; none where there are not two numbers to compare.
pub fn measured(told: &[PastQualityResult]) -> Option<Diagram> {
    let number = |past: &PastQualityResult| past.result.measured.as_deref()?.parse::<f64>().ok();
    let points: Vec<(&PastQualityResult, f64)> =
        told.iter().rev().filter_map(|past| Some((past, number(past)?))).collect();
    if points.len() < 2 {
        return None;
    }
    let line = |past: &PastQualityResult| {
        let at = moment(&past.at).map_or_else(|| past.at.clone(), |at| at.text);
        format!("{at}: {}, {}", found(&past.result), result(&past.result).text)
    };
    let bar = |(past, value): &(&PastQualityResult, f64)| Bar {
        title: line(past),
        parts: vec![Part { tone: result(&past.result).tone, value: *value }],
    };
    let title = "What was measured over time".to_owned();
    Some(Diagram {
        id: "measured".to_owned(),
        svg: bars(&Chart { label: title.clone(), bars: points.iter().map(bar).collect() }),
        title,
        exports: Vec::new(),
        lines: points.iter().map(|(past, _)| line(past)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_is_on_the_left_and_what_failed_is_told() {
        let past = |day: u32, measured: serde_json::Value, passed: bool| {
            let result = json!({"rule": "r", "dataset": "d", "field": null, "severity": "error", "dimension": null,
                "passed": passed, "expected": "= 0", "measured": measured});
            let at = format!("2026-11-{day:02}T03:00:00Z");
            serde_json::from_value(json!({"at": at, "runId": null, "version": 1, "result": result})).unwrap()
        };
        let told: [PastQualityResult; 3] =
            [past(21, json!("1200"), false), past(20, json!(null), true), past(19, json!("0"), true)];
        let shown = measured(&told).unwrap();
        assert_eq!(
            shown.lines,
            ["19 November 2026, 03:00 UTC: 0, passed", "21 November 2026, 03:00 UTC: 1,200, expected = 0, failed"]
        );
        assert!(shown.svg.contains("class=\"bad\""), "{}", shown.svg);
        // what the visitor may not know is no bar
        assert!(measured(&told[1..]).is_none());
    }
}
