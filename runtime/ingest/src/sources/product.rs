//! Other products: turns all pages of one version of a product's dataset into a batch.

use super::{Pull, Pulled};
use crate::header::Mapping;
use crate::{Given, IngestError, Upstream};
use serde_json::{Value, json};
use terrane_store::BatchMode;

/// Times that it is tried again when the product publishes in between.
const ATTEMPTS: usize = 5;

pub(super) async fn pull(pull: &Pull<'_>, product: &str, dataset: &str) -> Result<Pulled, IngestError> {
    let upstreams = pull.puller.upstreams;
    let upstream = upstreams.get(product).ok_or_else(|| IngestError::UnknownUpstream(product.to_owned()))?;
    let position = pull.position(true).await?;
    let known = position.as_ref().and_then(|p| p["version"].as_i64());
    for _ in 0..ATTEMPTS {
        if let Some(pulled) = pull_version(pull, product, dataset, upstream, known).await? {
            return Ok(pulled);
        }
    }
    let reason = format!("dataset `{dataset}` was published anew during each of {ATTEMPTS} attempts to read it");
    Err(IngestError::Upstream { product: product.to_owned(), reason })
}

/// The version that the product has now, if it is not the one that was read.
pub(super) async fn ahead(pull: &Pull<'_>, product: &str) -> Result<Option<i64>, IngestError> {
    let upstreams = pull.puller.upstreams;
    let upstream = upstreams.get(product).ok_or_else(|| IngestError::UnknownUpstream(product.to_owned()))?;
    let position = pull.position(true).await?;
    let known = position.as_ref().and_then(|p| p["version"].as_i64());
    let now = upstream.version(product).await?.map(i64::from);
    Ok(now.filter(|now| known != Some(*now)))
}

/// `None` when the version changed between pages.
async fn pull_version(
    pull: &Pull<'_>,
    product: &str,
    dataset: &str,
    upstream: &Upstream,
    known: Option<i64>,
) -> Result<Option<Pulled>, IngestError> {
    let names: Vec<String> = pull.dataset.fields.iter().map(|f| f.name.clone()).collect();
    let mut page = upstream.page(product, dataset, &names, None).await?;
    let version = page.version;
    // it published while it answered
    if version < 0 {
        return Ok(None);
    }
    if known == Some(i64::from(version)) {
        return Ok(Some(Pulled::Unchanged));
    }
    let origin = format!("{product}.{dataset}@{version}");
    let mut intake = pull.intake(&origin, BatchMode::Replace);
    let Some(sink) = intake.open(Mapping::of_contract(pull.dataset)).await? else { return Ok(None) };
    loop {
        for row in &page.rows {
            sink.begin();
            match &row.0 {
                Value::Array(values) if values.len() == sink.width() => {
                    values.iter().for_each(|value| sink.put(&Given::json(value)));
                }
                _ => sink.spoil(None, None, format!("is no list of {} values", sink.width())),
            }
            sink.end();
        }
        sink.flush().await?;
        if !page.has_next_page {
            return pull.finish(intake, json!({ "version": version })).await.map(Some);
        }
        page = upstream.page(product, dataset, &names, page.end_cursor.take()).await?;
        if page.version != version {
            return Ok(None);
        }
    }
}
