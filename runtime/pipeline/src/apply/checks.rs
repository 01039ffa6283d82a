//! Checks of changes: turns the contract's checks into the same questions about the rows that came, where those tell, and
//! about the whole table where they don't.

use super::Refreshed;
use crate::PipelineError;
use crate::check::{Place, checks, describe, measure};
use crate::run::Pipeline;
use std::collections::BTreeMap;
use terrane_manifest::{Dataset, Layer, TableRef};
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
            // keys that are gone may be missed by rows that stayed
            let mut missed = false;
            for target in dataset.relationships.iter().map(|relationship| &relationship.target) {
                let found = self.product.outputs().find(|d| target.product.is_none() && d.name == target.dataset);
                let Some((to, rows)) = found.and_then(|to| Some((to, changed(&to.table)?))) else { continue };
                if !missed && rows.gone > 0 {
                    let lost = changes.number(lost_keys(to, &target.fields, rows)).await;
                    missed = lost.map_err(|e| StoreError::database("change what is published", e))? > 0;
                }
            }
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

/// How many values of `fields` were in rows that went and are in none that came: a row that was changed has both.
fn lost_keys(dataset: &Dataset, fields: &[String], rows: &Refreshed) -> Sql {
    let mut sql = Sql::lit("SELECT count(*) FROM (");
    for (words, table) in [("SELECT ", rows.gone_table()), (" EXCEPT SELECT ", rows.come_table())] {
        sql.push(words);
        for (i, field) in fields.iter().filter_map(|name| dataset.field(name)).enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).ident(&field.column);
        }
        sql.push(" FROM ").qualified("pg_temp", &table);
    }
    sql.push(") AS lost");
    sql
}
