//! Records: turns runs, versions, quality results and the audit log of the store into GraphQL objects.

use super::PortsContext;
use super::guard::internal;
use super::quality::visible;
use super::query::bounded;
use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use chrono::{DateTime, Utc};
use terrane_store as store;

/// One run of the pipeline.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
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
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
    /// The version it published.
    pub version: Option<i64>,
    /// Code of its failure.
    pub error_code: Option<String>,
    /// What failed.
    pub error: Option<String>,
    /// Whether it pulls the inputs first.
    pub pulls: bool,
    /// The one input port that it pulls; null: all of them, where it pulls.
    pub only_port: Option<String>,
    /// Which attempt it is, from 1.
    pub attempt: i32,
    /// The run that it tries again.
    pub retry_of: Option<String>,
    /// When it was asked for, where it had to wait.
    pub queued_at: Option<DateTime<Utc>>,
    /// Before this it does not begin.
    pub due_at: Option<DateTime<Utc>>,
    /// Who asked to cancel it.
    pub cancelled_by: Option<String>,
}

#[ComplexObject]
impl Run {
    /// Its steps in order, with timings and row counts.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<Step>> {
        let loader = ctx.data::<async_graphql::dataloader::DataLoader<crate::loader::StepLoader>>()?;
        let id = self.id.parse().map_err(internal)?;
        let steps = loader.load_one(id).await.map_err(internal)?;
        Ok(steps.unwrap_or_default().into_iter().map(Step::from).collect())
    }

    /// What it said, from place `after` on: to read on, name the last place that you have.
    async fn log(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 200)] first: i32,
        after: Option<i32>,
    ) -> Result<Vec<LogLine>> {
        let context = ctx.data::<PortsContext>()?;
        let id = self.id.parse().map_err(internal)?;
        let lines = context.service.store().run_log(id, after, bounded(first)?).await.map_err(internal)?;
        Ok(lines.into_iter().map(LogLine::from).collect())
    }

    /// What its checks found.
    async fn quality_results(&self, ctx: &Context<'_>) -> Result<Vec<QualityResult>> {
        let context = ctx.data::<PortsContext>()?;
        let id = self.id.parse().map_err(internal)?;
        let results = context.service.store().quality_results(Some(id)).await.map_err(internal)?;
        let product = context.service.amended().await;
        Ok(visible(&product, &context.access, results))
    }
}

impl From<store::Run> for Run {
    fn from(run: store::Run) -> Self {
        Self {
            id: run.id.to_string(),
            trigger: run.trigger,
            requested_by: run.requested_by,
            state: run.state,
            started_at: run.started_at,
            milliseconds: run.ended_at.map(|end| (end - run.started_at).num_milliseconds()),
            ended_at: run.ended_at,
            version: run.version,
            error_code: run.error_code,
            error: run.error,
            pulls: run.pull,
            only_port: run.only_port,
            attempt: run.attempt,
            retry_of: run.retry_of.map(|id| id.to_string()),
            queued_at: run.queued_at,
            due_at: run.due_at,
            cancelled_by: run.cancelled_by,
        }
    }
}

/// One line of what a run said.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogLine {
    /// Place in the log, from 0.
    pub position: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// What it said.
    pub message: String,
}

impl From<store::LogLine> for LogLine {
    fn from(line: store::LogLine) -> Self {
        Self { position: line.position, at: line.at, level: line.level, message: line.message }
    }
}

/// One step of a run.
#[derive(SimpleObject, Debug, Clone)]
pub struct Step {
    /// `pull`, `model`, `check` or `publish`.
    pub kind: String,
    /// Port, model or dataset.
    pub name: String,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
    /// Rows it made or looked at; for a check, the number of rules.
    pub rows: Option<i64>,
    /// Bytes of what it made, on disk.
    pub bytes: Option<f64>,
    /// More, in words.
    pub detail: Option<String>,
}

impl From<store::Step> for Step {
    fn from(step: store::Step) -> Self {
        Self {
            kind: step.kind,
            name: step.name,
            state: step.state,
            started_at: step.started_at,
            milliseconds: step.ended_at.map(|end| (end - step.started_at).num_milliseconds()),
            rows: step.rows,
            // GraphQL's `Int` ends at 2 GiB
            bytes: step.bytes.map(|bytes| bytes as f64),
            detail: step.detail,
        }
    }
}

