//! Sources: turns what a product says of its input ports into the page of where its rows come from, and how that goes.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::{count, encode, html_id, moment, number, time, took, words};
use terrane_views::{Moment, Status};

const QUERY: &str = "query Sources($id: ID!) {
  sources(product: $id, batches: 5) {
    port dataset connector place schedule { schedule onPublish nextDue }
    lastPull { runId state startedAt endedAt rows bytes detail } marks { name value } markedAt drift { found at }
    writing waiting batches { id origin mode rows rejected receivedAt receivedFrom waits }
    events { accepted duplicates late rejected latest }
  }
  sourceRejects(product: $id, first: 20) { dataset origin refused row field value reason at }
}";

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/sources.html")]
pub struct SourcesPage {
    frame: Frame,
    head: Head,
    sources: Vec<Source>,
    rejects: Vec<Reject>,
}

struct Source {
    id: String,
    port: String,
    /// `HTTP, into countries_raw`.
    kind: String,
    place: Option<String>,
    schedule: Option<String>,
    next_due: Option<Moment>,
    last_pull: Option<Pull>,
    /// Where it stands: name and value.
    marks: Vec<(String, String)>,
    marked_at: Option<Moment>,
    drift: Option<(String, Option<Moment>)>,
    /// What is written and what waits.
    waiting: Option<String>,
    batches: Vec<Batch>,
    events: Option<String>,
    /// Where "Pull now" is sent; none where the visitor may not, or nothing is pulled.
    pull_href: Option<String>,
}

struct Pull {
    status: Status,
    at: Option<Moment>,
    /// `250 rows, 31 kB, in 0.4 s`.
    text: String,
    detail: Option<String>,
    run: String,
}

struct Batch {
    at: Option<Moment>,
    origin: String,
    mode: String,
    rows: String,
    rejected: String,
    from: String,
    status: Status,
}

