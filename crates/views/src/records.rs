//! Records: what a product says of its runs and of what they found through its standard ports, as the JSON of `schema/product.graphql`.

use crate::said::QualityResult;
use serde::Deserialize;

/// One run of the pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id.
    pub id: String,
    /// `start`, `manual`, `schedule` or `upstream`.
    pub trigger: String,
    /// Subject of who asked for it.
    pub requested_by: Option<String>,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
    /// The version it published.
    pub version: Option<i64>,
    /// Code of its failure.
    pub error_code: Option<String>,
    /// What failed.
    pub error: Option<String>,
    /// Its steps in order, with timings and row counts.
    pub steps: Vec<Step>,
}

/// One step of a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// `pull`, `model`, `check` or `publish`.
    pub kind: String,
    /// Port, model or dataset.
    pub name: String,
    /// `running`, `succeeded` or `failed`.
    pub state: String,
    /// When it began.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
    /// Rows it made or looked at; for a check, the number of rules.
    pub rows: Option<i64>,
    /// More, in words.
    pub detail: Option<String>,
}

/// What a check found at some time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastQualityResult {
    /// When.
    pub at: String,
    /// The run that checked; none where it was checked between runs.
    pub run_id: Option<String>,
    /// The version that was checked; none where the run published none.
    pub version: Option<i64>,
    /// What was found.
    pub result: QualityResult,
}
