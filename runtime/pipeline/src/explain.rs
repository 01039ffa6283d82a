//! Explaining: turns what a run would do into its stages, without doing any of it.

use crate::PipelineError;
use crate::check::{Place, checks};
use crate::plan::{Action, name_of, plan};
use crate::run::Pipeline;
use std::collections::{BTreeMap, BTreeSet};
use terrane_manifest::{Layer, Materialization, TableRef};
use terrane_store::StepKind;
use uuid::Uuid;

/// A stage of a run that is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStage {
    /// What it is.
    pub kind: StepKind,
    /// Port, model, dataset or product.
    pub name: String,
    /// `pull`, `build`, `build-if-changed`, `keep`, `check` or `publish`.
    pub action: &'static str,
    /// Why, or of what.
    pub detail: String,
    /// Stages of one level wait for no other of it.
    pub level: u32,
}

impl Pipeline {
    /// The stages of a run, in their order. What a pull would bring is not known: what depends on it is built if that has
    /// changed.
    ///
    /// # Errors
    /// As those of the database.
    pub async fn explain(&self, pull: bool) -> Result<Vec<PlannedStage>, PipelineError> {
        self.amended().await?.planned(pull).await
    }

    /// The stages of a run of this pipeline's product as it is.
    pub(crate) async fn planned(&self, pull: bool) -> Result<Vec<PlannedStage>, PipelineError> {
        let product = &self.product;
        let mut stages = Vec::new();
        let mut pulled: BTreeSet<TableRef> = BTreeSet::new();
        for port in product.input_ports.iter().filter(|p| pull && p.connector.is_pulled()) {
            if let Some(dataset) = product.inputs().find(|d| d.name == port.dataset) {
                pulled.insert(TableRef { layer: Layer::Input, table: dataset.table.clone() });
            }
            let detail = format!("into input dataset {}", port.dataset);
            stages.push(PlannedStage {
                kind: StepKind::Pull,
                name: port.name.clone(),
                action: "pull",
                detail,
                level: 0,
            });
        }
        let first = u32::from(!stages.is_empty());
        let plan = plan(&self.store, product, Uuid::now_v7()).await?;
        let mut levels: BTreeMap<TableRef, u32> = BTreeMap::new();
        let mut unsure: BTreeSet<TableRef> = pulled;
        for (model, step) in product.models.iter().zip(&plan.steps) {
            let level = model.depends_on.iter().filter_map(|table| levels.get(table)).map(|level| level + 1).max();
            let level = level.unwrap_or(first);
            levels.insert(model.table(), level);
            let waits: Vec<String> =
                model.depends_on.iter().filter(|table| unsure.contains(*table)).map(name_of).collect();
            let (action, mut detail) = match step.action {
                Action::Build => ("build", step.reason.clone()),
                Action::Keep if waits.is_empty() => ("keep", step.reason.clone()),
                Action::Keep => ("build-if-changed", format!("{} may change", waits.join(", "))),
            };
            if !waits.is_empty() {
                unsure.insert(model.table());
            }
            if model.materialization != Materialization::Table {
                detail = format!("{}: {detail}", model.materialization.word());
            }
            stages.push(PlannedStage { kind: StepKind::Model, name: name_of(&step.table), action, detail, level });
        }
        let last = levels.values().max().map_or(first, |level| level + 1);
        for dataset in product.outputs() {
            let detail = format!("{} checks", checks(product, dataset, &Place::built()).len());
            let name = dataset.name.clone();
            stages.push(PlannedStage { kind: StepKind::Check, name, action: "check", detail, level: last });
        }
        stages.push(PlannedStage {
            kind: StepKind::Publish,
            name: product.id.clone(),
            action: "publish",
            detail: match self.store.newest_version().await? {
                Some(version) => format!("as version {}", version + 1),
                None => "as version 1".to_owned(),
            },
            level: last + 1,
        });
        Ok(stages)
    }
}
