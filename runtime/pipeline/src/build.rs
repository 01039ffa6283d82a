//! Building: turns one model into a table of the next version, as the role that can do nothing else.

use crate::PipelineError;
use crate::plan::Plan;
use crate::rewrite::{next_schema, read_from};
use sqlx::{AssertSqlSafe, Executor as _};
use std::collections::BTreeSet;
use terrane_manifest::{Dataset, Layer, Materialization, Model, Product, TableRef};
use terrane_sql::Sql;
use terrane_store::{StepOutcome, Store, create_table};

/// Longest time that one model may take.
const MODEL_TIMEOUT: &str = "SET statement_timeout = '30min'";

/// Empty the next version's schemas: whatever an interrupted run left there goes.
pub async fn clear_next(store: &Store) -> Result<(), PipelineError> {
    // views first: they go with what they read
    let tables: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT nspname::text, relname::text, relkind = 'v' FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE nspname IN ('input_next', 'abstraction_next', 'output_next') AND relkind IN ('r', 'v') ORDER BY relkind = 'v' DESC, 1, 2",
    )
    .fetch_all(store.owner())
    .await
    .map_err(terrane_store::StoreError::on("look up tables of an unfinished run"))?;
    for (schema, table, is_view) in tables {
        let mut sql = Sql::lit(if is_view { "DROP VIEW IF EXISTS " } else { "DROP TABLE IF EXISTS " });
        sql.qualified(&schema, &table).push(" CASCADE");
        let dropped = store.owner().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        dropped.map_err(terrane_store::StoreError::on("drop tables of an unfinished run"))?;
    }
    Ok(())
}

/// Build `model`, reading what `plan` keeps where it is published; says how many rows and bytes it has, and of a view neither.
pub async fn build_model(
    store: &Store,
    product: &Product,
    model: &Model,
    plan: &Plan,
) -> Result<StepOutcome, PipelineError> {
    let select = select_of(product, model, plan, Inputs::OfTheMoment)?;
    let schema = next_schema(model.layer);
    let mut statements = Vec::new();
    match dataset_of(product, model) {
        Some(dataset) => {
            statements.push(create_table(schema, dataset, false));
            statements.push(insert_into(schema, dataset, &select));
        }
        None => {
            let is_view = model.materialization == Materialization::View;
            let create = if is_view { "CREATE VIEW " } else { "CREATE TABLE " };
            statements.push(create_as(create, schema, model, &select));
        }
    }
    statements.extend(key_index(model, schema));
    statements.extend(driver_indexes(product, model, schema));
    run(store, model, schema, statements).await
}

/// Which rows of the inputs a statement reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inputs {
    /// Those that were there when the run was planned.
    OfTheMoment,
    /// Those that are there when it is executed.
    AsTheyAre,
}

/// A model's SELECT over what this run reads and makes.
fn select_of(product: &Product, model: &Model, plan: &Plan, inputs: Inputs) -> Result<Sql, PipelineError> {
    let is_next = |table: &TableRef| match table.layer {
        // the inputs of the moment are views; a sample is of no moment anyway
        Layer::Input => inputs == Inputs::OfTheMoment && !model.samples,
        // a table that is kept stays where it is; a view has a twin that reads the inputs of the moment
        Layer::Abstraction => {
            let is_view =
                product.models.iter().any(|m| m.table() == *table && m.materialization == Materialization::View);
            !plan.keeps(table) || (is_view && inputs == Inputs::OfTheMoment)
        }
        // one that is kept is copied, so it is read from either place
        Layer::Output => true,
    };
    let select = read_from(&model.sql, &|table| is_next(table).then(|| next_schema(table.layer)));
    let select = select.map_err(|message| PipelineError::Model { file: model.file.clone(), message })?;
    // checked by the manifest: one SELECT over this product's own layers; run as the pipeline role
    Ok(Sql::from_checked_text(select))
}

fn create_as(create: &'static str, schema: &'static str, model: &Model, select: &Sql) -> Sql {
    let mut sql = Sql::lit(create);
    sql.qualified(schema, &model.name).push(" AS\n").append(select);
    sql
}

/// Let a view that was built read the inputs as they are.
pub async fn replace_view(store: &Store, product: &Product, model: &Model, plan: &Plan) -> Result<(), PipelineError> {
    let select = select_of(product, model, plan, Inputs::AsTheyAre)?;
    let schema = next_schema(model.layer);
    let create = create_as("CREATE OR REPLACE VIEW ", schema, model, &select);
    run(store, model, schema, vec![create]).await.map(|_| ())
}

