//! Sources: turns what is on record of pulls, batches and events into what is known of each input port.

use super::PortsContext;
use super::guard::{OBSERVE, RUN, internal, refused, require, require_audited};
use super::query::bounded;
use super::records::Run;
use super::schedules::{Schedule, schedules};
use async_graphql::{Context, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::HashMap;
use terrane_manifest::{Connector, Dataset, InputPort, Layer};
use terrane_pipeline::SOURCE_SCHEMA;
use terrane_store as store;
use uuid::Uuid;

/// Names of files that are told.
const MOST_FILES: usize = 20;

/// An input port, where its rows come from, and how that goes.
#[derive(SimpleObject, Debug, Clone)]
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
    pub schedule: Option<Schedule>,
    /// Its newest pull.
    pub last_pull: Option<SourcePull>,
    /// How far the source was read; empty where it never was, or is read from its start each time.
    pub marks: Vec<SourceMark>,
    /// Since when it stands there.
    pub marked_at: Option<DateTime<Utc>>,
    /// How the source differed from the contract when rows were taken from it last; null where it did not.
    pub drift: Option<SourceDrift>,
    /// Batches that are being written now.
    pub writing: i64,
    /// Batches that came in and are not in what is published.
    pub waiting: i64,
    /// The newest batches.
    pub batches: Vec<SourceBatch>,
    /// What came in as events, where some did.
    pub events: Option<SourceEvents>,
}

/// A pull of an input port.
#[derive(SimpleObject, Debug, Clone)]
pub struct SourcePull {
    /// Its run.
    pub run_id: String,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Rows that came in.
    pub rows: Option<i64>,
    /// Bytes that were read; null where they are not counted.
    pub bytes: Option<f64>,
    /// What is worth telling of it: why it failed, that nothing was new.
    pub detail: Option<String>,
}

/// Something by which is known how far a source was read.
#[derive(SimpleObject, Debug, Clone)]
pub struct SourceMark {
    /// `etag`, `lastModified`, `cursor`, `version`, `files` (how many) or `file`.
    pub name: String,
    /// What it is; null where it is a value that you may not read.
    pub value: Option<String>,
}

/// How a source differs from the contract.
#[derive(SimpleObject, Debug, Clone)]
pub struct SourceDrift {
    /// In words, without values.
    pub found: String,
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// By which run.
    pub run_id: String,
}

/// A batch of an input dataset.
#[derive(SimpleObject, Debug, Clone)]
pub struct SourceBatch {
    /// Its id.
    pub id: String,
    /// Where it came from.
    pub origin: String,
    /// `replace` or `append`.
    pub mode: String,
    /// Rows in it.
    pub rows: i64,
    /// Rows that were set aside.
    pub rejected: i64,
    /// When.
    pub received_at: DateTime<Utc>,
    /// Who sent it.
    pub received_from: Option<String>,
    /// Whether it waits for a run that publishes it.
    pub waits: bool,
}

/// What came in as events.
#[derive(SimpleObject, Debug, Clone)]
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
    pub latest: Option<DateTime<Utc>>,
}

/// Queries about sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourcesQuery;

#[Object]
impl SourcesQuery {
    /// The input ports: where their rows come from, how the newest pulls went, how far sources were read, and what waits.
    /// `batches` is how many of the newest batches of each are told.
    async fn sources(&self, ctx: &Context<'_>, #[graphql(default = 5)] batches: i32) -> Result<Vec<Source>> {
        let context = require(ctx, OBSERVE)?;
        let limit = bounded(batches)?;
        let records = Records::read(context).await.map_err(internal)?;
        let mut sources = Vec::new();
        for port in &context.service.product().input_ports {
            let newest = context.service.store().newest_batches(&port.dataset, limit).await.map_err(internal)?;
            sources.push(records.source(context, port, newest));
        }
        Ok(sources)
    }
}

/// Mutations of sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourcesMutation;

#[Object]
impl SourcesMutation {
    /// Pull one input port, and no other, then build, check and publish as any run does. Where `wait` is false, the answer is
    /// the run as it was put into the queue. Such a run is not tried again by itself.
    async fn pull_source(&self, ctx: &Context<'_>, port: String, #[graphql(default = true)] wait: bool) -> Result<Run> {
        let context = require_audited(ctx, RUN, "pullSource", Some(json!({ "port": port }))).await?;
        let service = &context.service;
        let known = service.product().input_ports.iter().any(|p| p.name == port && p.connector.is_pulled());
        if !known {
            return Err(refused("BAD_USER_INPUT", format!("there is no input port `{port}` that is pulled")));
        }
        let run = service.pull(&port, context.caller.subject.as_deref(), wait).await;
        Ok(Run::from(run.map_err(internal)?))
    }
}

/// What is on record of all ports.
struct Records {
    schedules: Vec<Schedule>,
    pulls: HashMap<String, store::PullRecord>,
    marks: HashMap<String, store::SourceRecord>,
    drift: HashMap<String, store::DriftRecord>,
    /// By table.
    writing: HashMap<String, i64>,
    waiting: HashMap<String, Vec<Uuid>>,
    events: HashMap<String, store::EventCounts>,
}

