//! Runs: turns the records of the pipeline into the list of the latest runs.

use crate::Runs;
use crate::model::{Diagram, Moment, Run, Status, Step};
use crate::records;
use crate::text::{moment, number, took};
use terrane_diagram::{Bar, Chart, Part, bars};

/// The runs, and what is said where there is none.
pub fn runs(runs: &Runs) -> (Vec<Run>, String) {
    match runs {
        Runs::Seen(runs) => (runs.iter().map(run).collect(), "No run yet.".to_owned()),
        Runs::Closed => (Vec::new(), "Your roles do not open the records of this product's runs.".to_owned()),
        Runs::Unknown => (Vec::new(), "The product does not say anything about its runs at the moment.".to_owned()),
    }
}

/// How long runs took, the oldest first; none where that is not known of two of them.
pub fn durations(runs: &Runs) -> Option<Diagram> {
    let Runs::Seen(runs) = runs else { return None };
    let timed: Vec<(&records::Run, i64)> = runs.iter().rev().filter_map(|run| Some((run, run.milliseconds?))).collect();
    if timed.len() < 2 {
        return None;
    }
    let line = |(run, milliseconds): &(&records::Run, i64)| {
        let at = moment(&run.started_at).map_or_else(|| run.started_at.clone(), |at| at.text);
        format!("{at}: {}, {}", took(*milliseconds), run.state)
    };
    let bar = |one: &(&records::Run, i64)| Bar {
        title: line(one),
        parts: vec![Part { tone: status(&one.0.state).tone, value: one.1 as f64 }],
    };
    let chart = Chart { label: "How long runs took".to_owned(), bars: timed.iter().map(bar).collect() };
    Some(Diagram {
        id: "durations".to_owned(),
        title: "How long runs took".to_owned(),
        svg: bars(&chart),
        exports: Vec::new(),
        lines: timed.iter().map(line).collect(),
    })
}

fn status(state: &str) -> Status {
    let tone = match state {
        "succeeded" => "good",
        "failed" => "bad",
        "cancelled" => "warn",
        _ => "muted",
    };
    Status::new(state, tone)
}

fn run(run: &records::Run) -> Run {
    let trigger = match run.trigger.as_str() {
        "start" => "at the start",
        "manual" => "by hand",
        "schedule" => "scheduled",
        "upstream" => "after a product it reads",
        other => other,
    };
    let mut parts = vec![trigger.to_owned()];
    parts.extend(run.requested_by.as_ref().map(|who| format!("asked for by {who}")));
    parts.extend(run.version.map(|version| format!("version {version}")));
    parts.extend(run.milliseconds.map(took));
    let code = run.error_code.as_deref().map(|code| format!("{code}: ")).unwrap_or_default();
    Run {
        id: run.id.clone(),
        status: status(&run.state),
        started: moment(&run.started_at)
            .unwrap_or_else(|| Moment { text: run.started_at.clone(), iso: run.started_at.clone() }),
        summary: parts.join(" · "),
        error: run.error.as_ref().map(|error| format!("{code}{error}")),
        steps: run.steps.iter().map(step).collect(),
    }
}

fn step(step: &records::Step) -> Step {
    Step {
        name: format!("{} {}", step.kind, step.name),
        status: status(&step.state),
        took: step.milliseconds.map(took).unwrap_or_default(),
        rows: step.rows.map(number).unwrap_or_default(),
        detail: step.detail.clone().unwrap_or_default(),
    }
}