/// Take over what is published of `model`: in the abstraction layer a table stays where it is, and a view gets a twin for
/// this run, over the inputs of the moment; an output dataset is copied, because what readers see now is kept as it is.
pub async fn keep_model(
    store: &Store,
    product: &Product,
    model: &Model,
    plan: &Plan,
) -> Result<StepOutcome, PipelineError> {
    let Some(dataset) = dataset_of(product, model) else {
        return match model.materialization {
            Materialization::View => build_model(store, product, model, plan).await,
            _ => Ok(StepOutcome::default()),
        };
    };
    let mut published = Sql::lit("SELECT * FROM ");
    published.qualified("output", &dataset.table);
    let mut statements =
        vec![create_table("output_next", dataset, false), insert_into("output_next", dataset, &published)];
    statements.extend(key_index(model, "output_next"));
    statements.extend(driver_indexes(product, model, "output_next"));
    run(store, model, "output_next", statements).await
}

/// The contract's dataset that a model fills.
pub fn dataset_of<'p>(product: &'p Product, model: &Model) -> Option<&'p Dataset> {
    product.outputs().find(|d| model.layer == Layer::Output && d.table == model.name)
}

/// `INSERT INTO schema.table (…) SELECT m.… FROM (select) AS m`: by the names of the contract.
pub fn insert_into(schema: &'static str, dataset: &Dataset, select: &Sql) -> Sql {
    let mut insert = Sql::lit("INSERT INTO ");
    insert.qualified(schema, &dataset.table).push(" (");
    for (i, field) in dataset.fields.iter().enumerate() {
        insert.push(if i > 0 { ", " } else { "" }).ident(&field.column);
    }
    insert.push(")\nSELECT ");
    for (i, field) in dataset.fields.iter().enumerate() {
        insert.push(if i > 0 { ", " } else { "" }).push("m.").ident(&field.column);
    }
    insert.push(" FROM (\n").append(select).push("\n) AS m");
    insert
}

/// Rows of an incremental model are found by its key when some of them are computed anew.
fn key_index(model: &Model, schema: &'static str) -> Option<Sql> {
    let Materialization::Incremental { key } = &model.materialization else { return None };
    Some(index_on(schema, &model.name, key))
}

/// Rows of a table that drives other models are found by the keys of those, where these are not its own.
fn driver_indexes(product: &Product, model: &Model, schema: &'static str) -> Vec<Sql> {
    let own: &[String] = match &model.materialization {
        Materialization::Incremental { key } => key,
        Materialization::View => return Vec::new(),
        _ => &[],
    };
    let table = model.table();
    let drivers = product.models.iter().filter_map(|other| other.driver.as_ref()).filter(|d| d.table == table);
    let columns: BTreeSet<&[String]> = drivers.map(|driver| driver.columns.as_slice()).filter(|c| *c != own).collect();
    columns.into_iter().map(|columns| index_on(schema, &model.name, columns)).collect()
}

fn index_on(schema: &'static str, table: &str, columns: &[String]) -> Sql {
    let mut sql = Sql::lit("CREATE INDEX ON ");
    sql.qualified(schema, table).push(" (");
    for (i, column) in columns.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).ident(column);
    }
    sql.push(")");
    sql
}

/// Run a model's statements, each as one; the rows of the one that made most, and the bytes of what they made in `schema`.
async fn run(
    store: &Store,
    model: &Model,
    schema: &'static str,
    statements: Vec<Sql>,
) -> Result<StepOutcome, PipelineError> {
    let failed = |message: String| PipelineError::Model { file: model.file.clone(), message };
    let refused = |error| PipelineError::of_statement("build a model", error, |e| failed(describe(e)));
    let mut connection =
        store.pipeline().acquire().await.map_err(terrane_store::StoreError::on("connect as the pipeline"))?;
    connection.execute(MODEL_TIMEOUT).await.map_err(terrane_store::StoreError::on("set a timeout"))?;
    let mut rows = 0;
    for statement in statements {
        let done = connection.execute(AssertSqlSafe(statement.into_string())).await.map_err(refused)?;
        rows = rows.max(done.rows_affected());
    }
    let bytes: i64 = sqlx::query_scalar("SELECT pg_total_relation_size(format('%I.%I', $1::text, $2::text)::regclass)")
        .bind(schema)
        .bind(&model.name)
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    Ok(StepOutcome { rows: Some(rows), bytes: Some(bytes.unsigned_abs()), detail: None })
}

/// What Postgres says of a model's own statement: message, detail and hint are about the model and its data.
pub fn describe(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(inner) = error else { return "the database did not answer".to_owned() };
    let mut text = inner.message().to_owned();
    if let Some(error) = inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        for more in [error.detail(), error.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
    }
    text
}
