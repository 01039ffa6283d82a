//! Made from: turns the records of the input layer and the product's models into what a version was made from.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use terrane_manifest::{Connector, Product};
use uuid::Uuid;

/// What a version was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lineage {
    /// Input datasets, and the batches whose rows they had.
    pub inputs: Vec<InputLineage>,
    /// Other products, and the versions of theirs that were read.
    pub upstreams: Vec<UpstreamVersion>,
    /// Models, and the hashes of their texts.
    pub models: Vec<ModelText>,
}

/// An input dataset as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputLineage {
    /// ODCS name.
    pub dataset: String,
    /// Its batches, the oldest first; at most the newest thousand.
    pub batches: Vec<InputBatch>,
    /// Batches that are not listed.
    pub earlier: i64,
}

/// A batch of an input dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputBatch {
    /// Its id.
    pub id: Uuid,
    /// Where it came from.
    pub origin: String,
    /// Rows.
    pub rows: i64,
    /// When it was taken in.
    pub received_at: DateTime<Utc>,
}

/// A version of another product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamVersion {
    /// Its id.
    pub product: String,
    /// Its dataset.
    pub dataset: String,
    /// The number of its version.
    pub version: i64,
}

/// A model by its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelText {
    /// `LAYER.TABLE`.
    pub model: String,
    /// SHA-256 of its SQL, in hexadecimal.
    pub sha256: String,
}

/// Batches that are listed for one dataset.
const LISTED: i64 = 1000;

impl Store {
    /// The batches whose rows the input datasets have now, and the upstream versions among them: those since the last
    /// that replaced all.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn input_lineage(
        &self,
        product: &Product,
    ) -> Result<(Vec<InputLineage>, Vec<UpstreamVersion>), StoreError> {
        let what = "read what the input layer holds";
        let mut inputs = Vec::new();
        let mut upstreams = BTreeMap::new();
        for dataset in product.inputs() {
            let found: Vec<(Uuid, String, i64, DateTime<Utc>, i64)> = sqlx::query_as(
                "SELECT id, origin, rows, received_at, count(*) OVER () FROM control.batches WHERE dataset = $1 AND \
                 received_at >= coalesce((SELECT max(received_at) FROM control.batches WHERE dataset = $1 AND mode = \
                 'replace'), '-infinity') ORDER BY received_at DESC, id DESC LIMIT $2",
            )
            .bind(&dataset.name)
            .bind(LISTED)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on(what))?;
            let all = found.first().map_or(0, |(.., all)| *all);
            let batch = |(id, origin, rows, received_at, _)| InputBatch { id, origin, rows, received_at };
            let batches: Vec<InputBatch> = found.into_iter().rev().map(batch).collect();
            for batch in &batches {
                if let Some(upstream) = upstream(product, &dataset.name, &batch.origin) {
                    // the newest batch of a dataset says what it has now
                    upstreams.insert((upstream.product.clone(), upstream.dataset.clone()), upstream);
                }
            }
            let earlier = all - batches.len() as i64;
            inputs.push(InputLineage { dataset: dataset.name.clone(), batches, earlier });
        }
        Ok((inputs, upstreams.into_values().collect()))
    }
}

/// The version of another product that a batch with this origin, `PRODUCT.DATASET@VERSION`, was read from.
fn upstream(product: &Product, dataset: &str, origin: &str) -> Option<UpstreamVersion> {
    let (source, version) = origin.rsplit_once('@')?;
    let version = version.parse().ok()?;
    product.input_ports.iter().filter(|port| port.dataset == dataset).find_map(|port| match &port.connector {
        Connector::Product { product, dataset } if source == format!("{product}.{dataset}") => {
            Some(UpstreamVersion { product: product.clone(), dataset: dataset.clone(), version })
        }
        _ => None,
    })
}
