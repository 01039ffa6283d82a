//! Versions: turns what a product published into the page on which an earlier version is made current again.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::{count, encode, moment};
use terrane_views::{Moment, Status};

const QUERY: &str = "query Versions($id: ID!) { versions(product: $id) {
  version kind runId publishedAt state datasets { dataset rows } endedAt droppedAt productVersion
  contracts { contract version } madeFrom
} }";
/// Versions on the page at most: streams make many.
const MOST: usize = 100;

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/versions.html")]
pub struct VersionsPage {
    frame: Frame,
    head: Head,
    versions: Vec<Version>,
    /// How many older ones are not shown.
    older: Option<String>,
}

struct Version {
    number: i64,
    status: Status,
    published: Option<Moment>,
    /// `by a run, until 3 May 2026`.
    about: String,
    run_href: String,
    /// Where it is made current; none where it can't be.
    href: Option<String>,
    datasets: Vec<(String, String)>,
    /// `Product 1.2.0; contract countries 1.3.0`.
    contracts: String,
    /// What it was made from, a line each.
    made_from: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    versions: Vec<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    version: i64,
    kind: String,
    run_id: String,
    published_at: String,
    state: String,
    datasets: Vec<Size>,
    ended_at: Option<String>,
    dropped_at: Option<String>,
    product_version: Option<String>,
    contracts: Vec<Contract>,
    made_from: MadeFrom,
}

#[derive(Deserialize)]
struct Size {
    dataset: String,
    rows: i64,
}

#[derive(Deserialize)]
struct Contract {
    contract: String,
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MadeFrom {
    inputs: Vec<Input>,
    upstreams: Vec<Upstream>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Input {
    dataset: String,
    batches: Vec<Batch>,
    #[serde(default)]
    earlier: i64,
}

#[derive(Deserialize)]
struct Batch {
    origin: String,
    rows: i64,
}

#[derive(Deserialize)]
struct Upstream {
    product: String,
    dataset: String,
    version: i64,
}

#[derive(Deserialize)]
struct Model {
    model: String,
    sha256: String,
}

impl VersionsPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "versions", outcome).await? else { return Ok(None) };
        let said = asking.ask::<Answer>(QUERY, json!({ "id": id })).await?.into_data()?.versions;
        let left = said.len().saturating_sub(MOST) as i64;
        let older = (left > 0).then(|| count(left, "older version", "older versions"));
        let versions = said.iter().take(MOST).map(|said| version(said, &head)).collect();
        Ok(Some(Self { frame, head, versions, older }))
    }
}

fn version(said: &Said, head: &Head) -> Version {
    let tone = match said.state.as_str() {
        "current" => "good",
        "kept" => "warn",
        _ => "muted",
    };
    let until = |at: &Option<String>| at.as_deref().and_then(moment).map(|at| at.text);
    let mut about = vec![if said.kind == "stream" { "by rows that came in" } else { "by a run" }.to_owned()];
    about.extend(until(&said.ended_at).map(|at| format!("read until {at}")));
    about.extend(until(&said.dropped_at).map(|at| format!("dropped on {at}")));
    let mut contracts: Vec<String> = said.product_version.iter().map(|version| format!("product {version}")).collect();
    contracts.extend(said.contracts.iter().map(|c| format!("contract {} {}", c.contract, c.version)));
    let can_be_current = said.state == "kept" && head.may_change();
    Version {
        number: said.version,
        status: Status::new(said.state.clone(), tone),
        published: moment(&said.published_at),
        about: about.join(", "),
        run_href: format!("{}/runs/{}", head.base, encode(&said.run_id)),
        href: can_be_current.then(|| format!("{}/versions/{}/current", head.base, said.version)),
        datasets: said.datasets.iter().map(|size| (size.dataset.clone(), count(size.rows, "row", "rows"))).collect(),
        contracts: contracts.join(", "),
        made_from: made_from(&said.made_from),
    }
}

fn made_from(made: &MadeFrom) -> Vec<String> {
    let input = |input: &Input| {
        let rows: i64 = input.batches.iter().map(|batch| batch.rows).sum();
        let batches = count(input.batches.len() as i64 + input.earlier, "batch", "batches");
        let newest =
            input.batches.last().map(|batch| format!(", the newest from {}", batch.origin)).unwrap_or_default();
        format!("input.{}: {} of {batches}{newest}", input.dataset, count(rows, "row", "rows"))
    };
    let upstream = |from: &Upstream| format!("{}.{}: version {}", from.product, from.dataset, from.version);
    let model = |text: &Model| format!("model {}: text {}", text.model, text.sha256.get(..12).unwrap_or_default());
    let lines = made.inputs.iter().map(input).chain(made.upstreams.iter().map(upstream));
    lines.chain(made.models.iter().map(model)).collect()
}
