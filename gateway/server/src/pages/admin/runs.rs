//! Runs: turns what a product says of its runs into their list, the page of one, and the part of that page that changes.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::description::{RECORD, Run as SaidRun};
use terrane_views::text::{count, moment};
use terrane_views::{Diagram, Moment, Run, Runs, durations, runs};

const LIST: &str = "query Runs($id: ID!) { product(id: $id) { runs(first: 50) { ...Record } } }";
const ONE: &str = "query Run($id: ID!, $run: ID!, $first: Int!, $after: Int) {
  product(id: $id) { run(id: $run) {
    ...Record
    pulls attempt retryOf dueAt cancelledBy
    log(first: $first, after: $after) { position at level message }
  } }
}";
/// Lines of a log on a page at most.
const LINES: usize = 400;

/// The list.
#[derive(askama::Template)]
#[template(path = "admin/runs.html")]
pub struct RunsPage {
    frame: Frame,
    head: Head,
    runs: Vec<Run>,
    durations: Option<Diagram>,
}

/// The page of one.
#[derive(askama::Template)]
#[template(path = "admin/run.html")]
pub struct RunPage {
    frame: Frame,
    head: Head,
    run: Shown,
}

/// The part of a run's page that changes while it runs.
#[derive(askama::Template)]
#[template(path = "admin/run_live.html")]
pub struct RunPart {
    run: Shown,
}

/// A run as it is now, and what it said.
struct Shown {
    record: Run,
    /// Where it is shown.
    href: String,
    /// Whether it has ended.
    over: bool,
    /// How far it is.
    said: String,
    /// `Attempt 2`, `waits until …`, `cancelled by …`.
    notes: Vec<String>,
    /// The run that it tries again.
    retry_of: Option<String>,
    lines: Vec<Line>,
    /// The place of the last line that is known.
    last: Option<i64>,
    /// Whether there may be lines after it that are not shown.
    more: bool,
    /// Whether lines before these are left out.
    later: bool,
}

struct Line {
    at: Option<Moment>,
    /// Only to the second: a run takes minutes.
    time: String,
    level: String,
    message: String,
}

#[derive(Deserialize)]
struct ListAnswer {
    product: Option<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    runs: Vec<SaidRun>,
}

#[derive(Deserialize)]
struct OneAnswer {
    product: Option<One>,
}

#[derive(Deserialize)]
struct One {
    run: Option<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(flatten)]
    record: SaidRun,
    pulls: bool,
    attempt: i64,
    retry_of: Option<String>,
    due_at: Option<String>,
    cancelled_by: Option<String>,
    log: Vec<SaidLine>,
}

#[derive(Deserialize)]
struct SaidLine {
    position: i64,
    at: String,
    level: String,
    message: String,
}

