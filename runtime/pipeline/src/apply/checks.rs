//! Checks of changes: turns the contract's checks into the same questions about the rows that came, where those tell, and
//! about the whole table where they don't.

use super::Refreshed;
use crate::PipelineError;
use crate::check::{Place, checks, describe, measure};
use crate::run::Pipeline;
use std::collections::BTreeMap;
use terrane_manifest::{Layer, TableRef};
use terrane_sql::Sql;
use terrane_store::{Changes, StoreError};
use uuid::Uuid;

impl Pipeline {
    /// Check what was changed.
    ///
    /// # Errors
    /// [`PipelineError::Checks`], with every rule that blocks.
    pub(super) async fn check_changes(
        &self,
        changes: &mut Changes,
        refreshed: &BTreeMap<TableRef, Refreshed>,
    ) -> Result<(), PipelineError> {
        let table = |name: &str| TableRef { layer: Layer::Output, table: name.to_owned() };
        let changed = |name: &str| refreshed.get(&table(name)).filter(|rows| rows.has_changed());
        let (mut broken, mut rules) = (Vec::new(), Vec::new());
        for dataset in self.product.outputs() {
            // rows that are gone may be missed by rows that stayed
            let missed = dataset.relationships.iter().any(|relationship| {
                relationship.target.product.is_none()
                    && self.product.outputs().any(|target| {
                        target.name == relationship.target.dataset
                            && changed(&target.table).is_some_and(|rows| rows.gone > 0)
                    })
            });
            let place = match changed(&dataset.table) {
                Some(rows) if !missed => Place::changed(rows.come_table()),
                None if !missed => continue,
                _ => Place::published(),
            };
            self.act_as_pipeline(changes, true).await?;
            for check in checks(&self.product, dataset, &place) {
                let outcome = measure(&mut *changes.connection(), &check, Uuid::nil()).await?;
                if outcome.blocks {
                    broken.push(describe(&outcome));
                    rules.push(outcome.result.rule);
                }
            }
            self.act_as_pipeline(changes, false).await?;
        }
        if broken.is_empty() {
            return Ok(());
        }
        Err(PipelineError::Checks { rules, message: format!("nothing was published: {}", broken.join("; ")) })
    }

    /// Rules are a contract's own SQL: they run as what models run as.
    async fn act_as_pipeline(&self, changes: &mut Changes, pipeline: bool) -> Result<(), PipelineError> {
        let role = if pipeline { terrane_store::Role::Pipeline } else { terrane_store::Role::Owner };
        let mut sql = Sql::lit("SET LOCAL ROLE ");
        sql.ident(&role.name_for(self.store.product()));
        changes.run(sql).await.map_err(|e| StoreError::database("change what is published", e).into())
    }
}
