//! Tables: turns a dataset of a contract into the DDL of its table.

use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// The column of input tables by which rows that came since are found. Numbers of one session are never kept for later
/// (`CACHE 1`): a row that is written after one has a higher number than it.
pub(crate) const POSITION: &str = "_position bigint GENERATED ALWAYS AS IDENTITY (CACHE 1)";

/// `CREATE TABLE schema.table (…)` with the columns and types of the contract. Constraints come later, when the rows
/// were checked: a check can say which rows are wrong, a constraint only that one is. Input tables also carry the batch
/// that brought each row, and the row's place in the order of arrival.
pub fn create_table(schema: &str, dataset: &Dataset, is_input: bool) -> Sql {
    let mut sql = Sql::lit("CREATE TABLE ");
    sql.qualified(schema, &dataset.table).push(" (");
    for (i, field) in dataset.fields.iter().enumerate() {
        if i > 0 {
            sql.push(", ");
        }
        // the physical type is of the manifest's allow-list: see `PhysicalType`
        sql.ident(&field.column).push(" ").append(&Sql::from_checked_text(field.physical.to_string()));
    }
    if is_input {
        sql.push(", _batch uuid NOT NULL, ").push(POSITION);
    }
    sql.push(")");
    sql
}
