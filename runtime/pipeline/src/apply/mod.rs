//! Applying: turns the input rows that came in since the published version into changed rows of it, in place.
//!
//! For each model that reads what changed, the rows are computed that it has now: of an incremental model, those of the keys
//! that the new rows touch; of another one, all. They are compared with those that are there, and only what differs is
//! written. All of it, the checks, the outbox and the version's record are one transaction: see
//! [`terrane_store::Changes`].

mod checks;
mod rows;

use crate::plan::{name_of, stamps};
use crate::run::Pipeline;
use crate::{PipelineError, content_hash, model_texts};
use rows::{Extent, Refreshed};
use std::collections::{BTreeMap, BTreeSet};
use terrane_manifest::{Layer, Materialization, Model, TableRef};
use terrane_store::{Changes, InputState, InputStates, Lineage, Move, Stamps, StoreError, Version};

/// What came of the new input rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// There were none.
    Nothing,
    /// The published version has them.
    Published(Box<InPlace>),
    /// They cannot be brought in by themselves, for this reason: a run is needed, of the input layer as it is.
    NeedsRun(&'static str),
}

/// A version that was changed in place.
#[derive(Debug, Clone, PartialEq)]
pub struct InPlace {
    /// The version that readers see now. Where no output row changed, it has the number that it had.
    pub version: Version,
    /// Positions of input rows that are in it now, and were not: by table, after the first and up to the second.
    pub inputs: BTreeMap<String, (i64, i64)>,
    /// Output rows that came, went or changed.
    pub changes: u64,
}

impl Pipeline {
    /// Bring the input rows that came in since into the published version, if there are any.
    ///
    /// # Errors
    /// [`StoreError::RunInProgress`] while a run or another such change is under way; [`PipelineError::Checks`] and
    /// [`PipelineError::Constraint`] where the result would break the contract; [`PipelineError::Model`]. Nothing has
    /// changed then.
    pub async fn apply_changes(&self) -> Result<Applied, PipelineError> {
        let mut changes = self.store.lock_for_changes().await?;
        let applied = async { self.amended().await?.apply_with(&mut changes).await };
        match applied.await {
            Ok(Step::Stop(applied)) => {
                changes.abandon().await;
                Ok(applied)
            }
            Ok(Step::Commit(done)) => {
                let change = Move {
                    from: &done.from,
                    growth: &done.growth,
                    changed: done.changes > 0,
                    inputs: &done.inputs,
                    models: &done.models,
                    lineage: &done.lineage,
                };
                let version = changes.commit(done.number, &change).await?;
                Ok(Applied::Published(Box::new(InPlace { version, inputs: done.new, changes: done.changes })))
            }
            Err(error) => {
                changes.abandon().await;
                Err(error)
            }
        }
    }

    async fn apply_with(&self, changes: &mut Changes) -> Result<Step, PipelineError> {
        let stop = |reason| Ok(Step::Stop(Applied::NeedsRun(reason)));
        let Some(from) = self.store.current_version().await? else { return stop("nothing is published yet") };
        if from.content != content_hash(&self.product) {
            return stop("the product folder has changed");
        }
        let newest = self.store.newest_version().await?.unwrap_or(from.version);
        if newest != from.version {
            return stop("an earlier version was made current again");
        }
        if self.product.models.iter().any(|model| !from.models.contains_key(&name_of(&model.table()))) {
            return stop("the published version does not say what it was made from");
        }
        let mut inputs = InputStates::new();
        let mut new: BTreeMap<String, NewRows> = BTreeMap::new();
        for dataset in self.product.inputs() {
            let state = self.store.input_state(dataset).await?;
            let Some(before) = from.inputs.get(&dataset.table) else { return stop("an input is new") };
            if before.generation != state.generation {
                return stop("rows of an input went or were changed");
            }
            let same = before.has_rows_of(&state);
            if !same {
                new.insert(dataset.table.clone(), NewRows { before: before.clone(), now: state.clone() });
            }
            inputs.insert(dataset.table.clone(), if same { before.clone() } else { state });
        }
        if new.is_empty() {
            return Ok(Step::Stop(Applied::Nothing));
        }
        changes.begin().await?;
        let number = newest + 1;
        let mut work = Work { changes: &mut *changes, new: &new, refreshed: BTreeMap::new() };
        for (place, model) in self.product.models.iter().enumerate() {
            self.refresh(&mut work, place, model, number).await?;
        }
        let refreshed = work.refreshed;
        self.check_changes(changes, &refreshed).await?;
        let (mut growth, mut total) = (BTreeMap::new(), 0);
        for dataset in self.product.outputs() {
            let table = TableRef { layer: Layer::Output, table: dataset.table.clone() };
            let Some(rows) = refreshed.get(&table) else { continue };
            growth.insert(dataset.name.clone(), rows.come - rows.gone);
            total += rows.come.max(rows.gone).unsigned_abs();
        }
        let models = stamps(&self.product, &inputs, from.run_id);
        let (batches, upstreams) = self.store.input_lineage(&self.product).await?;
        let lineage = Lineage { inputs: batches, upstreams, models: model_texts(&self.product) };
        let new = new.into_iter().map(|(table, rows)| (table, (rows.before.position, rows.now.position))).collect();
        Ok(Step::Commit(Box::new(Done { from, number, growth, inputs, models, lineage, new, changes: total })))
    }

