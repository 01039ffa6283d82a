//! Models: turns a plan into built tables, those that don't wait for each other at the same time.

use crate::plan::{Action, ModelStep, Plan, name_of};
use crate::run::Pipeline;
use crate::{PipelineError, build};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use terrane_manifest::{Model, TableRef};
use terrane_store::{LogLevel, RunRecord, RunState, StepKind, StepOutcome};
use terrane_telemetry::{along, trace};

/// Models that are built at the same time at most; each has a connection of the pipeline's for itself.
const MOST_AT_ONCE: usize = 3;

/// A model that is done.
struct Done<'a> {
    table: TableRef,
    position: i32,
    step: &'a ModelStep,
    result: Result<StepOutcome, PipelineError>,
}

impl Pipeline {
    /// Build, or take over, each model as soon as what it reads is there. After a failure nothing more is begun.
    pub(crate) async fn build_models(&self, record: &mut RunRecord, plan: &Plan) -> Result<(), PipelineError> {
        let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).clamp(1, MOST_AT_ONCE);
        let mut waiting: Vec<(&Model, &ModelStep)> = self.product.models.iter().zip(&plan.steps).collect();
        let mut done: BTreeSet<TableRef> = BTreeSet::new();
        let mut under_way = FuturesUnordered::new();
        let mut failure = None;
        loop {
            let ready = |(model, _): &(&Model, &ModelStep)| {
                model.depends_on.iter().all(|table| done.contains(table) || !self.makes(table))
            };
            while failure.is_none() && under_way.len() < at_once {
                let Some(next) = waiting.iter().position(ready) else { break };
                let (model, step) = waiting.remove(next);
                let position = record.begin_step(StepKind::Model, &name_of(&step.table)).await?;
                under_way.push(self.build_one(model, step, plan, position));
            }
            let Some(built) = under_way.next().await else { break };
            match built.result {
                Ok(mut made) => {
                    let kept = (built.step.action == Action::Keep).then_some("taken over: ");
                    let detail = format!("{}{}", kept.unwrap_or_default(), built.step.reason);
                    let name = name_of(&built.table);
                    let line = format!("model {name}: {} rows, {detail}", made.rows.unwrap_or_default());
                    record.log(LogLevel::Info, &line).await?;
                    made.detail = Some(detail);
                    record.end_step(built.position, RunState::Succeeded, &made).await?;
                    done.insert(built.table);
                }
                Err(error) => {
                    let outcome = StepOutcome { detail: Some(error.public_text()), ..StepOutcome::default() };
                    record.end_step(built.position, RunState::Failed, &outcome).await?;
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn makes(&self, table: &TableRef) -> bool {
        self.product.models.iter().any(|model| model.table() == *table)
    }

    async fn build_one<'a>(&'a self, model: &'a Model, step: &'a ModelStep, plan: &'a Plan, position: i32) -> Done<'a> {
        let mut span = trace::span("model");
        span.set("terrane.step", name_of(&step.table));
        let work = async {
            match step.action {
                Action::Build => build::build_model(&self.store, &self.product, model, plan).await,
                Action::Keep => build::keep_model(&self.store, &self.product, model, plan).await,
            }
        };
        let result = match span.trace() {
            Some(trace) => along::with(Some(along::under(trace)), work).await,
            None => work.await,
        };
        match &result {
            Ok(made) => span.set("terrane.rows", i64::try_from(made.rows.unwrap_or_default()).unwrap_or(i64::MAX)),
            Err(_) => span.fail("step_failed"),
        }
        Done { table: model.table(), position, step, result }
    }
}
