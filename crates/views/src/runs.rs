//! Runs: turns the records of the pipeline into the list of the latest runs.

use crate::Runs;
use crate::model::{Moment, Run, Status, Step};
use crate::records;
use crate::text::{moment, number, took};

/// The runs, and what is said where there is none.
pub fn runs(runs: &Runs) -> (Vec<Run>, String) {
    match runs {
        Runs::Seen(runs) => (runs.iter().map(run).collect(), "No run yet.".to_owned()),
        Runs::Closed => (Vec::new(), "Your roles do not open the records of this product's runs.".to_owned()),
        Runs::Unknown => (Vec::new(), "The product does not say anything about its runs at the moment.".to_owned()),
    }
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
