//! Model tests: turns the tests of a product folder and an empty database into what the models make of the given rows, and
//! how that differs from what is expected.

use crate::build::{build_model, clear_next, describe};
use crate::plan::{Action, ModelStep, Plan};
use crate::rewrite::next_schema;
use crate::{PipelineError, moment};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _};
use std::collections::BTreeSet;
use terrane_manifest::{Layer, Model, ModelTest, Product, Rows, TableRef};
use terrane_sql::Sql;
use terrane_store::{InputState, InputStates, Stamps, Store, StoreError, StoreOptions};

/// Differences that are told of one table.
const MOST_TOLD: usize = 10;

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its file.
    pub file: String,
    /// What it shows.
    pub description: Option<String>,
    /// What is not as expected; empty where all is.
    pub differences: Vec<String>,
}

/// Run every model test of `product` in the database at `url`, which belongs to nobody else. Only the models that a test
/// speaks of, and those that they read, are built.
///
/// # Errors
/// Failures of the database; a model that fails is an outcome.
pub async fn run_model_tests(url: &str, product: &Product) -> Result<Vec<TestOutcome>, PipelineError> {
    let store = Store::open(&StoreOptions::new(url), product).await?;
    let mut outcomes = Vec::with_capacity(product.model_tests.len());
    for test in &product.model_tests {
        let differences = run_test(&store, product, test).await?;
        outcomes.push(TestOutcome { file: test.file.clone(), description: test.description.clone(), differences });
    }
    store.close().await;
    Ok(outcomes)
}

async fn run_test(store: &Store, product: &Product, test: &ModelTest) -> Result<Vec<String>, PipelineError> {
    clear_next(store).await?;
    for dataset in product.inputs() {
        let mut sql = Sql::lit("DELETE FROM ");
        sql.qualified("input", &dataset.table);
        let emptied = store.owner().execute(AssertSqlSafe(sql.into_string())).await;
        emptied.map_err(StoreError::on("empty an input for a test"))?;
    }
    for rows in &test.given {
        if let Err(error) = give(store, rows).await {
            return told(&rows.table, "its rows cannot be given", error);
        }
    }
    let models = needed(product, test);
    let step = |model: &&Model| ModelStep { table: model.table(), action: Action::Build, reason: String::new() };
    let steps = product.models.iter().collect::<Vec<_>>().iter().map(step).collect();
    // all that was given
    let state = InputState { position: i64::MAX, ..InputState::default() };
    let inputs: InputStates = product.inputs().map(|dataset| (dataset.table.clone(), state.clone())).collect();
    moment::hold(store, product, &inputs).await?;
    let plan = Plan { steps, inputs, models: Stamps::new() };
    for model in models {
        match build_model(store, product, model, &plan).await {
            Ok(_) => {}
            Err(error @ PipelineError::Model { .. }) => return Ok(vec![error.to_string()]),
            Err(error) => return Err(error),
        }
    }
    let mut differences = Vec::new();
    for rows in &test.expect {
        let found = match read(store, rows).await {
            Ok(found) => found,
            Err(error) => return told(&rows.table, "the expected rows cannot be compared", error),
        };
        differences.extend(compare(product, rows, found));
    }
    Ok(differences)
}

/// What the database says of a test's own rows is a difference, the rest is a failure.
fn told(table: &TableRef, what: &str, error: sqlx::Error) -> Result<Vec<String>, PipelineError> {
    match error {
        sqlx::Error::Database(_) => {
            Ok(vec![format!("{}.{}: {what}: {}", table.layer.name(), table.table, describe(&error))])
        }
        other => Err(StoreError::database("run a model test", other).into()),
    }
}

/// The models that a test speaks of, and those that they read, in the product's order.
fn needed<'p>(product: &'p Product, test: &ModelTest) -> Vec<&'p Model> {
    let mut wanted: BTreeSet<TableRef> = test.expect.iter().map(|rows| rows.table.clone()).collect();
    for model in product.models.iter().rev() {
        if wanted.contains(&model.table()) {
            wanted.extend(model.depends_on.iter().cloned());
        }
    }
    product.models.iter().filter(|model| wanted.contains(&model.table())).collect()
}

