//! Around a product: turns what the catalog says beside a product's description into consumers, change log, quality over time and
//! sample rows.

use super::asked::Asking;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use terrane_views::description::{ContractRevision, Neighbour, QualityPoint};
use terrane_views::text::encode;
use terrane_views::{Diagram, Revision, Sample, revisions, trend};

const QUERY: &str = "query Around($id: ID!) {
  product(id: $id) {
    qualityTrend { at version passed warned failed }
    contractRevisions(first: 10) { version appliedAt breaking changes { layer severity message } }
  }
  productsAround(product: $id) {
    id name inputPorts { name version dataset contract connector source schedule } columns { node column origins }
  }
  productReads { product dataset by }
}";

/// Characters of a value that are shown.
const LONGEST_VALUE: usize = 60;

/// What stands around a product.
#[derive(Debug, Default)]
pub struct Around {
    /// Products that read it, as far as the visitor may know about them.
    pub consumers: Vec<Consumer>,
    /// When other contracts came into force, the newest first.
    pub revisions: Vec<Revision>,
    /// Quality over time.
    pub trend: Option<Diagram>,
}

/// A product that reads this one.
#[derive(Debug)]
pub struct Consumer {
    /// Name for people.
    pub name: String,
    /// Its page.
    pub href: String,
    /// What it reads.
    pub datasets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    product: Option<Said>,
    products_around: Option<Vec<Neighbour>>,
    product_reads: Vec<Read>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    quality_trend: Option<Vec<QualityPoint>>,
    contract_revisions: Option<Vec<ContractRevision>>,
}

#[derive(Deserialize)]
struct Read {
    product: String,
    dataset: String,
    by: String,
}

/// What the catalog says of the product `id` beside its description, and the products that it is connected with, as far as the
/// visitor may know about them. What it does not say is left out: the page is there without it.
pub async fn around(asking: &Asking, id: &str) -> (Around, Vec<Neighbour>) {
    let answer = match asking.ask::<Answer>(QUERY, json!({ "id": id })).await {
        Ok(asked) => asked.data,
        Err(error) => {
            tracing::warn!(%error, product = id, "what stands around a product is not known");
            None
        }
    };
    let Some(Answer { product, products_around, product_reads }) = answer else { return Default::default() };
    let others = products_around.unwrap_or_default();
    let mut consumers: Vec<Consumer> = Vec::new();
    for read in product_reads.into_iter().filter(|read| read.product == id) {
        let href = format!("/marketplace/{}", encode(&read.by));
        match consumers.iter_mut().find(|known| known.href == href) {
            Some(known) => known.datasets.push(read.dataset),
            None => {
                let name = others.iter().find(|o| o.id == read.by).map_or(read.by, |o| o.name.clone());
                consumers.push(Consumer { name, href, datasets: vec![read.dataset] });
            }
        }
    }
    let (points, log) = product.map(|said| (said.quality_trend, said.contract_revisions)).unwrap_or_default();
    let around =
        Around { consumers, revisions: revisions(&log.unwrap_or_default()), trend: trend(&points.unwrap_or_default()) };
    (around, others)
}

/// The rows that a sample operation gives to the visitor; none where there is no operation, or no answer.
pub async fn sample(asking: &Asking, operation: Option<&str>) -> Option<Sample> {
    let operation = operation?;
    let answer: Map<String, Value> = asking.ask(operation, json!({})).await.ok()?.data?;
    let list = answer.values().next()?.get("nodes")?.as_array()?;
    let nodes: Vec<&Map<String, Value>> = list.iter().filter_map(Value::as_object).collect();
    let mut columns: Vec<String> = nodes.first()?.keys().cloned().collect();
    // in the order of the operation, in which each stands on a line of its own
    columns.sort_by_key(|name| operation.lines().position(|line| line.trim() == name));
    let rows = nodes.iter().map(|node| columns.iter().map(|name| text(node.get(name))).collect());
    Some(Sample { rows: rows.collect(), columns })
}

/// A value as it is shown: one line, and not too long.
fn text(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    };
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    text.chars().take(LONGEST_VALUE).chain(['…']).collect()
}

fn text_of(item: &Value) -> String {
    item.as_str().map_or_else(|| item.to_string(), str::to_owned)
}
