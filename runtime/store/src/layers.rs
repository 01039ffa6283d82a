//! Layers: turns input tables with the types of an earlier contract into those of the new one, without losing a value.
//!
//! Columns that a contract has gained are added by [`crate::inputs`]; those that it has lost stay, with what they hold, and
//! nothing reads them. Here are those of another type. The abstraction and output layers are built anew by the next run.

use crate::StoreError;
use crate::tables::create_table;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Transaction};
use terrane_manifest::{Dataset, Product};
use terrane_sql::Sql;

/// A column whose type is not that of the contract.
struct Retyped {
    column: String,
    was: String,
    is: String,
}

/// Give every input column the type of its contract.
///
/// # Errors
/// [`StoreError::Layer`] where a value would change, or does not fit; nothing is changed then.
pub async fn migrate(owner: &PgPool, product: &Product) -> Result<(), StoreError> {
    let what = "migrate input tables";
    let mut transaction = owner.begin().await.map_err(StoreError::on(what))?;
    for dataset in product.inputs() {
        let columns = retyped(&mut transaction, dataset).await?;
        if !columns.is_empty() {
            drop_views(&mut transaction).await?;
        }
        for retyped in columns {
            retype(&mut transaction, dataset, &retyped).await?;
        }
    }
    transaction.commit().await.map_err(StoreError::on(what))
}

async fn retyped(transaction: &mut Transaction<'_, Postgres>, dataset: &Dataset) -> Result<Vec<Retyped>, StoreError> {
    let what = "compare input tables with their contracts";
    let exists: bool = sqlx::query_scalar("SELECT to_regclass(format('input.%I', $1::text)) IS NOT NULL")
        .bind(&dataset.table)
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on(what))?;
    if !exists {
        return Ok(Vec::new());
    }
    // Postgres' own names of the contract's types are those of a table that is made of them
    let mut sql = Sql::lit("DROP TABLE IF EXISTS pg_temp.");
    sql.ident(&dataset.table).push(";\n").append(&create_table("pg_temp", dataset, false));
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await.map_err(StoreError::on(what))?;
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(b.atttypid, b.atttypmod) FROM \
         pg_attribute a JOIN pg_attribute b ON b.attname = a.attname WHERE a.attrelid = format('input.%I', \
         $1::text)::regclass AND b.attrelid = format('pg_temp.%I', $1::text)::regclass AND a.attnum > 0 AND b.attnum > 0 \
         AND NOT a.attisdropped AND (a.atttypid, a.atttypmod) <> (b.atttypid, b.atttypmod) ORDER BY a.attnum",
    )
    .bind(&dataset.table)
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    let mut sql = Sql::lit("DROP TABLE pg_temp.");
    sql.ident(&dataset.table);
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await.map_err(StoreError::on(what))?;
    Ok(found.into_iter().map(|(column, was, is)| Retyped { column, was, is }).collect())
}

/// Views hold on to the types of what they read. Models that are views are made again by the next run, which builds whatever
/// is not there.
async fn drop_views(transaction: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
    let what = "drop views of an earlier contract";
    let views: Vec<(String, String)> = sqlx::query_as(
        "SELECT nspname::text, relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN \
         ('abstraction', 'abstraction_next', 'input_next') AND relkind = 'v' ORDER BY 1, 2",
    )
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on(what))?;
    for (schema, view) in views {
        let mut sql = Sql::lit("DROP VIEW IF EXISTS ");
        sql.qualified(&schema, &view).push(" CASCADE");
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await.map_err(StoreError::on(what))?;
    }
    Ok(())
}

/// Change a column's type if every value of it comes back as it was from the new type.
async fn retype(
    transaction: &mut Transaction<'_, Postgres>,
    dataset: &Dataset,
    retyped: &Retyped,
) -> Result<(), StoreError> {
    let Retyped { column, was, is } = retyped;
    let refused = |reason: String| StoreError::Layer {
        table: dataset.table.clone(),
        column: column.clone(),
        reason: format!(
            "its type was {was} and is {is} in the new contract, but {reason}; send the dataset anew in the old form's \
             place before the contract changes, give the new field another name, or keep its type"
        ),
    };
    // types by the names that Postgres itself gave them
    let (old, new) = (Sql::from_checked_text(was.clone()), Sql::from_checked_text(is.clone()));
    let mut check = Sql::lit("SELECT count(*) FROM ");
    check.qualified("input", &dataset.table).push(" WHERE ").ident(column).push(" IS NOT NULL AND ").ident(column);
    check.push("::text::").append(&new).push("::text::").append(&old).push("::text IS DISTINCT FROM ").ident(column);
    check.push("::text");
    let lost: Result<i64, _> =
        sqlx::query_scalar(AssertSqlSafe(check.into_string())).fetch_one(&mut **transaction).await;
    match lost {
        Ok(0) => {}
        Ok(1) => return Err(refused("1 value would change".to_owned())),
        Ok(n) => return Err(refused(format!("{n} values would change"))),
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|c| c.starts_with("22")) => {
            return Err(refused(format!("a value does not fit ({})", e.message())));
        }
        Err(error) => return Err(StoreError::database("look whether values keep their meaning", error)),
    }
    let mut alter = Sql::lit("ALTER TABLE ");
    alter.qualified("input", &dataset.table).push(" ALTER COLUMN ").ident(column).push(" TYPE ").append(&new);
    alter.push(" USING ").ident(column).push("::text::").append(&new);
    transaction
        .execute(sqlx::raw_sql(AssertSqlSafe(alter.into_string())))
        .await
        .map(|_| ())
        .map_err(StoreError::on("change the type of an input column"))
}
