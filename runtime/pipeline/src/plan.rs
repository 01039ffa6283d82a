//! Plans: turns a product, what is published and what came in into what a run must build, and what it may take over.
//!
//! Each model has a *stamp*: a hash of its text and of the stamps of what it reads, down to the input rows. A model whose
//! stamp is that of the published version would be made from the same, so its table is taken over.

use crate::PipelineError;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use terrane_manifest::{Dataset, Layer, Materialization, Model, Product, TableRef};
use terrane_store::{InputState, InputStates, Stamps, Store, StoreError, Version};
use uuid::Uuid;

/// What a run does with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make its table, or view, anew.
    Build,
    /// Take over what is published.
    Keep,
}

/// A model, what is done with it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStep {
    /// Its table.
    pub table: TableRef,
    /// What is done.
    pub action: Action,
    /// Why, in words.
    pub reason: String,
}

/// What a run does with the models, and what comes of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A step for each model, in the product's order.
    pub steps: Vec<ModelStep>,
    /// Which input rows are in the result.
    pub inputs: InputStates,
    /// What each model is made from.
    pub models: Stamps,
}

impl Plan {
    /// Whether a model's table is read from the published layer.
    pub fn keeps(&self, table: &TableRef) -> bool {
        self.steps.iter().any(|step| step.table == *table && step.action == Action::Keep)
    }
}

/// `LAYER.TABLE`.
pub fn name_of(table: &TableRef) -> String {
    format!("{}.{}", table.layer.name(), table.table)
}

/// Look at the input layer and at what is published, and plan. `run` makes models that change by themselves different
/// each time.
///
/// # Errors
/// [`StoreError::InputBusy`], and failures of the database.
pub async fn plan(store: &Store, product: &Product, run: Uuid) -> Result<Plan, PipelineError> {
    let current = store.current_version().await?;
    let before = current.as_ref().map(|version| &version.inputs);
    let mut inputs = InputStates::new();
    for dataset in product.inputs() {
        let known = before.and_then(|states| states.get(&dataset.table));
        inputs.insert(dataset.table.clone(), input_state(store, dataset, known).await?);
    }
    let newest = store.newest_version().await?;
    let published = published_tables(store).await?;
    // after a rollback, the abstraction layer is that of a later version
    let current = current.filter(|version| Some(version.version) == newest);
    Ok(decide(product, inputs, current.as_ref(), &published, run))
}

/// How far an input has come; where rows went or changed, the sum over all tells whether they are others now.
async fn input_state(
    store: &Store,
    dataset: &Dataset,
    before: Option<&InputState>,
) -> Result<InputState, PipelineError> {
    let mut state = store.input_state(dataset).await?;
    state.content = match before {
        Some(before) if before.generation == state.generation => {
            before.content.clone().filter(|_| before.has_rows_of(&state))
        }
        _ => Some(store.input_content(dataset, &state).await?),
    };
    Ok(state)
}

async fn published_tables(store: &Store) -> Result<BTreeSet<String>, PipelineError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN \
         ('abstraction', 'output') AND relkind IN ('r', 'v')",
    )
    .fetch_all(store.owner())
    .await
    .map_err(StoreError::on("look up what is published"))?;
    Ok(names.into_iter().collect())
}

fn decide(
    product: &Product,
    inputs: InputStates,
    current: Option<&Version>,
    published: &BTreeSet<String>,
    run: Uuid,
) -> Plan {
    let models = stamps(product, &inputs, run);
    let old_inputs = current.map(|version| stamps_of_inputs(product, &version.inputs)).unwrap_or_default();
    let new_inputs = stamps_of_inputs(product, &inputs);
    let mut steps = Vec::with_capacity(product.models.len());
    for model in &product.models {
        let name = name_of(&model.table());
        let before = current.and_then(|version| version.models.get(&name));
        let (action, reason) = match before {
            None if current.is_none() => (Action::Build, "nothing is published that it could be taken from".to_owned()),
            None => (Action::Build, "it is new".to_owned()),
            Some(stamp) if models.get(&name) == Some(stamp) && published.contains(&name) => {
                (Action::Keep, "neither its text nor what it reads has changed".to_owned())
            }
            Some(_) => (Action::Build, why(model, &old_inputs, &new_inputs, &steps)),
        };
        steps.push(ModelStep { table: model.table(), action, reason });
    }
    Plan { steps, inputs, models }
}

