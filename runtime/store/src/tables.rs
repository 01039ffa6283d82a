//! Tables: turns a dataset of a contract into the DDL of its table.

use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// `CREATE TABLE schema.table (…)` with the columns and types of the contract. Constraints come later, when the rows
/// were checked: a check can say which rows are wrong, a constraint only that one is. Input tables also carry the batch
/// that brought each row.
pub fn create_table(schema: &str, dataset: &Dataset, with_batch: bool) -> Sql {
    let mut sql = Sql::lit("CREATE TABLE ");
    sql.qualified(schema, &dataset.table).push(" (");
    for (i, field) in dataset.fields.iter().enumerate() {
        if i > 0 {
            sql.push(", ");
        }
        // the physical type is of the manifest's allow-list: see `PhysicalType`
        sql.ident(&field.column).push(" ").append(&Sql::from_checked_text(field.physical.to_string()));
    }
    if with_batch {
        sql.push(", _batch uuid NOT NULL");
    }
    sql.push(")");
    sql
}
