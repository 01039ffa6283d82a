//! Loaders: turns the steps that several runs of one response ask for into one statement.

use async_graphql::dataloader::Loader;
use std::collections::HashMap;
use std::sync::Arc;
use terrane_store::{Step, Store, StoreError};
use uuid::Uuid;

/// Steps by run.
#[derive(Debug, Clone)]
pub struct StepLoader(pub Store);

impl Loader<Uuid> for StepLoader {
    type Value = Vec<Step>;
    type Error = Arc<StoreError>;

    async fn load(&self, runs: &[Uuid]) -> Result<HashMap<Uuid, Vec<Step>>, Arc<StoreError>> {
        let mut steps: HashMap<Uuid, Vec<Step>> = HashMap::new();
        for step in self.0.steps(runs).await.map_err(Arc::new)? {
            steps.entry(step.run_id).or_default().push(step);
        }
        Ok(steps)
    }
}
