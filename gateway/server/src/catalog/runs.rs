//! Runs: what a product says of its pipeline through its standard ports.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::client::schema;
use super::timestamp::Timestamp;
use async_graphql::SimpleObject;
use cynic::QueryFragment;

/// One run of the pipeline.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct Run {
    /// Id.
    pub id: String,
    /// `start`, `manual`, `schedule` or `upstream`.
    pub trigger: String,
    /// Subject of who asked for it.
    pub requested_by: Option<String>,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began; while it is queued, when it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i32>,
    /// The version it published.
    pub version: Option<i32>,
    /// Code of its failure.
    pub error_code: Option<String>,
    /// What failed.
    pub error: Option<String>,
    /// Which attempt it is, from 1.
    pub attempt: i32,
    /// The run that it tries again.
    pub retry_of: Option<String>,
    /// Before this it does not begin.
    pub due_at: Option<Timestamp>,
    /// Who asked to cancel it.
    pub cancelled_by: Option<String>,
    /// Its steps in order, with timings and row counts.
    pub steps: Vec<Step>,
}

/// One step of a run.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct Step {
    /// `pull`, `model`, `check` or `publish`.
    pub kind: String,
    /// Port, model or dataset.
    pub name: String,
    /// `running`, `succeeded` or `failed`.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i32>,
    /// Rows it made or looked at; for a check, the number of rules.
    pub rows: Option<i32>,
    /// Bytes of what it made, on disk.
    pub bytes: Option<f64>,
    /// More, in words.
    pub detail: Option<String>,
}
