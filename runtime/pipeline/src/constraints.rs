//! Constraints: turns a contract's keys, required, unique and searched fields and references into constraints and indexes
//! of a built table, so that the database keeps what the checks found true and the query path finds its indexes.

use crate::PipelineError;
use crate::build::describe;
use crate::check::composite_keys;
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::{Dataset, Index};
use terrane_sql::Sql;
use terrane_store::Store;

/// Add them to `output_next`, and let the planner see the table's statistics.
pub async fn add_constraints(store: &Store, dataset: &Dataset) -> Result<(), PipelineError> {
    let mut sql = Sql::new();
    let alter = |sql: &mut Sql| {
        sql.push("ALTER TABLE ").qualified("output_next", &dataset.table);
    };
    for field in dataset.fields.iter().filter(|f| f.required || f.key_position.is_some()) {
        alter(&mut sql);
        sql.push(" ALTER COLUMN ").ident(&field.column).push(" SET NOT NULL;\n");
    }
    let key = dataset.primary_key();
    if !key.is_empty() {
        alter(&mut sql);
        sql.push(" ADD PRIMARY KEY (");
        for (i, field) in key.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).ident(&field.column);
        }
        sql.push(");\n");
    }
    let is_key = |column: &str| key.len() == 1 && key[0].column == column;
    for field in dataset.fields.iter().filter(|f| f.unique && !is_key(&f.column)) {
        alter(&mut sql);
        sql.push(" ADD UNIQUE (").ident(&field.column).push(");\n");
    }
    for key in composite_keys(dataset) {
        alter(&mut sql);
        for (i, field) in key.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { " ADD UNIQUE (" }).ident(&field.column);
        }
        sql.push(");\n");
    }
    for field in dataset.fields.iter().filter(|f| f.searchable) {
        // one for each field, because callers may read different ones; the expression is what the query path writes
        sql.push("CREATE INDEX ON ").qualified("output_next", &dataset.table).push(" USING gin (to_tsvector('");
        sql.push(dataset.search_language).push("', ").ident(&field.column).push("));\n");
    }
    for index in &dataset.indexes {
        push_index(&mut sql, dataset, index);
    }
    push_relationship_indexes(&mut sql, dataset);
    sql.push("ANALYZE ").qualified("output_next", &dataset.table).push(";\n");
    let done = store.pipeline().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    let refused = |e: &sqlx::Error| PipelineError::Constraint { dataset: dataset.name.clone(), message: describe(e) };
    done.map(|_| ()).map_err(|e| PipelineError::of_statement("add constraints", e, refused))
}

/// An index that the contract asks for. Its order is written as the data port writes its own: Postgres reads an order
/// from an index only where both agree on nulls, and a column without nulls is ordered without a word on them.
fn push_index(sql: &mut Sql, dataset: &Dataset, index: &Index) {
    sql.push("CREATE INDEX ON ").qualified("output_next", &dataset.table).push(" (");
    for (i, column) in index.columns.iter().enumerate() {
        let Some(field) = dataset.field(&column.field) else { continue };
        sql.push(if i > 0 { ", " } else { "" }).ident(&field.column);
        sql.push(if column.descending { " DESC" } else { "" });
        let nullable = !field.required && field.key_position.is_none();
        if nullable && column.nulls_first != column.descending {
            sql.push(if column.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    }
    sql.push(");\n");
}

/// What is referred from is looked up by: reverse fields select by these columns, and list what they find in the order of
/// the key, a page at a time. Where the key, a unique field or an index of the contract gives that, it serves.
fn push_relationship_indexes(sql: &mut Sql, dataset: &Dataset) {
    let key: Vec<&str> = dataset.primary_key().iter().map(|f| f.name.as_str()).collect();
    let mut indexed: Vec<Vec<&str>> = vec![key.clone()];
    indexed.extend(dataset.indexes.iter().map(|i| i.columns.iter().map(|c| c.field.as_str()).collect()));
    for relationship in &dataset.relationships {
        let fields: Vec<_> = relationship.fields.iter().filter_map(|name| dataset.field(name)).collect();
        if fields.is_empty() {
            continue;
        }
        let mut columns: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        let is_list = fields.iter().any(|f| f.physical.array);
        // one row at most has the value: there is nothing to order
        let alone = matches!(fields.as_slice(), [one] if one.unique);
        if !is_list {
            let rest: Vec<&str> = key.iter().copied().filter(|name| !columns.contains(name)).collect();
            columns.extend(rest);
            if alone || indexed.iter().any(|known| known.starts_with(&columns)) {
                continue;
            }
        }
        sql.push("CREATE INDEX ON ").qualified("output_next", &dataset.table);
        sql.push(if is_list { " USING gin (" } else { " (" });
        for (i, field) in columns.iter().filter_map(|name| dataset.field(name)).enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).ident(&field.column);
        }
        sql.push(");\n");
        if !is_list {
            indexed.push(columns);
        }
    }
}