impl RunsPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`], as all of these.
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "runs", outcome).await? else { return Ok(None) };
        let answer = asking.ask::<ListAnswer>(&format!("{LIST}\n{RECORD}"), json!({ "id": id })).await?.into_data()?;
        let said = Runs::Seen(answer.product.map(|product| product.runs).unwrap_or_default());
        Ok(Some(Self { frame, head, runs: runs(&said).0, durations: durations(&said) }))
    }
}

impl RunPage {
    /// The page of a run, with its log from place `after` on; none where there is no such run, or the visitor may not see
    /// it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        (id, run): (&str, &str),
        after: Option<i64>,
        outcome: Outcome,
    ) -> Result<Option<Self>, PageError> {
        let Some((mut frame, head)) = Head::of(asking, id, "runs", outcome).await? else { return Ok(None) };
        let Some(said) = ask(asking, (id, run), after).await? else { return Ok(None) };
        let run = shown(said, &head.base, after);
        frame.title = format!("{}: run of {}", head.name, run.record.started.text);
        Ok(Some(Self { frame, head, run }))
    }
}

impl RunPart {
    /// What has become of a run, and what it has said after the place `after`.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking, (id, run): (&str, &str), after: Option<i64>) -> Result<Option<Self>, PageError> {
        let base = format!("/admin/{}", terrane_views::text::encode(id));
        let said = ask(asking, (id, run), after).await?;
        Ok(said.map(|said| Self { run: shown(said, &base, after) }))
    }
}

async fn ask(asking: &Asking, (id, run): (&str, &str), after: Option<i64>) -> Result<Option<Said>, PageError> {
    let variables = json!({ "id": id, "run": run, "first": LINES, "after": after });
    let answer = asking.ask::<OneAnswer>(&format!("{ONE}\n{RECORD}"), variables).await?;
    // what is no id of a run, or may not be seen, is answered with an error
    Ok(answer.data.and_then(|data| data.product).and_then(|product| product.run))
}

fn shown(said: Said, base: &str, after: Option<i64>) -> Shown {
    let over = !["queued", "running"].contains(&said.record.state.as_str());
    let mut notes = vec![if said.pulls { "Pulls its inputs first" } else { "Without pulling its inputs" }.to_owned()];
    if said.attempt > 1 {
        notes.push(format!("attempt {}", said.attempt));
    }
    if let Some(due) = said.due_at.as_deref().and_then(moment).filter(|_| said.record.state == "queued") {
        notes.push(format!("not before {}", due.text));
    }
    notes.extend(said.cancelled_by.map(|who| format!("cancelled by {who}")));
    let summary = progress(&said.record);
    let record = runs(&Runs::Seen(vec![said.record])).0.pop().expect("one run is one run");
    Shown {
        href: format!("{base}/runs/{}", record.id),
        over,
        said: summary,
        notes,
        retry_of: said.retry_of.map(|id| format!("{base}/runs/{id}")),
        last: said.log.last().map(|line| line.position).or(after),
        more: said.log.len() == LINES,
        later: after.is_some(),
        lines: said.log.into_iter().map(line).collect(),
        record,
    }
}

/// `3 steps done, under way: model abstraction.countries`.
fn progress(run: &SaidRun) -> String {
    let done = run.steps.iter().filter(|step| step.state != "running").count() as i64;
    let under_way: Vec<String> =
        run.steps.iter().filter(|step| step.state == "running").map(|s| format!("{} {}", s.kind, s.name)).collect();
    let mut text = format!("{} done", count(done, "step", "steps"));
    if !under_way.is_empty() {
        text.push_str(&format!(", under way: {}", under_way.join(", ")));
    }
    text
}

fn line(said: SaidLine) -> Line {
    let at = moment(&said.at);
    let time = at.as_ref().and_then(|at| at.iso.get(11..19)).unwrap_or_default().to_owned();
    Line { at, time, level: said.level, message: said.message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn said(state: &str, lines: usize) -> Said {
        let step = |name: &str, state: &str| json!({"kind": "model", "name": name, "state": state, "startedAt": "2026-11-21T03:00:00Z", "milliseconds": null, "rows": null, "detail": null});
        let log: Vec<Value> = (0..lines)
            .map(|at| json!({"position": at, "at": "2026-11-21T03:00:05.5Z", "level": "info", "message": "<b>"}))
            .collect();
        serde_json::from_value(json!({
            "id": "r", "trigger": "manual", "requestedBy": "sue", "state": state, "startedAt": "2026-11-21T03:00:00Z",
            "endedAt": null, "milliseconds": null, "version": null, "errorCode": null, "error": null,
            "steps": [step("a", "succeeded"), step("b", "running")], "pulls": true, "attempt": 2, "retryOf": "q",
            "dueAt": "2026-11-21T03:10:00Z", "cancelledBy": null, "log": log
        }))
        .unwrap()
    }

    #[test]
    fn a_run_says_how_far_it_is_and_from_where_its_log_goes_on() {
        let running = shown(said("running", 3), "/admin/a", None);
        assert_eq!(running.said, "1 step done, under way: model b");
        assert_eq!((running.over, running.last, running.more, running.later), (false, Some(2), false, false));
        assert_eq!(
            (running.lines[0].time.as_str(), running.retry_of.as_deref()),
            ("03:00:05", Some("/admin/a/runs/q"))
        );
        assert_eq!(running.notes, ["Pulls its inputs first", "attempt 2"]);
        let waits = shown(said("queued", LINES), "/admin/a", Some(7));
        assert_eq!((waits.more, waits.later, waits.over), (true, true, false));
        assert_eq!(waits.notes[2], "not before 21 November 2026, 03:10 UTC");
        // nothing new: the place stays
        assert_eq!(shown(said("failed", 0), "/admin/a", Some(7)).last, Some(7));
        let text = askama::Template::render(&RunPart { run: shown(said("failed", 1), "/admin/a", None) }).unwrap();
        assert!(text.contains("&#60;b&#62;") && !text.contains("<b>"), "{text}");
    }
}
