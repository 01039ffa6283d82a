//! The overview: turns the state of a product's pipeline into the first page about running it.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::description::{QualityPoint, RECORD, Run as SaidRun};
use terrane_views::text::{count, moment, number};
use terrane_views::{Diagram, Moment, Run, Runs, Status, runs, trend};

const QUERY: &str = "query Overview($id: ID!) {
  product(id: $id) {
    info { currentVersion { version runId publishedAt datasets { dataset rows } } }
    runs(first: 5) { ...Record }
    qualityTrend(first: 20) { at version passed warned failed }
  }
  versions(product: $id) { version state }
  schedules(product: $id) { port nextDue onPublish }
}";

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/overview.html")]
pub struct OverviewPage {
    frame: Frame,
    head: Head,
    current: Option<Current>,
    /// That what readers see is not the newest.
    behind: Option<String>,
    /// `2 earlier versions are kept.`
    kept: String,
    runs: Vec<Run>,
    /// The next pulls, the first one first.
    pulls: Vec<Pull>,
    quality: Status,
    trend: Option<Diagram>,
}

struct Current {
    version: i64,
    run: String,
    published: Option<Moment>,
    /// Dataset and rows.
    datasets: Vec<(String, String)>,
}

struct Pull {
    port: String,
    due: Option<Moment>,
    /// What is said where it is not due.
    otherwise: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    product: Option<Product>,
    versions: Vec<SaidVersion>,
    schedules: Vec<Schedule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    info: Option<Info>,
    runs: Vec<SaidRun>,
    quality_trend: Vec<QualityPoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    current_version: Option<SaidCurrent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidCurrent {
    version: i64,
    run_id: String,
    published_at: String,
    datasets: Vec<Size>,
}

#[derive(Deserialize)]
struct Size {
    dataset: String,
    rows: i64,
}

#[derive(Deserialize)]
struct SaidVersion {
    version: i64,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    port: String,
    next_due: Option<String>,
    on_publish: bool,
}

impl OverviewPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "", outcome).await? else { return Ok(None) };
        let query = format!("{QUERY}\n{RECORD}");
        let answer = asking.ask::<Answer>(&query, json!({ "id": id })).await?.into_data()?;
        let Some(Product { info: Some(info), runs: said, quality_trend }) = answer.product else { return Ok(None) };
        let current = info.current_version.map(|said| Current {
            version: said.version,
            run: said.run_id,
            published: moment(&said.published_at),
            datasets: said.datasets.into_iter().map(|size| (size.dataset, count(size.rows, "row", "rows"))).collect(),
        });
        let newest = answer.versions.iter().map(|one| one.version).max();
        let behind = match (&current, newest) {
            (Some(current), Some(newest)) if current.version < newest => {
                Some(format!("Version {newest} is the newest; readers see an earlier one, since a rollback."))
            }
            _ => None,
        };
        let kept = answer.versions.iter().filter(|one| one.state == "kept").count() as i64;
        let mut pulls: Vec<Schedule> = answer.schedules;
        pulls.sort_by(|a, b| (a.next_due.is_none(), &a.next_due).cmp(&(b.next_due.is_none(), &b.next_due)));
        Ok(Some(Self {
            frame,
            head,
            current,
            behind,
            kept: format!("{} kept.", count(kept, "other version is", "other versions are")),
            runs: runs(&Runs::Seen(said)).0,
            pulls: pulls.iter().map(pull).collect(),
            quality: summary(quality_trend.first()),
            trend: trend(&quality_trend),
        }))
    }
}

fn pull(said: &Schedule) -> Pull {
    Pull {
        port: said.port.clone(),
        due: said.next_due.as_deref().and_then(moment),
        otherwise: if said.on_publish { "when what it reads publishes" } else { "only with a run" },
    }
}

fn summary(newest: Option<&QualityPoint>) -> Status {
    let Some(newest) = newest else { return Status::new("not checked yet", "muted") };
    let all = newest.passed + newest.warned + newest.failed;
    let mut text = format!("{} of {} passed", number(newest.passed), count(all, "check", "checks"));
    for (times, one, many) in [(newest.failed, "failure", "failures"), (newest.warned, "warning", "warnings")] {
        if times > 0 {
            text.push_str(&format!(", {}", count(times, one, many)));
        }
    }
    let tone = match (newest.failed, newest.warned) {
        (0, 0) => "good",
        (0, _) => "warn",
        _ => "bad",
    };
    Status::new(text, tone)
}
