//! Samples: turns a dataset and what a visitor may read of it into an operation that will be answered.

use crate::Visit;
use crate::said::{DatasetInfo, FieldInfo};
use crate::types::FieldTypes;
use std::fmt::Write as _;

/// Rows that a sample asks for.
const ROWS: usize = 5;
/// Fields that a sample selects at most: enough to see what it is about.
const FIELDS: usize = 12;

/// The first rows of a dataset with the fields that the visitor may read; none where there is no such field, or the
/// data port has no list of it.
pub(crate) fn operation(dataset: &DatasetInfo, types: &FieldTypes, visit: &Visit<'_>) -> Option<String> {
    let (list, object) = (dataset.graphql_list.as_deref()?, dataset.graphql_type.as_deref()?);
    let connection = types.of("Query", list)?.trim_end_matches('!').to_owned();
    let selectable = |of: &str, field: &str| (visit.may_select)(of, field);
    if !selectable("Query", list) || !selectable(&connection, "nodes") || types.of(&connection, "nodes").is_none() {
        return None;
    }
    let may = |field: &&FieldInfo| {
        let name = field.graphql_name.as_str();
        (field.readable || field.mask.is_some())
            && field.deprecated.is_none()
            && types.is_leaf(object, name)
            && selectable(object, name)
    };
    let fields: Vec<&FieldInfo> = dataset.fields.iter().filter(may).take(FIELDS).collect();
    if fields.is_empty() {
        return None;
    }
    let mut out = format!("{{\n  {list}(first: {ROWS}) {{\n    nodes {{\n");
    for field in fields {
        writeln!(out, "      {}", field.graphql_name).expect("writing to text does not fail");
    }
    out.push_str("    }\n  }\n}");
    Some(out)
}
