//! Revisions: turns the history of contracts and of quality into a change log and a chart.

use crate::model::{Change, Diagram, Moment, Revision, Status};
use crate::said::{ContractRevision, QualityPoint, RevisedContract};
use crate::text::{count, moment};
use terrane_diagram::{Bar, Chart, Part, bars};

fn at(written: &str) -> Moment {
    moment(written).unwrap_or_else(|| Moment { text: written.to_owned(), iso: written.to_owned() })
}

/// The change log, as it was told: the newest first.
pub fn revisions(told: &[ContractRevision]) -> Vec<Revision> {
    let oldest = told.len().saturating_sub(1);
    let revision = |(at_place, revision): (usize, &ContractRevision)| Revision {
        version: revision.version.clone(),
        at: at(&revision.applied_at),
        status: match (revision.breaking, revision.changes.is_empty()) {
            (true, _) => Status::new("breaking", "bad"),
            // nothing is known from before it
            (false, true) if at_place == oldest => Status::new("first known", "muted"),
            (false, true) => Status::new("nothing that anybody relies on", "muted"),
            (false, false) => Status::new("compatible", "good"),
        },
        changes: revision.changes.iter().map(change).collect(),
    };
    told.iter().enumerate().map(revision).collect()
}

fn change(change: &RevisedContract) -> Change {
    let tone = match change.severity.as_str() {
        "breaking" => "bad",
        "note" => "warn",
        _ => "good",
    };
    Change {
        status: Status::new(change.severity.clone(), tone),
        concerns: if change.layer == "input" { "for those who send to it" } else { "for consumers" },
        text: change.message.replace('`', ""),
    }
}

/// Quality over time, from what was told with the newest first; none where there is nothing to compare.
pub fn trend(told: &[QualityPoint]) -> Option<Diagram> {
    if told.is_empty() {
        return None;
    }
    let line = |point: &QualityPoint| {
        let version =
            point.version.map_or_else(|| "nothing published".to_owned(), |number| format!("version {number}"));
        let mut text = format!("{}: {version}, {} passed", at(&point.at).text, point.passed);
        for (number, one, many) in [(point.warned, "warning", "warnings"), (point.failed, "failure", "failures")] {
            if number > 0 {
                text.push_str(&format!(", {}", count(number, one, many)));
            }
        }
        text
    };
    let bar = |point: &QualityPoint| Bar {
        title: line(point),
        parts: [("good", point.passed), ("warn", point.warned), ("bad", point.failed)]
            .map(|(tone, number)| Part { tone, value: number as f64 })
            .into(),
    };
    let oldest_first = || told.iter().rev();
    let chart = Chart { label: "Checks of the newest runs".to_owned(), bars: oldest_first().map(bar).collect() };
    Some(Diagram {
        id: "trend".to_owned(),
        title: "Quality over time".to_owned(),
        svg: bars(&chart),
        exports: Vec::new(),
        lines: oldest_first().map(line).collect(),
    })
}