struct Reject {
    at: Option<Moment>,
    dataset: String,
    place: String,
    field: String,
    value: String,
    reason: String,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    sources: Vec<SaidSource>,
    source_rejects: Vec<SaidReject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidSource {
    port: String,
    dataset: String,
    connector: String,
    place: Option<String>,
    schedule: Option<SaidSchedule>,
    last_pull: Option<SaidPull>,
    marks: Vec<SaidMark>,
    marked_at: Option<String>,
    drift: Option<SaidDrift>,
    writing: i64,
    waiting: i64,
    batches: Vec<SaidBatch>,
    events: Option<SaidEvents>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidSchedule {
    schedule: Option<String>,
    on_publish: bool,
    next_due: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidPull {
    run_id: String,
    state: String,
    started_at: String,
    ended_at: Option<String>,
    rows: Option<i64>,
    bytes: Option<f64>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct SaidMark {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct SaidDrift {
    found: String,
    at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidBatch {
    origin: String,
    mode: String,
    rows: i64,
    rejected: i64,
    received_at: String,
    received_from: Option<String>,
    waits: bool,
}

#[derive(Deserialize)]
struct SaidEvents {
    accepted: f64,
    duplicates: f64,
    late: f64,
    rejected: f64,
    latest: Option<String>,
}

#[derive(Deserialize)]
struct SaidReject {
    dataset: String,
    origin: String,
    refused: bool,
    row: i64,
    field: Option<String>,
    value: Option<String>,
    reason: String,
    at: String,
}

impl SourcesPage {
    /// The page of a product; none where the visitor may not see its runs.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "sources", outcome).await? else { return Ok(None) };
        let answer = asking.ask::<Answer>(QUERY, json!({ "id": id })).await?.into_data()?;
        let may_pull = head.may("port:control", "run");
        let sources = answer.sources.into_iter().map(|said| source(said, &head.base, may_pull)).collect();
        let rejects = answer.source_rejects.into_iter().map(reject).collect();
        Ok(Some(Self { frame, head, sources, rejects }))
    }
}

fn source(said: SaidSource, base: &str, may_pull: bool) -> Source {
    let kind = match said.connector.as_str() {
        "http" => "HTTP",
        "file" => "Files of the folder",
        "objects" => "Object store",
        "postgres" => "Postgres",
        "product" => "Another product",
        "jetstream" => "NATS JetStream",
        _ => "Pushed",
    };
    let pulled = said.schedule.is_some();
    let schedule = said.schedule.as_ref().map(|of| match (&of.schedule, of.on_publish) {
        (Some(cron), true) => format!("{cron} (UTC), and when the product that it reads publishes"),
        (Some(cron), false) => format!("{cron} (UTC)"),
        (None, true) => "when the product that it reads publishes".to_owned(),
        (None, false) => "on demand".to_owned(),
    });
    let waiting: Vec<String> =
        [(said.writing, "is being written", "are being written"), (said.waiting, "waits for a run", "wait for a run")]
            .into_iter()
            .filter(|(many, ..)| *many > 0)
            .map(|(many, one, more)| {
                format!("{} {}", count(many, "batch", "batches"), if many == 1 { one } else { more })
            })
            .collect();
    Source {
        id: html_id(&said.port),
        kind: format!("{kind}, into {}", said.dataset),
        place: said.place,
        next_due: said.schedule.as_ref().and_then(|of| moment(of.next_due.as_deref()?)),
        schedule,
        last_pull: said.last_pull.map(pull),
        marks: said.marks.into_iter().map(mark).collect(),
        marked_at: said.marked_at.as_deref().and_then(moment),
        drift: said.drift.map(|drift| (drift.found, moment(&drift.at))),
        waiting: (!waiting.is_empty()).then(|| waiting.join(", ")),
        batches: said.batches.into_iter().map(batch).collect(),
        events: said.events.as_ref().map(events),
        pull_href: (pulled && may_pull).then(|| format!("{base}/sources/{}/pull", encode(&said.port))),
        port: said.port,
    }
}

fn pull(said: SaidPull) -> Pull {
    let status = match said.state.as_str() {
        "succeeded" => Status::new("succeeded", "good"),
        "failed" => Status::new("failed", "bad"),
        "running" => Status::new("under way", "warn"),
        other => Status::new(other, "muted"),
    };
    let lasted = said.ended_at.as_deref().and_then(time).zip(time(&said.started_at));
    let lasted = lasted.map(|(end, start)| format!("in {}", took((end - start).num_milliseconds())));
    let rows = said.rows.map(|rows| count(rows, "row", "rows"));
    let text: Vec<String> = [rows, said.bytes.map(bytes), lasted].into_iter().flatten().collect();
    Pull { status, at: moment(&said.started_at), text: text.join(", "), detail: said.detail, run: said.run_id }
}

fn mark(said: SaidMark) -> (String, String) {
    let name = match said.name.as_str() {
        "etag" => "ETag".to_owned(),
        "files" => "Files read".to_owned(),
        "version" => "Version read".to_owned(),
        other => terrane_views::text::capitalized(&words(other, ' ')),
    };
    (name, said.value.unwrap_or_else(|| "a value that you may not read".to_owned()))
}

fn batch(said: SaidBatch) -> Batch {
    Batch {
        at: moment(&said.received_at),
        origin: said.origin,
        mode: said.mode,
        rows: number(said.rows),
        rejected: number(said.rejected),
        from: said.received_from.unwrap_or_default(),
        status: if said.waits { Status::new("waits for a run", "warn") } else { Status::new("taken", "muted") },
    }
}

fn events(said: &SaidEvents) -> String {
    let whole = |value: f64| number(value as i64);
    let latest = said.latest.as_deref().and_then(moment).map(|at| format!("; the latest of {}", at.text));
    format!(
        "{} stored, {} sent twice, {} late, {} refused{}",
        whole(said.accepted),
        whole(said.duplicates),
        whole(said.late),
        whole(said.rejected),
        latest.unwrap_or_default()
    )
}

fn reject(said: SaidReject) -> Reject {
    Reject {
        at: moment(&said.at),
        place: format!("row {} of {}", number(said.row), said.origin),
        dataset: said.dataset,
        field: said.field.unwrap_or_default(),
        value: said.value.unwrap_or_default(),
        reason: said.reason,
        status: if said.refused { Status::new("batch refused", "bad") } else { Status::new("set aside", "warn") },
    }
}

/// `512 bytes`, `31.2 kB`.
fn bytes(many: f64) -> String {
    match many {
        ..1e3 => count(many as i64, "byte", "bytes"),
        ..1e6 => format!("{:.1} kB", many / 1e3),
        ..1e9 => format!("{:.1} MB", many / 1e6),
        _ => format!("{:.1} GB", many / 1e9),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_for_people() {
        assert_eq!(
            [1.0, 512.0, 31_249.0, 2.5e6, 7e9].map(super::bytes),
            ["1 byte", "512 bytes", "31.2 kB", "2.5 MB", "7.0 GB"]
        );
    }
}
