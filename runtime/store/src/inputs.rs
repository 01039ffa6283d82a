//! Inputs: turns a product's input datasets into the tables that batches of rows go to.

use crate::tables::{POSITION, create_table};
use crate::{Role, StoreError};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::{Layer, Model, Product};
use terrane_sql::Sql;

/// Make the input tables that are missing, and add the columns that the contract has gained.
pub async fn apply(owner: &PgPool, product: &Product) -> Result<(), StoreError> {
    let pipeline = Role::Pipeline.name_for(&product.id);
    let control = Role::Control.name_for(&product.id);
    for dataset in product.inputs() {
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(format('input.%I', $1::text)) AND \
             attnum > 0 AND NOT attisdropped",
        )
        .bind(&dataset.table)
        .fetch_all(owner)
        .await
        .map_err(StoreError::on("look up input tables"))?;
        let mut sql = Sql::new();
        if columns.is_empty() {
            sql.append(&create_table("input", dataset, true)).push(";\n");
        } else {
            if !columns.iter().any(|column| column == "_position") {
                sql.push("ALTER TABLE ").qualified("input", &dataset.table).push(" ADD COLUMN ").push(POSITION);
                sql.push(";\n");
            }
            for field in dataset.fields.iter().filter(|f| !columns.contains(&f.column)) {
                sql.push("ALTER TABLE ").qualified("input", &dataset.table).push(" ADD COLUMN ").ident(&field.column);
                sql.push(" ").append(&Sql::from_checked_text(field.physical.to_string())).push(";\n");
            }
        }
        sql.push("GRANT SELECT ON ").qualified("input", &dataset.table).push(" TO ").ident(&pipeline).push(";\n");
        sql.push("GRANT SELECT, INSERT, DELETE, TRUNCATE ON ").qualified("input", &dataset.table);
        sql.push(" TO ").ident(&control).push(";\n");
        sql.append(&count_generations(owner, &dataset.table).await?);
        let drives = |model: &&Model| {
            let driver = model.driver.as_ref().map(|driver| &driver.table);
            driver.is_some_and(|table| table.layer == Layer::Input && table.table == dataset.table)
        };
        for driver in product.models.iter().filter(drives).filter_map(|model| model.driver.as_ref()) {
            sql.append(&driver_indexes(owner, &dataset.table, &driver.columns).await?);
        }
        sql.push("GRANT SELECT ON ALL SEQUENCES IN SCHEMA input TO ").ident(&control).push(";\n");
        let made = owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        made.map_err(StoreError::on("make input tables"))?;
    }
    Ok(())
}

/// New rows are found by their position, and the other rows of their keys by the key. Only what is missing: making an index
/// waits for whoever writes, even where it is there already.
async fn driver_indexes(owner: &PgPool, table: &str, key: &[String]) -> Result<Sql, StoreError> {
    let mut sql = Sql::new();
    let by_key = (format!("{}_of_{table}", key.join("_")), key.to_vec());
    for (name, columns) in [(format!("position_of_{table}"), vec!["_position".to_owned()]), by_key] {
        let known: bool = sqlx::query_scalar("SELECT to_regclass(format('input.%I', $1::text)) IS NOT NULL")
            .bind(&name)
            .fetch_one(owner)
            .await
            .map_err(StoreError::on("look up indexes of input tables"))?;
        if known {
            continue;
        }
        sql.push("CREATE INDEX IF NOT EXISTS ").ident(&name).push(" ON ").qualified("input", table).push(" (");
        for (i, column) in columns.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).ident(column);
        }
        sql.push(");\n");
    }
    Ok(sql)
}

/// Rows that go or change are counted, whoever does it: what was computed from them cannot be brought up to date by the
/// rows that came. Empty where the table has its trigger already: making one waits for whoever writes.
async fn count_generations(owner: &PgPool, table: &str) -> Result<Sql, StoreError> {
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(format('input.%I', $1::text)) AND tgname = \
         'count_generation')",
    )
    .bind(table)
    .fetch_one(owner)
    .await
    .map_err(StoreError::on("look up triggers of input tables"))?;
    let mut sql = Sql::new();
    if !known {
        sql.push("CREATE TRIGGER count_generation AFTER UPDATE OR DELETE OR TRUNCATE ON ").qualified("input", table);
        sql.push(" FOR EACH STATEMENT EXECUTE FUNCTION control.count_input_generation();\n");
    }
    Ok(sql)
}
