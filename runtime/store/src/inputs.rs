//! Inputs: turns a product's input datasets into the tables that batches of rows go to.

use crate::tables::create_table;
use crate::{Role, StoreError};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::Product;
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
            for field in dataset.fields.iter().filter(|f| !columns.contains(&f.column)) {
                sql.push("ALTER TABLE ").qualified("input", &dataset.table).push(" ADD COLUMN ").ident(&field.column);
                sql.push(" ").append(&Sql::from_checked_text(field.physical.to_string())).push(";\n");
            }
        }
        sql.push("GRANT SELECT ON ").qualified("input", &dataset.table).push(" TO ").ident(&pipeline).push(";\n");
        sql.push("GRANT SELECT, INSERT, DELETE, TRUNCATE ON ").qualified("input", &dataset.table);
        sql.push(" TO ").ident(&control).push(";\n");
        let made = owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
        made.map_err(StoreError::on("make input tables"))?;
    }
    Ok(())
}