async fn give(store: &Store, rows: &Rows) -> Result<(), sqlx::Error> {
    let columns = rows.columns();
    if columns.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::lit("INSERT INTO ");
    sql.qualified("input", &rows.table.table).push(" (");
    for column in &columns {
        sql.ident(column).push(", ");
    }
    sql.push("_batch) SELECT ");
    for column in &columns {
        sql.push("r.").ident(column).push(", ");
    }
    sql.push("gen_random_uuid() FROM jsonb_populate_recordset(NULL::").qualified("input", &rows.table.table);
    sql.push(", $1) AS r");
    let given = serde_json::json!(rows.rows);
    sqlx::query(AssertSqlSafe(sql.into_string())).bind(given).execute(store.owner()).await.map(|_| ())
}

/// What a table has and should have: the columns that the test names, in the table's own types.
async fn read(store: &Store, rows: &Rows) -> Result<(Vec<Value>, Vec<Value>), sqlx::Error> {
    let schema = next_schema(rows.table.layer);
    let columns = rows.columns();
    let mut table = Sql::new();
    table.qualified(schema, &rows.table.table);
    let select = |from: &Sql| {
        let mut sql = Sql::lit("SELECT to_jsonb(x) FROM (SELECT ");
        for (i, column) in columns.iter().enumerate() {
            sql.push(if i > 0 { ", r." } else { "r." }).ident(column);
        }
        sql.push(" FROM ").append(from).push(" AS r) AS x");
        sql.into_string()
    };
    let mut expected = Sql::lit("jsonb_populate_recordset(NULL::");
    expected.append(&table).push(", $1)");
    let found = sqlx::query_scalar(AssertSqlSafe(select(&table))).fetch_all(store.owner()).await?;
    let wanted = serde_json::json!(rows.rows);
    let wanted = sqlx::query_scalar(AssertSqlSafe(select(&expected))).bind(wanted).fetch_all(store.owner()).await?;
    Ok((found, wanted))
}

/// The rows that differ: pairs of the same key column by column, the others whole.
fn compare(product: &Product, rows: &Rows, (mut found, wanted): (Vec<Value>, Vec<Value>)) -> Vec<String> {
    let mut missing = Vec::new();
    for row in wanted {
        match found.iter().position(|other| *other == row) {
            Some(place) => {
                found.swap_remove(place);
            }
            None => missing.push(row),
        }
    }
    let name = format!("{}.{}", rows.table.layer.name(), rows.table.table);
    let key = key_of(product, rows);
    let key_value = |row: &Value| -> Vec<Value> { key.iter().map(|column| row[*column].clone()).collect() };
    let mut told = Vec::new();
    for row in missing {
        match found.iter().position(|other| key_value(other) == key_value(&row)) {
            Some(place) => {
                let other = found.swap_remove(place);
                let which: Vec<String> = key.iter().map(|column| format!("{column} {}", row[*column])).collect();
                for column in rows.columns().into_iter().filter(|column| row[*column] != other[*column]) {
                    told.push(format!(
                        "{name} with {}: `{column}` is {}, expected {}",
                        which.join(", "),
                        other[column],
                        row[column]
                    ));
                }
            }
            None => told.push(format!("{name}: missing {row}")),
        }
    }
    told.extend(found.iter().map(|row| format!("{name}: not expected {row}")));
    let more = told.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        told.truncate(MOST_TOLD);
        told.push(format!("{name}: and {more} more differences"));
    }
    told
}

/// Columns by which a row is known: the contract's key where the test names it, else the first column of the model that
/// it names.
fn key_of<'r>(product: &'r Product, rows: &'r Rows) -> Vec<&'r str> {
    let columns = rows.columns();
    let dataset = product.outputs().find(|d| rows.table.layer == Layer::Output && d.table == rows.table.table);
    let key: Vec<&str> =
        dataset.map(|d| d.primary_key()).unwrap_or_default().iter().map(|f| f.column.as_str()).collect();
    if !key.is_empty() && key.iter().all(|column| columns.contains(column)) {
        return key;
    }
    let model = product.models.iter().find(|m| m.table() == rows.table);
    let mut named = model.into_iter().flat_map(|m| &m.columns).map(|c| c.name.as_str());
    named.find(|name| columns.contains(name)).into_iter().collect()
}
