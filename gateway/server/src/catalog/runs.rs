//! Runs: what a product says of its pipeline through its standard ports.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::access::Asked;
use super::client::{ClientError, READ_LIMIT, ask, schema};
use super::schema::{asked, refused};
use super::timestamp::Timestamp;
use async_graphql::{ComplexObject, Context, ID, SimpleObject};
use cynic::{QueryBuilder as _, QueryFragment, QueryVariables};

/// One run of the pipeline.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Run {
    #[graphql(flatten)]
    record: RunRecord,
    #[graphql(skip)]
    product: ID,
}

impl Run {
    /// A run of `product`.
    pub fn of(product: &str, record: RunRecord) -> Self {
        Self { record, product: product.into() }
    }
}

#[ComplexObject]
impl Run {
    /// What it said, from place `after` on: to read on, name the last place that you have.
    async fn log(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 200)] first: i32,
        after: Option<i32>,
    ) -> async_graphql::Result<Vec<LogLine>> {
        let id = self.record.id.clone();
        asked(ctx, &self.product)?.run_log(LogVariables { id, first, after }).await.map_err(refused)
    }
}

/// A run as its product tells it.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "Run", schema = "product")]
pub struct RunRecord {
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
    /// Whether it pulls the inputs first.
    pub pulls: bool,
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

/// One line of what a run said.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct LogLine {
    /// Place in the log, from 0.
    pub position: i32,
    /// When.
    pub at: Timestamp,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// What it said.
    pub message: String,
}

/// Which lines of which run.
#[derive(Debug, QueryVariables)]
pub struct LogVariables {
    id: String,
    first: i32,
    after: Option<i32>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "LogVariables")]
struct LoggedRun {
    #[arguments(id: $id)]
    run: Option<Log>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Run", schema = "product", variables = "LogVariables")]
struct Log {
    #[arguments(first: $first, after: $after)]
    log: Vec<LogLine>,
}

impl Asked<'_> {
    /// What a run said; nothing where there is no such run any more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn run_log(self, variables: LogVariables) -> Result<Vec<LogLine>, ClientError> {
        let data: LoggedRun = ask(self.source, self.caller, &LoggedRun::build(variables), READ_LIMIT).await?;
        Ok(data.run.map(|run| run.log).unwrap_or_default())
    }
}
