//! Runs: turns a run that has begun into pulled inputs, built models, checks and a published version, on record.

use crate::check::{Place, checks, describe, measure, references};
use crate::noticed::noticed;
use crate::plan::{Action, Plan, plan};
use crate::{PipelineError, build, constraints, content_hash, model_texts, moment};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use terrane_ingest::{Environment, IngestError, Puller, Upstreams};
use terrane_manifest::{InputPort, Layer, Product};
use terrane_store::{
    InputLineage, Lineage, LogLevel, Publish, RunRecord, RunState, RunTrigger, StepKind, StepOutcome, Store,
    StoreError, UpstreamVersion,
};
use terrane_telemetry::{along, trace};

/// How often a run builds its models before it gives up on inputs whose rows go or change all the while.
const MOST_MOMENTS: u32 = 3;

/// Everything a run needs.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(crate) store: Store,
    pub(crate) product: Arc<Product>,
    pub(crate) folder: PathBuf,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) environment: Arc<Environment>,
}

/// Who wants a run, why, and of what.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Why.
    pub trigger: RunTrigger,
    /// Subject of who asked.
    pub by: Option<String>,
    /// Whether the input ports are pulled first, or the input layer is taken as it is.
    pub pull: bool,
}

impl Pipeline {
    /// A pipeline over `store` for the product in `folder`.
    pub fn new(store: Store, product: Arc<Product>, folder: PathBuf, upstreams: Arc<Upstreams>) -> Self {
        let environment = Arc::new(Environment::of_process());
        Self { store, product, folder, upstreams, environment }
    }

    /// Whether nothing is published, or what is published was made from another product folder.
    ///
    /// # Errors
    /// [`PipelineError::Store`].
    pub async fn is_stale(&self) -> Result<bool, PipelineError> {
        let current = self.store.current_version().await?;
        let amended = self.amended().await?;
        Ok(current.is_none_or(|version| version.content != content_hash(&amended.product)))
    }

    /// A hash of what a run would publish now, except the data: see [`content_hash`].
    ///
    /// # Errors
    /// [`PipelineError::Put`] where what was put in does not go with the folder any more; [`PipelineError::Store`].
    pub async fn content(&self) -> Result<String, PipelineError> {
        Ok(content_hash(&self.amended().await?.product))
    }

    /// The version that the product which `port` reads has published since the port was pulled, where there is one.
    ///
    /// # Errors
    /// [`IngestError`].
    pub async fn upstream_ahead(&self, port: &InputPort) -> Result<Option<i64>, IngestError> {
        self.puller().upstream_ahead(port).await
    }

