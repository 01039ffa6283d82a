//! Model checks: turns the text of a model that is not put in into what would come of it: what is wrong with it, how Postgres
//! would make it, and what the next run would build.

use crate::PipelineError;
use crate::explain::PlannedStage;
use crate::planned::{Planned, Unplannable};
use crate::run::Pipeline;
use std::collections::BTreeMap;
use std::sync::Arc;
use terrane_diagnostics::{Diagnostic, Location, Severity};
use terrane_manifest::Product;
use terrane_store::StepKind;

/// What would come of a model.
#[derive(Debug, Clone)]
pub struct ModelCheck {
    /// What is wrong with it, or worth changing. Places in it are those of its text without the space in front.
    pub diagnostics: Vec<Diagnostic>,
    /// The product with it; none where it can't be read.
    pub product: Option<Arc<Product>>,
    /// How Postgres would make it, as EXPLAIN writes it; none where it would be refused.
    pub plan: Option<String>,
    /// The models of the next run, if nothing else came in; none where it would be refused.
    pub stages: Vec<PlannedStage>,
}

impl Pipeline {
    /// All that is checked of a model that is put in, without putting it in. Nothing of its SQL is run.
    ///
    /// # Errors
    /// [`PipelineError::Put`] where something else that was put in no longer fits; [`PipelineError::Store`].
    pub async fn check_model(&self, (layer, name): (&str, &str), sql: &str) -> Result<ModelCheck, PipelineError> {
        let path = format!("models/{layer}/{name}.sql");
        let texts = BTreeMap::from([(path.clone(), sql.trim().to_owned())]);
        let (product, mut diagnostics) = self.amended_without(&path).await?.try_models(&texts);
        // what is only worth changing in another model is not news
        diagnostics
            .retain(|found| found.severity == Severity::Error || found.locations.iter().any(|l| l.source == path));
        let Some(product) = product.map(Arc::new) else {
            return Ok(ModelCheck { diagnostics, product: None, plan: None, stages: Vec::new() });
        };
        let mut check = ModelCheck { diagnostics, product: Some(product.clone()), plan: None, stages: Vec::new() };
        match self.plan_models(&product, &path).await? {
            Planned::Not(Unplannable { file, message, place }) => {
                let (line, column) = place.unwrap_or((1, 1));
                let found = Diagnostic::error("MODEL_FAILED", format!("cannot be planned: {message}"));
                check.diagnostics.push(found.at(Location::new(file, line, column)));
            }
            Planned::As(plan) => {
                check.plan = Some(plan);
                let with = Self { product, ..self.clone() };
                check.stages = with.planned(false).await?;
                check.stages.retain(|stage| stage.kind == StepKind::Model);
            }
        }
        Ok(check)
    }
}