    /// Bring a model's table up to date, where something that it reads has changed.
    async fn refresh(
        &self,
        work: &mut Work<'_>,
        place: usize,
        model: &Model,
        number: i64,
    ) -> Result<(), PipelineError> {
        if model.materialization == Materialization::View {
            return Ok(());
        }
        let changed: BTreeSet<TableRef> = self.behind(model).into_iter().filter(|t| work.has_changed(t)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let extent = match &model.driver {
            Some(driver) if changed.iter().all(|table| *table == driver.table) => Extent::Keys(driver),
            _ => Extent::All,
        };
        let dataset = self.product.outputs().find(|d| model.layer == Layer::Output && d.table == model.name);
        let refreshed = rows::refresh(work, place, model, dataset, extent).await?;
        if let Some(dataset) = dataset
            && refreshed.has_changed()
        {
            work.changes.write_outbox(dataset, &refreshed.gone_table(), &refreshed.come_table(), number).await?;
        }
        work.refreshed.insert(model.table(), refreshed);
        Ok(())
    }

    /// The tables that a model reads, with what is behind views in place of them.
    fn behind(&self, model: &Model) -> BTreeSet<TableRef> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<&TableRef> = model.depends_on.iter().collect();
        while let Some(table) = waiting.pop() {
            let is_view = |m: &&Model| m.table() == *table && m.materialization == Materialization::View;
            match self.product.models.iter().find(is_view) {
                Some(view) => waiting.extend(&view.depends_on),
                None => {
                    found.insert(table.clone());
                }
            }
        }
        found
    }
}

/// Between which states of an input its new rows came.
#[derive(Debug, Default)]
struct NewRows {
    before: InputState,
    now: InputState,
}

/// What is being done.
struct Work<'a> {
    changes: &'a mut Changes,
    new: &'a BTreeMap<String, NewRows>,
    refreshed: BTreeMap<TableRef, Refreshed>,
}

impl Work<'_> {
    fn has_changed(&self, table: &TableRef) -> bool {
        match table.layer {
            Layer::Input => self.new.contains_key(&table.table),
            _ => self.refreshed.get(table).is_some_and(Refreshed::has_changed),
        }
    }
}

enum Step {
    Stop(Applied),
    Commit(Box<Done>),
}

struct Done {
    from: Version,
    number: i64,
    growth: BTreeMap<String, i64>,
    inputs: InputStates,
    models: Stamps,
    lineage: Lineage,
    new: BTreeMap<String, (i64, i64)>,
    changes: u64,
}

/// A statement on the way failed: it is the model's or the data's fault, where the database says so.
fn failed(model: &Model, error: sqlx::Error) -> PipelineError {
    match &error {
        sqlx::Error::Database(inner) if inner.code().is_some_and(|code| code.starts_with("23")) => {
            PipelineError::Constraint { dataset: model.name.clone(), message: crate::build::describe(&error) }
        }
        sqlx::Error::Database(_) => {
            PipelineError::Model { file: model.file.clone(), message: crate::build::describe(&error) }
        }
        _ => StoreError::database("change what is published", error).into(),
    }
}