    fn puller(&self) -> Puller<'_> {
        Puller {
            store: &self.store,
            product: &self.product,
            folder: &self.folder,
            upstreams: &self.upstreams,
            environment: &self.environment,
        }
    }

    pub(crate) async fn stages(&self, record: &mut RunRecord) -> Result<(), PipelineError> {
        if record.run.pull {
            Box::pin(self.pull_inputs(record)).await?;
        }
        let (plan, lineage) = Box::pin(self.build_of_one_moment(record)).await?;
        Box::pin(self.check_outputs(record)).await?;
        let (store, product, run) = (&self.store, &self.product, record.id);
        moment::release(store, product, &plan).await?;
        let built = plan.steps.iter().filter(|s| s.table.layer == Layer::Abstraction && s.action == Action::Build);
        let tables: Vec<String> = built.map(|step| step.table.table.clone()).collect();
        step(record, StepKind::Publish, &product.id, async {
            let content = content_hash(product);
            let (inputs, models, lineage) = (&plan.inputs, &plan.models, &lineage);
            let publish = Publish { product, abstraction: &tables, run, content: &content, inputs, models, lineage };
            let version = Box::pin(store.publish(&publish)).await?;
            let rows = version.datasets.iter().map(|d| d.rows.unsigned_abs()).sum();
            let detail = Some(format!("version {}", version.version));
            Ok(StepOutcome { rows: Some(rows), detail, ..StepOutcome::default() })
        })
        .await
    }

    /// Build all models from the inputs as they are at one moment. Rows that come in meanwhile are for the next run, or for
    /// the next change in place; where rows went or were changed, the moment cannot be had any more, and all is built anew.
    async fn build_of_one_moment(&self, record: &mut RunRecord) -> Result<(Plan, Lineage), PipelineError> {
        let mut attempt = 1;
        loop {
            build::clear_next(&self.store).await?;
            let before = self.store.input_lineage(&self.product).await?;
            let plan = plan(&self.store, &self.product, record.id).await?;
            moment::hold(&self.store, &self.product, &plan.inputs).await?;
            let lineage = self.lineage(before).await?;
            Box::pin(self.build_models(record, &plan)).await?;
            let Some(table) = moment::lost(&self.store, &plan.inputs).await? else { return Ok((plan, lineage)) };
            if attempt == MOST_MOMENTS {
                return Err(PipelineError::InputsChanged { table, attempts: MOST_MOMENTS });
            }
            attempt += 1;
            let line =
                format!("rows of input {table} went or were changed while the models were built: building them anew");
            record.log(LogLevel::Warning, &line).await?;
        }
    }

    /// What the tables are made from, where the input layer was `before` when the plan was about to be made. A batch that
    /// came in meanwhile may be in them: it is listed, too.
    async fn lineage(&self, before: (Vec<InputLineage>, Vec<UpstreamVersion>)) -> Result<Lineage, PipelineError> {
        let (mut inputs, upstreams) = before;
        let (after, _) = self.store.input_lineage(&self.product).await?;
        for (input, now) in inputs.iter_mut().zip(after) {
            for batch in now.batches {
                // a batch of events grows
                match input.batches.iter_mut().find(|known| known.id == batch.id) {
                    Some(known) => *known = batch,
                    None => input.batches.push(batch),
                }
            }
        }
        Ok(Lineage { inputs, upstreams, models: model_texts(&self.product) })
    }

    async fn pull_inputs(&self, record: &mut RunRecord) -> Result<(), PipelineError> {
        let (puller, run, only) = (self.puller(), record.id, record.run.only_port.clone());
        let wanted =
            |port: &&InputPort| port.connector.is_pulled() && only.as_ref().is_none_or(|only| *only == port.name);
        for port in self.product.input_ports.iter().filter(wanted) {
            let mut found = Vec::new();
            step(record, StepKind::Pull, &port.name, async {
                let pulled = Box::pin(puller.pull(port)).await;
                let pulled = pulled.map_err(|source| PipelineError::Pull { port: port.name.clone(), source })?;
                found = noticed(run, port, &pulled);
                Ok(StepOutcome { rows: Some(pulled.rows()), detail: pulled.describe(), bytes: pulled.bytes() })
            })
            .await?;
            for result in &found {
                record.record_check(result).await?;
            }
        }
        Ok(())
    }

    /// Check every output dataset; all results are recorded before the first blocking one ends the run.
    async fn check_outputs(&self, record: &mut RunRecord) -> Result<(), PipelineError> {
        let (mut broken, mut rules) = (Vec::new(), Vec::new());
        for dataset in self.product.outputs() {
            let mut checks = checks(&self.product, dataset, &Place::built());
            let mut connection =
                self.store.pipeline().acquire().await.map_err(StoreError::on("connect as the pipeline"))?;
            let mut unasked = Vec::new();
            for across in references(&mut connection, dataset, &self.upstreams, &Place::built()).await? {
                match across {
                    Ok(check) => checks.push(check),
                    Err(reason) => unasked.push(reason),
                }
            }
            let mut span = trace::span("check");
            span.set("terrane.step", dataset.name.clone());
            let position = record.begin_step(StepKind::Check, &dataset.name).await?;
            let mut failures = 0;
            for check in &checks {
                let outcome = match measure(&mut connection, check, record.id).await {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        let outcome = StepOutcome { detail: Some(error.public_text()), ..StepOutcome::default() };
                        record.end_step(position, RunState::Failed, &outcome).await?;
                        return Err(error);
                    }
                };
                record.record_check(&outcome.result).await?;
                failures += usize::from(outcome.result.status == "failed");
                if outcome.blocks {
                    broken.push(describe(&outcome));
                    rules.push(outcome.result.rule);
                }
            }
            let mut detail = format!("{} of {} checks passed", checks.len() - failures, checks.len());
            for reason in unasked {
                detail.push_str("; ");
                detail.push_str(&reason);
            }
            let state = if broken.is_empty() { RunState::Succeeded } else { RunState::Failed };
            record.log(LogLevel::Info, &format!("check {}: {detail}", dataset.name)).await?;
            let outcome = StepOutcome { rows: Some(checks.len() as u64), detail: Some(detail), bytes: None };
            record.end_step(position, state, &outcome).await?;
        }
        if !broken.is_empty() {
            let message = format!("nothing was published: {}", broken.join("; "));
            return Err(PipelineError::Checks { rules, message });
        }
        for dataset in self.product.outputs() {
            constraints::add_constraints(&self.store, dataset).await?;
        }
        Ok(())
    }
}

/// Record a step around `work`, which says what it made.
async fn step(
    record: &mut RunRecord,
    kind: StepKind,
    name: &str,
    work: impl Future<Output = Result<StepOutcome, PipelineError>>,
) -> Result<(), PipelineError> {
    let (started, work) = (Instant::now(), Box::pin(work));
    let position = record.begin_step(kind, name).await?;
    let mut span = trace::span(kind.word());
    span.set("terrane.step", name.to_owned());
    let done = match span.trace() {
        Some(trace) => along::with(Some(along::under(trace)), work).await,
        None => work.await,
    };
    match done {
        Ok(outcome) => {
            let rows = outcome.rows.unwrap_or_default();
            span.set("terrane.rows", i64::try_from(rows).unwrap_or(i64::MAX));
            record.end_step(position, RunState::Succeeded, &outcome).await?;
            let detail = outcome.detail.map_or_else(String::new, |detail| format!(", {detail}"));
            let line = format!("{} {name}: {rows} rows in {} ms{detail}", kind.word(), started.elapsed().as_millis());
            record.log(LogLevel::Info, &line).await?;
            Ok(())
        }
        Err(error) => {
            span.fail("step_failed");
            let outcome = StepOutcome { detail: Some(error.public_text()), ..StepOutcome::default() };
            record.end_step(position, RunState::Failed, &outcome).await?;
            Err(error)
        }
    }
}