/// What a check found.
#[derive(SimpleObject, Debug, Clone)]
pub struct QualityResult {
    /// Rule id.
    pub rule: String,
    /// Dataset.
    pub dataset: String,
    /// Field, for rules on one.
    pub field: Option<String>,
    /// `error` blocks a publish, `warning` flags it, `info` is only shown.
    pub severity: String,
    /// ODCS dimension.
    pub dimension: Option<String>,
    /// Whether it passed.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What was measured; null where you may not read what it was measured over.
    pub measured: Option<String>,
    /// A few rows that failed, by their keys, with the fields of these that you may read.
    pub sample: Vec<serde_json::Value>,
}

/// What a check found at some time.
#[derive(SimpleObject, Debug, Clone)]
pub struct PastQualityResult {
    /// When.
    pub at: DateTime<Utc>,
    /// The run that checked; none where it was checked between runs.
    pub run_id: Option<String>,
    /// The version that was checked; none where the run published none.
    pub version: Option<i64>,
    /// What was found.
    pub result: QualityResult,
}

impl From<store::QualityResult> for QualityResult {
    fn from(result: store::QualityResult) -> Self {
        Self {
            rule: result.rule,
            dataset: result.dataset,
            field: result.field,
            severity: result.severity,
            dimension: result.dimension,
            passed: result.status == "passed",
            expected: result.expected,
            measured: Some(result.measured),
            sample: Vec::new(),
        }
    }
}

/// A published version.
#[derive(SimpleObject, Debug, Clone)]
pub struct Version {
    /// Number, from 1.
    pub version: i64,
    /// `batch` is made by a run, beside what was published; `stream` in place, by rows that came in since.
    pub kind: String,
    /// The run that made it.
    pub run_id: String,
    /// When readers first saw it.
    pub published_at: DateTime<Utc>,
    /// `current`, `kept` or `dropped`.
    pub state: String,
    /// Sizes of its datasets.
    pub datasets: Vec<DatasetSize>,
    /// When it stopped being the one that readers see.
    pub ended_at: Option<DateTime<Utc>>,
    /// When its rows were dropped.
    pub dropped_at: Option<DateTime<Utc>>,
    /// Version of the product that it was published by.
    pub product_version: Option<String>,
    /// Versions of the product's contracts.
    pub contracts: Vec<ContractVersion>,
    /// What it was made from: `inputs` with their batches, `upstreams` with their versions, `models` with the hashes of
    /// their texts.
    pub made_from: serde_json::Value,
}

/// The version of a contract.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContractVersion {
    /// Id of the contract.
    pub contract: String,
    /// Its semantic version.
    pub version: String,
}

/// A dataset's size in a version.
#[derive(SimpleObject, Debug, Clone)]
pub struct DatasetSize {
    /// Dataset.
    pub dataset: String,
    /// Rows.
    pub rows: i64,
}

impl From<store::Version> for Version {
    fn from(version: store::Version) -> Self {
        let datasets = version.datasets.into_iter();
        let contracts = version.contracts.into_iter();
        Self {
            version: version.version,
            kind: version.kind,
            run_id: version.run_id.to_string(),
            published_at: version.published_at,
            state: version.state,
            datasets: datasets.map(|d| DatasetSize { dataset: d.dataset, rows: d.rows }).collect(),
            ended_at: version.ended_at,
            dropped_at: version.dropped_at,
            product_version: version.product_version,
            contracts: contracts.map(|(contract, version)| ContractVersion { contract, version }).collect(),
            made_from: serde_json::to_value(&version.lineage).unwrap_or_default(),
        }
    }
}

/// One page of a dataset's rows.
#[derive(SimpleObject, Debug, Clone)]
pub struct RowPage {
    /// Version they are of.
    pub version: i64,
    /// Their columns, by the contract's names.
    pub columns: Vec<String>,
    /// A JSON array per row, in the order of `columns`.
    pub rows: Vec<serde_json::Value>,
    /// Where the next page starts.
    pub end_cursor: Option<String>,
    /// Whether there is one.
    pub has_next_page: bool,
}
