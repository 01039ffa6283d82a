//! Constraints: turns a contract's keys, required, unique and searched fields and references into constraints and indexes
//! of a built table, so that the database keeps what the checks found true and the query path finds its indexes.

use crate::PipelineError;
use crate::build::describe;
use crate::check::composite_keys;
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::Dataset;
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
    for relationship in &dataset.relationships {
        let columns: Vec<&str> =
            relationship.fields.iter().filter_map(|name| dataset.field(name)).map(|f| f.column.as_str()).collect();
        let indexed = matches!(columns.as_slice(), [one] if is_key(one) || dataset.fields.iter().any(|f| f.unique && f.column == *one));
        let is_list = relationship.fields.iter().filter_map(|n| dataset.field(n)).any(|f| f.physical.array);
        if columns.is_empty() || indexed {
            continue;
        }
        // what is referred from is looked up by: reverse fields select by these columns
        sql.push("CREATE INDEX ON ").qualified("output_next", &dataset.table);
        sql.push(if is_list { " USING gin (" } else { " (" });
        for (i, column) in columns.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).ident(column);
        }
        sql.push(");\n");
    }
    for field in dataset.fields.iter().filter(|f| f.searchable) {
        // one for each field, because callers may read different ones; the expression is what the query path writes
        sql.push("CREATE INDEX ON ").qualified("output_next", &dataset.table).push(" USING gin (to_tsvector('");
        sql.push(dataset.search_language).push("', ").ident(&field.column).push("));\n");
    }
    sql.push("ANALYZE ").qualified("output_next", &dataset.table).push(";\n");
    let done = store.pipeline().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    done.map(|_| ()).map_err(|e| PipelineError::Constraint { dataset: dataset.name.clone(), message: describe(&e) })
}
