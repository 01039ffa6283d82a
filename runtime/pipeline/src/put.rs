//! Putting in: turns a model or a quality rule that came in at run time into a kept one, after everything was checked that
//! can be checked without running it.

use crate::PipelineError;
use crate::amended::{amend, base_of, refusal};
use crate::build::{dataset_of, describe, insert_into};
use crate::rewrite::read_from;
use crate::run::Pipeline;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Transaction};
use std::collections::BTreeMap;
use terrane_manifest::{Layer, Product, RuleCheck, TableRef, fill_placeholders};
use terrane_sql::Sql;
use terrane_store::{PutModel, PutRule, Role, StoreError, create_table};

/// Until planning is given up.
const LIMITS: &str = "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'";

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
        let mut models = self.store.put_models().await?;
        if sql.is_none() && !models.iter().any(|put| put.path == path) {
            let message = format!("`{layer}.{name}` was not put in, so there is nothing to take back");
            return Err(PipelineError::Put { code: "MODEL_TABLE", message });
        }
        models.retain(|put| put.path != path);
        let rules = self.store.put_rules().await?;
        let without = amend(&self.product, &models, &rules)?;
        let product = match sql {
            None => without,
            Some(sql) => {
                let texts = BTreeMap::from([(path.clone(), sql.to_owned())]);
                without.with_models(&texts).map_err(|found| refusal("the model is refused", &found))?
            }
        };
        self.plan_models(&product).await?;
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

    /// Let Postgres plan every model, each over the others as they would be, in a transaction of which nothing stays.
    async fn plan_models(&self, product: &Product) -> Result<(), PipelineError> {
        let mut transaction = self.planning().await?;
        for model in &product.models {
            let refused = |message: String| PipelineError::Put {
                code: "MODEL_FAILED",
                message: format!("model {} cannot be planned: {message}", model.file),
            };
            let select = read_from(&model.sql, &|table| put_schema(table.layer)).map_err(&refused)?;
            // checked by the manifest: one SELECT over this product's own layers; planned as the pipeline role
            let select = Sql::from_checked_text(select);
            let Some(schema) = put_schema(model.layer) else { continue };
            let mut statements = Vec::new();
            let mut explain = Sql::lit("EXPLAIN ");
            if let Some(dataset) = dataset_of(product, model) {
                statements.push(create_table(schema, dataset, false));
                explain.append(&insert_into(schema, dataset, &select));
            } else {
                let mut view = Sql::lit("CREATE VIEW ");
                view.qualified(schema, &model.name).push(" AS\n").append(&select);
                statements.push(view);
                explain.push("SELECT * FROM ").qualified(schema, &model.name);
            }
            statements.push(explain);
            for statement in statements {
                run(&mut transaction, statement, "plan a model", &refused).await?;
            }
        }
        transaction.rollback().await.map_err(StoreError::on("plan a model"))?;
        Ok(())
    }

    /// Let Postgres plan a rule's query over an empty table of the contract.
    async fn plan_rule(&self, dataset: &str, field: Option<&str>, query: &str) -> Result<(), PipelineError> {
        let refused = |message: String| PipelineError::Put {
            code: "QUALITY_SQL",
            message: format!("the rule's query cannot be planned: {message}"),
        };
        let Some(dataset) = self.product.outputs().find(|d| d.name == dataset) else { return Ok(()) };
        let mut transaction = self.planning().await?;
        run(&mut transaction, create_table("output_put", dataset, false), "plan a rule", &refused).await?;
        let (mut table, mut column) = (Sql::new(), Sql::new());
        table.qualified("output_put", &dataset.table);
        if let Some(field) = field.and_then(|name| dataset.field(name)) {
            column.ident(&field.column);
        }
        let filled = fill_placeholders(query, table.as_str(), column.as_str());
        // other outputs that it reads are not there, so they are read where they are published
        let own = TableRef { layer: Layer::Output, table: dataset.table.clone() };
        let filled = read_from(&filled, &|table| (*table == own).then_some("output_put")).map_err(&refused)?;
        let mut explain = Sql::lit("EXPLAIN SELECT (");
        explain.append(&Sql::from_checked_text(filled)).push(")::double precision");
        run(&mut transaction, explain, "plan a rule", &refused).await?;
        transaction.rollback().await.map_err(StoreError::on("plan a rule"))?;
        Ok(())
    }

    /// A transaction of the pipeline role, with schemas that nobody else sees.
    async fn planning(&self) -> Result<Transaction<'static, Postgres>, PipelineError> {
        let what = "plan what was put in";
        let mut transaction = self.store.owner().begin().await.map_err(StoreError::on(what))?;
        let role = Role::Pipeline.name_for(self.store.product());
        let mut sql = Sql::lit(LIMITS);
        for schema in ["abstraction_put", "output_put"] {
            sql.push("; CREATE SCHEMA ").ident(schema).push("; GRANT USAGE, CREATE ON SCHEMA ").ident(schema);
            sql.push(" TO ").ident(&role);
        }
        sql.push("; SET LOCAL ROLE ").ident(&role);
        let made = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        made.map_err(StoreError::on(what))?;
        Ok(transaction)
    }
}

fn put_schema(layer: Layer) -> Option<&'static str> {
    match layer {
        Layer::Input => None,
        Layer::Abstraction => Some("abstraction_put"),
        Layer::Output => Some("output_put"),
    }
}

async fn run(
    transaction: &mut Transaction<'_, Postgres>,
    statement: Sql,
    what: &'static str,
    refused: &(dyn Fn(String) -> PipelineError + Sync),
) -> Result<(), PipelineError> {
    // one statement, by the protocol that takes no more than one
    let done = transaction.execute(sqlx::query(AssertSqlSafe(statement.into_string()))).await;
    match done {
        Ok(_) => Ok(()),
        Err(error @ sqlx::Error::Database(_)) => Err(refused(describe(&error))),
        Err(error) => Err(StoreError::database(what, error).into()),
    }
}
