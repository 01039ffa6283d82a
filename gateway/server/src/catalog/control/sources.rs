//! Sources: what a product says of its input ports, where their rows come from and how that goes.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, RUN_LIMIT, ask, schema};
use super::super::runs::{Run, RunRecord};
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};

/// An input port, where its rows come from, and how that goes.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
#[graphql(name = "ProductSource")]
pub struct Source {
    /// The port.
    pub port: String,
    /// Its input dataset.
    pub dataset: String,
    /// `file`, `http`, `objects`, `postgres`, `product`, `push` or `jetstream`.
    pub connector: String,
    /// Where it reads, without secrets.
    pub place: Option<String>,
    /// When it is pulled; null where rows come by themselves.
    pub schedule: Option<SourceSchedule>,
    /// Its newest pull.
    pub last_pull: Option<SourcePull>,
    /// How far the source was read; empty where it never was, or is read from its start each time.
    pub marks: Vec<SourceMark>,
    /// Since when it stands there.
    pub marked_at: Option<Timestamp>,
    /// How the source differed from the contract when rows were taken from it last; null where it did not.
    pub drift: Option<SourceDrift>,
    /// Batches that are being written now.
    pub writing: i32,
    /// Batches that came in and are not in what is published.
    pub waiting: i32,
    /// The newest batches.
    pub batches: Vec<SourceBatch>,
    /// What came in as events, where some did.
    pub events: Option<SourceEvents>,
}

/// When an input port is pulled.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "Schedule", schema = "product")]
pub struct SourceSchedule {
    /// The cron expression in force, of five fields, in UTC; null: it is pulled on demand only.
    pub schedule: Option<String>,
    /// Whether it is also pulled when the product that it reads publishes.
    pub on_publish: bool,
    /// When it is due next.
    pub next_due: Option<Timestamp>,
}

/// A pull of an input port.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct SourcePull {
    /// Its run.
    pub run_id: String,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Rows that came in.
    pub rows: Option<i32>,
    /// Bytes that were read; null where they are not counted.
    pub bytes: Option<f64>,
    /// What is worth telling of it: why it failed, that nothing was new.
    pub detail: Option<String>,
}

/// Something by which is known how far a source was read.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct SourceMark {
    /// `etag`, `lastModified`, `cursor`, `version`, `files` (how many) or `file`.
    pub name: String,
    /// What it is; null where it is a value that you may not read.
    pub value: Option<String>,
}

/// How a source differs from the contract.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct SourceDrift {
    /// In words, without values.
    pub found: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// By which run.
    pub run_id: String,
}

/// A batch of an input dataset.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct SourceBatch {
    /// Its id.
    pub id: String,
    /// Where it came from.
    pub origin: String,
    /// `replace` or `append`.
    pub mode: String,
    /// Rows in it.
    pub rows: i32,
    /// Rows that were set aside.
    pub rejected: i32,
    /// When.
    pub received_at: Timestamp,
    /// Who sent it.
    pub received_from: Option<String>,
    /// Whether it waits for a run that publishes it.
    pub waits: bool,
}

/// What came in as events.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct SourceEvents {
    /// Stored.
    pub accepted: f64,
    /// Had been stored before.
    pub duplicates: f64,
    /// Came late.
    pub late: f64,
    /// Put aside, or refused.
    pub rejected: f64,
    /// The time of the latest.
    pub latest: Option<Timestamp>,
}

/// A row that was not taken in, or one of the things that are wrong with it.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "Reject", schema = "product")]
pub struct SourceReject {
    /// Its batch.
    pub batch: String,
    /// Its input dataset.
    pub dataset: String,
    /// Where it came from.
    pub origin: String,
    /// Whether the whole batch was refused; else it went on without the row.
    pub refused: bool,
    /// Which row of the batch, from 1; a header is row 0.
    pub row: i32,
    /// The field, where one value is wrong.
    pub field: Option<String>,
    /// The value as it came; null where there was none, and where you may not read it.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

#[derive(Debug, QueryVariables)]
struct SourcesVariables {
    batches: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "SourcesVariables")]
struct ReadSources {
    #[arguments(batches: $batches)]
    sources: Vec<Source>,
}

#[derive(Debug, QueryVariables)]
struct RejectsVariables {
    dataset: Option<String>,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "RejectsVariables")]
struct ReadRejects {
    #[arguments(dataset: $dataset, first: $first)]
    rejects: Vec<SourceReject>,
}

#[derive(Debug, QueryVariables)]
struct PullVariables {
    port: String,
    wait: bool,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "PullVariables")]
struct PullSource {
    #[arguments(port: $port, wait: $wait)]
    pull_source: RunRecord,
}

impl Asked<'_> {
    async fn sources(self, batches: i32) -> Result<Vec<Source>, ClientError> {
        let operation = ReadSources::build(SourcesVariables { batches });
        Ok(ask::<ReadSources>(self.source, self.caller, &operation, READ_LIMIT).await?.sources)
    }

    async fn source_rejects(self, dataset: Option<String>, first: i32) -> Result<Vec<SourceReject>, ClientError> {
        let operation = ReadRejects::build(RejectsVariables { dataset, first });
        Ok(ask::<ReadRejects>(self.source, self.caller, &operation, READ_LIMIT).await?.rejects)
    }

    async fn pull_source(self, port: String, wait: bool) -> Result<Run, ClientError> {
        let operation = PullSource::build(PullVariables { port, wait });
        let pulled = ask::<PullSource>(self.source, self.caller, &operation, RUN_LIMIT).await?.pull_source;
        Ok(Run::of(&self.source.name, pulled))
    }
}

/// Queries about sources.
#[derive(Debug, Default)]
pub struct SourcesQuery;

#[Object]
impl SourcesQuery {
    /// The input ports of a product: where their rows come from, how the newest pulls went, how far sources were read, and what
    /// waits; with the newest `batches` of each.
    async fn sources(
        &self,
        ctx: &Context<'_>,
        product: ID,
        #[graphql(default = 5)] batches: i32,
    ) -> Result<Vec<Source>> {
        asked(ctx, &product)?.sources(batches).await.map_err(refused)
    }

    /// The newest rows of a product that were not taken in, of one input dataset where named, and what is wrong with them. A
    /// value is null where you may not read its field.
    async fn source_rejects(
        &self,
        ctx: &Context<'_>,
        product: ID,
        dataset: Option<String>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<SourceReject>> {
        asked(ctx, &product)?.source_rejects(dataset, first).await.map_err(refused)
    }
}

/// Mutations of sources.
#[derive(Debug, Default)]
pub struct SourcesMutation;

#[Object]
impl SourcesMutation {
    /// Pull one input port of a product, and no other, then build, check and publish as any run does. Where `wait` is false, the
    /// answer is the run as it was put into the queue.
    async fn pull_source(
        &self,
        ctx: &Context<'_>,
        product: ID,
        port: String,
        #[graphql(default = true)] wait: bool,
    ) -> Result<Run> {
        asked(ctx, &product)?.pull_source(port, wait).await.map_err(refused)
    }
}
