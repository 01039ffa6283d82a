//! Planned: turns models that are not run into how Postgres would make them, or why it can't, without anything being left of it.

use crate::PipelineError;
use crate::build::{dataset_of, describe, insert_into};
use crate::rewrite::{read_from, written_at};
use crate::run::Pipeline;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Transaction};
use terrane_manifest::{Layer, Model, Product, TableRef};
use terrane_sql::Sql;
use terrane_store::{Role, StoreError, create_table};

/// Until planning is given up.
const LIMITS: &str = "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'";

/// What Postgres says of all models together.
pub(crate) enum Planned {
    /// How it would make the one that was asked about, as EXPLAIN writes it.
    As(String),
    /// That it can't make one of them.
    Not(Unplannable),
}

/// A model that Postgres does not plan.
pub(crate) struct Unplannable {
    /// Which.
    pub file: String,
    /// Postgres's word.
    pub message: String,
    /// Line and column in the model's text, where Postgres names a place in it.
    pub place: Option<(u32, u32)>,
}

impl Pipeline {
    /// Let Postgres plan every model, each over the others as they would be, in a transaction of which nothing stays. None
    /// is run; the plan is that of the model of `path`.
    pub(crate) async fn plan_models(&self, product: &Product, path: &str) -> Result<Planned, PipelineError> {
        let mut transaction = self.planning().await?;
        let mut plan = String::new();
        for model in &product.models {
            let not =
                |message: String, place| Ok(Planned::Not(Unplannable { file: model.file.clone(), message, place }));
            let select = match read_from(&model.sql, &schema_of) {
                Ok(select) => select,
                Err(message) => return not(message, None),
            };
            let Some(statements) = statements(product, model, &select) else { continue };
            for statement in statements {
                let text = statement.as_str().to_owned();
                match execute(&mut transaction, statement, "plan a model").await? {
                    Ok(lines) if model.file == path => plan = lines.join("\n"),
                    Ok(_) => {}
                    Err(error) => return not(describe(&error), place(model, &select, &text, &error)),
                }
            }
        }
        transaction.rollback().await.map_err(StoreError::on("plan a model"))?;
        Ok(Planned::As(plan))
    }

    /// A transaction of the pipeline role, with schemas that nobody else sees.
    pub(crate) async fn planning(&self) -> Result<Transaction<'static, Postgres>, PipelineError> {
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

/// What makes a place for the models after this one, and the question how it would be made; none for a layer without models.
fn statements(product: &Product, model: &Model, select: &str) -> Option<[Sql; 2]> {
    let schema = put_schema(model.layer)?;
    // checked by the manifest: one SELECT over this product's own layers; planned as the pipeline role
    let select = Sql::from_checked_text(select);
    let mut explain = Sql::lit("EXPLAIN ");
    let place = match dataset_of(product, model) {
        Some(dataset) => {
            explain.append(&insert_into(schema, dataset, &select));
            create_table(schema, dataset, false)
        }
        None => {
            explain.push("SELECT * FROM ").qualified(schema, &model.name);
            let mut view = Sql::lit("CREATE VIEW ");
            view.qualified(schema, &model.name).push(" AS\n").append(&select);
            view
        }
    };
    Some([place, explain])
}

/// Where in a model's text an error is that Postgres gives for a statement with `select` in it.
fn place(model: &Model, select: &str, statement: &str, error: &sqlx::Error) -> Option<(u32, u32)> {
    let sqlx::Error::Database(inner) = error else { return None };
    let position = inner.try_downcast_ref::<PgDatabaseError>()?.position()?;
    // characters, from 1
    let PgErrorPosition::Original(position) = position else { return None };
    let before = statement[..statement.find(select)?].chars().count();
    let at = position.checked_sub(before + 1)?;
    if at >= select.chars().count() {
        return None;
    }
    written_at(&model.sql, &schema_of, at)
}

fn schema_of(table: &TableRef) -> Option<&'static str> {
    put_schema(table.layer)
}

fn put_schema(layer: Layer) -> Option<&'static str> {
    match layer {
        Layer::Input => None,
        Layer::Abstraction => Some("abstraction_put"),
        Layer::Output => Some("output_put"),
    }
}

/// The rows, which are text, of one statement; or what is wrong with the statement.
pub(crate) async fn execute(
    transaction: &mut Transaction<'_, Postgres>,
    statement: Sql,
    what: &'static str,
) -> Result<Result<Vec<String>, sqlx::Error>, PipelineError> {
    // one statement, by the protocol that takes no more than one
    let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(statement.into_string()));
    match rows.fetch_all(&mut **transaction).await {
        Ok(rows) => Ok(Ok(rows)),
        Err(error @ sqlx::Error::Database(_)) => Ok(Err(error)),
        Err(error) => Err(StoreError::database(what, error).into()),
    }
}
