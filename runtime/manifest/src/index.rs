//! Indexes: turns the custom property `index` of a dataset into the indexes that its table gets.
//!
//! The property is a list; each entry lists fields in their order, such as `country_code, population desc, id`. A field may
//! be followed by `asc` or `desc`, and by `nulls first` or `nulls last`.

use crate::dataset::{Field, Index, IndexColumn};
use crate::types::PgType;
use crate::yaml::Node;

/// More columns than this make no index of Postgres.
const MOST_COLUMNS: usize = 32;
/// Every index slows each publish: more than this is a mistake.
const MOST_INDEXES: usize = 16;

/// Read the property of `object`, whose fields are `fields`; what is wrong becomes findings.
pub(crate) fn read_indexes(object: &Node<'_>, dataset: &str, fields: &[Field]) -> Vec<Index> {
    let Some(property) = object.custom("index") else { return Vec::new() };
    let entries = property.items();
    if entries.is_empty() || entries.len() > MOST_INDEXES {
        let message = format!("the `index` of dataset `{dataset}` is no list of 1 to {MOST_INDEXES} entries");
        property.error("DATASET_INDEX", message, "write `value: [\"country_code, population desc\"]`");
        return Vec::new();
    }
    let mut indexes: Vec<Index> = Vec::new();
    for entry in &entries {
        let read = entry.as_text().ok_or_else(|| "it is no text".to_owned()).and_then(|text| read_index(&text, fields));
        match read {
            Ok(index) if indexes.contains(&index) => {
                entry.error("DATASET_INDEX", format!("dataset `{dataset}` has this index twice"), "remove one");
            }
            Ok(index) => indexes.push(index),
            Err(problem) => {
                let message = format!("an `index` of dataset `{dataset}` cannot be made: {problem}");
                entry.error("DATASET_INDEX", message, "list fields with commas: `country_code, population desc, id`");
            }
        }
    }
    indexes
}

fn read_index(text: &str, fields: &[Field]) -> Result<Index, String> {
    let mut columns: Vec<IndexColumn> = Vec::new();
    for part in text.split(',') {
        let column = read_column(part, fields)?;
        if columns.iter().any(|c| c.field == column.field) {
            return Err(format!("it names `{}` twice", column.field));
        }
        columns.push(column);
    }
    if columns.len() > MOST_COLUMNS {
        return Err(format!("it has {} columns; at most {MOST_COLUMNS} are possible", columns.len()));
    }
    Ok(Index { columns })
}

/// Nulls come last where nothing is said, as in the data port's orders.
fn read_column(text: &str, fields: &[Field]) -> Result<IndexColumn, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((name, how)) = words.split_first() else { return Err("a field's name is missing".to_owned()) };
    let field = fields.iter().find(|f| f.name == **name).ok_or_else(|| format!("`{name}` is no field"))?;
    let how: Vec<String> = how.iter().map(|w| w.to_ascii_lowercase()).collect();
    let how: Vec<&str> = how.iter().map(String::as_str).collect();
    let (descending, nulls) = match how.as_slice() {
        ["asc", rest @ ..] => (false, rest),
        ["desc", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let nulls_first = match nulls {
        [] | ["nulls", "last"] => false,
        ["nulls", "first"] => true,
        _ => return Err(format!("`{}` says no order; write asc, desc, nulls first or nulls last", text.trim())),
    };
    if field.physical.array || matches!(field.physical.base, PgType::Json | PgType::Jsonb) {
        return Err(format!("`{name}` is a {}, whose values have no order", field.physical));
    }
    Ok(IndexColumn { field: field.name.clone(), descending, nulls_first })
}
