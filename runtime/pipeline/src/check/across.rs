//! References across products: turns the keys that another product has published into a check of what refers to them.
//!
//! The other product publishes when it likes, so a reference that is not there is flagged and blocks nothing.

use super::{Check, Measure, Place, column, naming_columns};
use crate::PipelineError;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use terrane_ingest::{Upstream, Upstreams};
use terrane_manifest::{Dataset, Expectation, Field, Relationship, RuleSeverity};
use terrane_sql::Sql;
use terrane_store::StoreError;

/// Keys of one target that are asked for at most.
const MOST_KEYS: usize = 1_000_000;

/// A check of a reference, or why there is none.
pub type Across = Result<Check, String>;

/// Ask the products that `dataset` refers to for their keys, and put these where the checks find them: in tables of
/// `connection`. References to products that this one cannot ask are left out.
///
/// # Errors
/// Failures of the database; a product that does not answer is one of the results.
pub async fn references(
    connection: &mut PgConnection,
    dataset: &Dataset,
    upstreams: &Upstreams,
    place: &Place,
) -> Result<Vec<Across>, PipelineError> {
    let mut found = Vec::new();
    for (number, relationship) in dataset.relationships.iter().enumerate() {
        let Some(other) = &relationship.target.product else { continue };
        let Some(upstream) = upstreams.get(other) else { continue };
        let fields: Vec<&Field> = relationship.fields.iter().filter_map(|name| dataset.field(name)).collect();
        if fields.is_empty() {
            continue;
        }
        let keys = format!("across_{number}");
        make_table(connection, &keys, dataset, &fields, place).await?;
        match fill(connection, &keys, other, upstream, relationship).await? {
            Ok(()) => found.push(Ok(check(dataset, relationship, &fields, &keys, place))),
            Err(reason) => found.push(Err(format!("references to {other} were not checked: {reason}"))),
        }
    }
    Ok(found)
}

/// A table with the types of the fields that refer, or of the items of the one that is a list.
async fn make_table(
    connection: &mut PgConnection,
    keys: &str,
    dataset: &Dataset,
    fields: &[&Field],
    place: &Place,
) -> Result<(), PipelineError> {
    let mut sql = Sql::lit("DROP TABLE IF EXISTS pg_temp.");
    sql.ident(keys).push(";\nCREATE TEMP TABLE ").ident(keys).push(" AS SELECT ");
    for (i, field) in fields.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" });
        if field.physical.array {
            sql.push("unnest(").append(&column(&field.column)).push(")");
        } else {
            sql.append(&column(&field.column));
        }
        sql.push(" AS ").ident(&format!("k{i}"));
    }
    sql.push(" FROM ").append(&place.table(dataset)).push(" AS t WITH NO DATA");
    let made = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    made.map(|_| ()).map_err(|e| StoreError::database("make a table of keys", e).into())
}

async fn fill(
    connection: &mut PgConnection,
    keys: &str,
    other: &str,
    upstream: &Upstream,
    relationship: &Relationship,
) -> Result<Result<(), String>, PipelineError> {
    let mut insert = Sql::lit("INSERT INTO pg_temp.");
    insert.ident(keys).push(" SELECT r.* FROM jsonb_populate_recordset(NULL::pg_temp.").ident(keys).push(", $1) AS r");
    let insert = insert.into_string();
    let (mut after, mut count) = (None, 0);
    loop {
        let page = upstream.page(other, &relationship.target.dataset, &relationship.target.fields, after).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return Ok(Err(error.to_string())),
        };
        count += page.rows.len();
        if count > MOST_KEYS {
            return Ok(Err(format!("it has more than {MOST_KEYS} keys")));
        }
        let named = |row: &Value| -> Map<String, Value> {
            let values = row.as_array().into_iter().flatten().enumerate();
            values.map(|(i, value)| (format!("k{i}"), value.clone())).collect()
        };
        let rows: Vec<_> = page.rows.iter().map(|row| named(&row.0)).collect();
        let inserted = sqlx::query(AssertSqlSafe(insert.clone())).bind(json!(rows)).execute(&mut *connection).await;
        if let Err(error) = inserted {
            return match error {
                sqlx::Error::Database(_) => Ok(Err("its keys are of another type".to_owned())),
                other => Err(StoreError::database("take in the keys of another product", other).into()),
            };
        }
        after = page.end_cursor.filter(|_| page.has_next_page);
        if after.is_none() {
            return Ok(Ok(()));
        }
    }
}

fn check(dataset: &Dataset, relationship: &Relationship, fields: &[&Field], keys: &str, place: &Place) -> Check {
    let mut condition = Sql::new();
    if let [field] = fields
        && field.physical.array
    {
        condition.push("EXISTS (SELECT FROM unnest(").append(&column(&field.column));
        condition.push(") AS item WHERE item IS NOT NULL AND NOT EXISTS (SELECT FROM pg_temp.").ident(keys);
        condition.push(" AS r WHERE r.k0 = item))");
    } else {
        for field in fields {
            condition.append(&column(&field.column)).push(" IS NOT NULL AND ");
        }
        condition.push("NOT EXISTS (SELECT FROM pg_temp.").ident(keys).push(" AS r WHERE ");
        for (i, field) in fields.iter().enumerate() {
            condition.push(if i > 0 { " AND r." } else { "r." }).ident(&format!("k{i}")).push(" = ");
            condition.append(&column(&field.column));
        }
        condition.push(")");
    }
    let field = if let [one] = fields { Some(one.name.clone()) } else { None };
    Check {
        rule: format!("{}.relationship.{}", dataset.name, relationship.fields.join("+")),
        dataset: dataset.name.clone(),
        field,
        severity: RuleSeverity::Warning,
        dimension: Some("consistency".to_owned()),
        measure: Measure::Rows {
            table: place.rows(dataset),
            condition,
            binds: Vec::new(),
            key: naming_columns(dataset),
            percent: false,
        },
        expected: Expectation::Be(0.into()),
    }
}
