//! Putting in: turns a model or a quality rule that came in at run time into a kept one, after everything was checked that
//! can be checked without running it.

use crate::PipelineError;
use crate::amended::{base_of, refusal};
use crate::build::describe;
use crate::planned::{Planned, Unplannable, execute};
use crate::rewrite::read_from;
use crate::run::Pipeline;
use std::collections::BTreeMap;
use terrane_manifest::{Layer, RuleCheck, TableRef, fill_placeholders};
use terrane_sql::Sql;
use terrane_store::{PutModel, PutRule, StoreError, create_table};

impl Pipeline {
    /// Take in a model: the next run has it in place of the folder's of that path, or beside the others. Without `sql`,
    /// the folder's own is back. It must be one SELECT over the product's own layers, and all models together must
    /// still go with each other and the contracts, and be planned by Postgres as the role that they run as.
    ///
    /// # Errors
    /// [`PipelineError::Put`] with all that is wrong; nothing is kept then.
    pub async fn put_model(
        &self,
        (layer, name): (&str, &str),
        sql: Option<&str>,
        by: Option<&str>,
    ) -> Result<PutModel, PipelineError> {
        let path = format!("models/{layer}/{name}.sql");
        let base = base_of(&self.product, &path);
        if sql.is_none() && !self.store.put_models().await?.iter().any(|put| put.path == path) {
            let message = format!("`{layer}.{name}` was not put in, so there is nothing to take back");
            return Err(PipelineError::Put { code: "MODEL_TABLE", message });
        }
        let without = self.amended_without(&path).await?;
        let product = match sql {
            None => without,
            Some(sql) => {
                let texts = BTreeMap::from([(path.clone(), sql.to_owned())]);
                without.with_models(&texts).map_err(|found| refusal("the model is refused", &found))?
            }
        };
        if let Planned::Not(Unplannable { file, message, .. }) = self.plan_models(&product, &path).await? {
            let message = format!("model {file} cannot be planned: {message}");
            return Err(PipelineError::Put { code: "MODEL_FAILED", message });
        }
        Ok(self.store.keep_model(&path, sql, base.as_deref(), by).await?)
    }

    /// Take in a quality rule of an output dataset, or of a field of it: the next run checks it in place of the contract's
    /// of that id, or beside the others. Without `text`, the contract's own is back.
    ///
    /// # Errors
    /// As [`Pipeline::put_model`].
    pub async fn put_rule(
        &self,
        (dataset, field): (&str, Option<&str>),
        id: &str,
        text: Option<&str>,
        by: Option<&str>,
    ) -> Result<PutRule, PipelineError> {
        // names with a dot are those of rules that the contract implies
        if id.is_empty() || id.len() > 100 || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            let message = format!("`{id}` is no id of a rule: use up to 100 letters, digits, `_` and `-`");
            return Err(PipelineError::Put { code: "QUALITY_ID", message });
        }
        if let Some(text) = text {
            let read = self.product.read_rule(dataset, field, text);
            let rule = read.map_err(|found| refusal("the rule is refused", &found))?;
            if rule.id != id {
                let message = format!("the rule's own id is `{}`, not `{id}`", rule.id);
                return Err(PipelineError::Put { code: "QUALITY_ID", message });
            }
            if let RuleCheck::Sql { query, .. } = &rule.check {
                self.plan_rule(dataset, field, query).await?;
            }
        } else if !self.store.put_rules().await?.iter().any(|put| put.dataset == dataset && put.rule == id) {
            let message = format!("rule `{id}` of `{dataset}` was not put in, so there is nothing to take back");
            return Err(PipelineError::Put { code: "QUALITY_ID", message });
        }
        Ok(self.store.keep_rule((dataset, field), id, text, by).await?)
    }

    /// Let Postgres plan a rule's query over an empty table of the contract.
    async fn plan_rule(&self, dataset: &str, field: Option<&str>, query: &str) -> Result<(), PipelineError> {
        let refused = |message: &str| PipelineError::Put {
            code: "QUALITY_SQL",
            message: format!("the rule's query cannot be planned: {message}"),
        };
        let Some(dataset) = self.product.outputs().find(|d| d.name == dataset) else { return Ok(()) };
        let mut transaction = self.planning().await?;
        let mut statements = vec![create_table("output_put", dataset, false)];
        let (mut table, mut column) = (Sql::new(), Sql::new());
        table.qualified("output_put", &dataset.table);
        if let Some(field) = field.and_then(|name| dataset.field(name)) {
            column.ident(&field.column);
        }
        let filled = fill_placeholders(query, table.as_str(), column.as_str());
        // other outputs that it reads are not there, so they are read where they are published
        let own = TableRef { layer: Layer::Output, table: dataset.table.clone() };
        let filled = read_from(&filled, &|table| (*table == own).then_some("output_put"));
        let filled = filled.map_err(|message| refused(&message))?;
        let mut explain = Sql::lit("EXPLAIN SELECT (");
        explain.append(&Sql::from_checked_text(filled)).push(")::double precision");
        statements.push(explain);
        for statement in statements {
            if let Some(error) = execute(&mut transaction, statement, "plan a rule").await?.err() {
                return Err(refused(&describe(&error)));
            }
        }
        transaction.rollback().await.map_err(StoreError::on("plan a rule"))?;
        Ok(())
    }
}