/// Why a model is built whose stamp is another one now.
fn why(
    model: &Model,
    old_inputs: &BTreeMap<TableRef, String>,
    new_inputs: &BTreeMap<TableRef, String>,
    steps: &[ModelStep],
) -> String {
    if !model.is_steady {
        return "it calls what changes by itself".to_owned();
    }
    let built = |table: &&TableRef| steps.iter().any(|s| s.table == **table && s.action == Action::Build);
    let changed = |table: &&TableRef| match table.layer {
        Layer::Input => old_inputs.get(*table) != new_inputs.get(*table),
        _ => built(table),
    };
    let changed: Vec<String> = model.depends_on.iter().filter(changed).map(name_of).collect();
    match changed.as_slice() {
        [] => "its text or its contract has changed".to_owned(),
        names => format!("{} changed", names.join(", ")),
    }
}

fn stamps_of_inputs(product: &Product, states: &InputStates) -> BTreeMap<TableRef, String> {
    let stamp = |dataset: &Dataset| {
        let table = TableRef { layer: Layer::Input, table: dataset.table.clone() };
        let word = states.get(&dataset.table).map(|state| match &state.content {
            Some(content) => format!("rows {content}"),
            None => place(state),
        });
        (table, format!("{} {}", columns(dataset), word.unwrap_or_default()))
    };
    product.inputs().map(stamp).collect()
}

fn place(state: &InputState) -> String {
    let open: String = state.open.iter().map(|open| format!(" without {}", open.batch)).collect();
    format!("place {}:{}{open}", state.generation, state.position)
}

/// Names and types of a dataset's columns.
fn columns(dataset: &Dataset) -> String {
    let columns: Vec<String> = dataset.fields.iter().map(|f| format!("{} {}", f.column, f.physical)).collect();
    columns.join(", ")
}

/// The stamp of each model.
pub fn stamps(product: &Product, inputs: &InputStates, run: Uuid) -> Stamps {
    let mut known = stamps_of_inputs(product, inputs);
    let mut stamps = Stamps::new();
    for model in &product.models {
        let mut hash = Sha256::new();
        let mut add = |word: &str| {
            hash.update((word.len() as u64).to_le_bytes());
            hash.update(word);
        };
        add(model.materialization.word());
        if let Materialization::Incremental { key } = &model.materialization {
            add(&key.join(","));
        }
        add(&model.sql);
        if let Some(dataset) = product.outputs().find(|d| model.layer == Layer::Output && d.table == model.name) {
            add(&columns(dataset));
        }
        for table in &model.depends_on {
            add(&name_of(table));
            add(known.get(table).map_or("", String::as_str));
            // equal rows of another batch are not equal to who reads the batch
            if table.layer == Layer::Input
                && reads_arrival(model, table)
                && let Some(state) = inputs.get(&table.table)
            {
                add(&place(state));
            }
        }
        if !model.is_steady {
            add(&run.to_string());
        }
        let stamp: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        stamps.insert(name_of(&model.table()), stamp.clone());
        known.insert(model.table(), stamp);
    }
    stamps
}

/// Whether a model uses the columns that say how an input row came.
fn reads_arrival(model: &Model, table: &TableRef) -> bool {
    let mut sources = model.columns.iter().flat_map(|column| column.direct.iter().chain(&column.indirect));
    sources.any(|source| source.table == *table && source.column.starts_with('_'))
        // an order or a limit is not among a column's sources
        || model.sql.contains("_position")
        || model.sql.contains("_batch")
}