impl Records {
    async fn read(context: &PortsContext) -> Result<Self, store::StoreError> {
        let (store, product) = (context.service.store(), context.service.product());
        let (pulls, marks) = (store.newest_pulls().await?, store.source_records().await?);
        let (drift, events) = (store.drift(SOURCE_SCHEMA).await?, store.event_counts().await?);
        let published = store.current_version().await?.map(|version| version.lineage).unwrap_or_default();
        let (now, _) = store.input_lineage(product).await?;
        let waiting = now.into_iter().map(|input| {
            let before = published.inputs.iter().find(|known| known.dataset == input.dataset);
            // a batch of events grows
            let is_in = |batch: &store::InputBatch| {
                before.is_some_and(|b| b.batches.iter().any(|known| known.id == batch.id && known.rows >= batch.rows))
            };
            let waits: Vec<Uuid> = input.batches.iter().filter(|batch| !is_in(batch)).map(|batch| batch.id).collect();
            (input.dataset, waits)
        });
        Ok(Self {
            schedules: schedules(product, &store.schedules().await?, Utc::now()),
            pulls: pulls.into_iter().map(|pull| (pull.port.clone(), pull)).collect(),
            marks: marks.into_iter().map(|mark| (mark.port.clone(), mark)).collect(),
            drift: drift.into_iter().map(|drift| (drift.port.clone(), drift)).collect(),
            writing: store.batches_being_written().await?.into_iter().collect(),
            waiting: waiting.collect(),
            events: events.into_iter().map(|count| (count.dataset.clone(), count)).collect(),
        })
    }

    fn source(&self, context: &PortsContext, port: &InputPort, newest: Vec<store::BatchRecord>) -> Source {
        let dataset = context.service.product().dataset(Layer::Input, &port.dataset);
        let marked = self.marks.get(&port.name);
        let waiting = self.waiting.get(&port.dataset).map(Vec::as_slice).unwrap_or_default();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Source {
            port: port.name.clone(),
            dataset: port.dataset.clone(),
            connector: port.connector.kind().to_owned(),
            place: port.connector.place(),
            schedule: self.schedules.iter().find(|schedule| schedule.port == port.name).cloned(),
            last_pull: self.pulls.get(&port.name).map(pull),
            marks: marked.map(|m| marks(context, port, dataset, &m.state["position"])).unwrap_or_default(),
            marked_at: marked.map(|m| m.updated_at),
            drift: self.drift.get(&port.name).map(|drift| SourceDrift {
                found: drift.found.clone(),
                at: drift.at,
                run_id: drift.run_id.to_string(),
            }),
            writing: dataset.and_then(|d| self.writing.get(&d.table)).copied().unwrap_or_default(),
            waiting: count(waiting.len()),
            batches: newest.into_iter().map(|record| batch(record, waiting)).collect(),
            events: self.events.get(&port.dataset).filter(|_| port.events.is_some()).map(events),
        }
    }
}

fn pull(pull: &store::PullRecord) -> SourcePull {
    SourcePull {
        run_id: pull.run_id.to_string(),
        state: pull.state.clone(),
        started_at: pull.started_at,
        ended_at: pull.ended_at,
        rows: pull.rows,
        bytes: pull.bytes.map(|bytes| bytes as f64),
        detail: pull.detail.clone(),
    }
}

fn batch(record: store::BatchRecord, waiting: &[Uuid]) -> SourceBatch {
    SourceBatch {
        waits: waiting.contains(&record.id),
        id: record.id.to_string(),
        origin: record.origin,
        mode: record.mode,
        rows: record.rows,
        rejected: record.rejected,
        received_at: record.received_at,
        received_from: record.received_from,
    }
}

fn events(count: &store::EventCounts) -> SourceEvents {
    SourceEvents {
        accepted: count.accepted as f64,
        duplicates: count.duplicates as f64,
        late: count.late as f64,
        rejected: count.rejected as f64,
        latest: count.latest,
    }
}

/// How far a source was read, as its connector remembers it. A cursor is a value of a column, for those who may read that.
fn marks(context: &PortsContext, port: &InputPort, dataset: Option<&Dataset>, position: &Value) -> Vec<SourceMark> {
    let mark = |name: &str, value: Option<String>| SourceMark { name: name.to_owned(), value };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let known = |key: &str| Some(&position[key]).filter(|value| !value.is_null()).map(text);
    if let Some(files) = position["files"].as_object() {
        let counted = mark("files", Some(files.len().to_string()));
        let named = files.keys().rev().take(MOST_FILES).map(|name| mark("file", Some(name.clone())));
        return std::iter::once(counted).chain(named).collect();
    }
    let readable = |column: &str| {
        let field = dataset.and_then(|d| Some((d, d.fields.iter().find(|f| f.name == column || f.column == column)?)));
        field.is_some_and(|(d, f)| context.access.allows(&d.policy_object(f), "read"))
    };
    let cursor = match &port.connector {
        Connector::Postgres { cursor: Some(column), .. } => {
            known("cursor").map(|value| mark("cursor", Some(value).filter(|_| readable(column))))
        }
        _ => None,
    };
    let plain = ["etag", "lastModified", "version"].into_iter();
    plain.filter_map(|key| Some(mark(key, Some(known(key)?)))).chain(cursor).collect()
}
