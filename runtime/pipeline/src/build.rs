//! Building: turns one model into a table of the next version, as the role that can do nothing else.

use crate::PipelineError;
use crate::rewrite::read_from_next;
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::{Layer, Model, Product};
use terrane_sql::Sql;
use terrane_store::{StepOutcome, Store, create_table};

/// Longest time that one model may take.
const MODEL_TIMEOUT: &str = "SET statement_timeout = '30min'";

/// Empty the next version's schemas: whatever an interrupted run left there goes.
pub async fn clear_next(store: &Store) -> Result<(), PipelineError> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT schemaname::text, tablename::text FROM pg_tables WHERE schemaname IN ('abstraction_next', \
         'output_next')",
    )
    .fetch_all(store.owner())
    .await
    .map_err(terrane_store::StoreError::on("look up tables of an unfinished run"))?;
    for (schema, table) in tables {
        let mut sql = Sql::lit("DROP TABLE IF EXISTS ");
        sql.qualified(&schema, &table).push(" CASCADE");
        let dropped = store.owner().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        dropped.map_err(terrane_store::StoreError::on("drop tables of an unfinished run"))?;
    }
    Ok(())
}

/// Build `model`; says how many rows and bytes it has.
pub async fn build_model(store: &Store, product: &Product, model: &Model) -> Result<StepOutcome, PipelineError> {
    let failed = |message: String| PipelineError::Model { file: model.file.clone(), message };
    let refused = |error| PipelineError::of_statement("build a model", error, |e| failed(describe(e)));
    let select = read_from_next(&model.sql).map_err(&failed)?;
    // checked by the manifest: one SELECT over this product's own layers; run as the pipeline role
    let select = Sql::from_checked_text(select);
    let schema = if model.layer == Layer::Output { "output_next" } else { "abstraction_next" };
    let mut statements = Vec::new();
    match product.outputs().find(|d| model.layer == Layer::Output && d.table == model.name) {
        Some(dataset) => {
            statements.push(create_table("output_next", dataset, false));
            let mut insert = Sql::lit("INSERT INTO ");
            insert.qualified("output_next", &dataset.table).push(" (");
            for (i, field) in dataset.fields.iter().enumerate() {
                insert.push(if i > 0 { ", " } else { "" }).ident(&field.column);
            }
            insert.push(")\nSELECT ");
            for (i, field) in dataset.fields.iter().enumerate() {
                insert.push(if i > 0 { ", " } else { "" }).push("m.").ident(&field.column);
            }
            insert.push(" FROM (\n").append(&select).push("\n) AS m");
            statements.push(insert);
        }
        None => {
            let mut create = Sql::lit("CREATE TABLE ");
            create.qualified(schema, &model.name).push(" AS\n").append(&select);
            statements.push(create);
        }
    }
    let mut connection =
        store.pipeline().acquire().await.map_err(terrane_store::StoreError::on("connect as the pipeline"))?;
    connection.execute(MODEL_TIMEOUT).await.map_err(terrane_store::StoreError::on("set a timeout"))?;
    let mut rows = 0;
    for statement in statements {
        let done = connection.execute(AssertSqlSafe(statement.into_string())).await.map_err(refused)?;
        rows = done.rows_affected();
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
