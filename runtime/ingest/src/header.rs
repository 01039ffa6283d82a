//! Headers: turns the names of a source's columns into the contract's fields, and notes where the two differ.

use crate::IngestError;
use terrane_manifest::{Dataset, Field};

/// How a source's columns differ from the input contract, without making it unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The source has it, the contract does not.
    Extra(String),
    /// The contract has it, the source does not.
    Missing(String),
    /// The source's type is another one.
    Type {
        /// ODCS name of the field.
        field: String,
        /// What the source has.
        found: String,
        /// What the contract says.
        expected: String,
    },
}

impl Drift {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Extra(column) => format!("column `{column}` is not in the contract"),
            Self::Missing(field) => format!("field `{field}` is not in the source"),
            Self::Type { field, found, expected } => {
                format!("field `{field}` is {found} in the source, not {expected}")
            }
        }
    }
}

/// Which field each column of the source fills.
#[derive(Debug, Clone)]
pub struct Mapping<'a> {
    /// One for each column, in the source's order; none is passed over.
    pub columns: Vec<Option<&'a Field>>,
    /// What differs.
    pub drift: Vec<Drift>,
}

impl<'a> Mapping<'a> {
    /// All fields of the contract, in its order.
    pub fn of_contract(dataset: &'a Dataset) -> Self {
        Self { columns: dataset.fields.iter().map(Some).collect(), drift: Vec::new() }
    }

    /// The fields that are filled, in the source's order.
    pub fn fields(&self) -> Vec<&'a Field> {
        self.columns.iter().flatten().copied().collect()
    }
}

/// Find the fields of `names`: by ODCS name, column, business name or GraphQL name, and at last without regard to case,
/// spaces and signs.
///
/// # Errors
/// [`IngestError::UnknownColumn`] unless the contract passes over extra columns; [`IngestError::MissingColumn`] where a
/// required field has no column; [`IngestError::Malformed`] where two columns are one field, or none is any.
pub fn map<'a>(dataset: &'a Dataset, names: &[String]) -> Result<Mapping<'a>, IngestError> {
    let mut mapping = Mapping { columns: Vec::with_capacity(names.len()), drift: Vec::new() };
    for name in names {
        let name = name.trim_start_matches('\u{feff}').trim();
        let field = find(dataset, name);
        if let Some(field) = field {
            if mapping.columns.iter().flatten().any(|f| f.name == field.name) {
                let reason = format!("column `{name}` is field `{}`, which another column is, too", field.name);
                return Err(IngestError::Malformed { row: 0, reason });
            }
        } else if dataset.ingest.ignore_extra {
            mapping.drift.push(Drift::Extra(name.to_owned()));
        } else {
            let known: Vec<&str> = dataset.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(IngestError::UnknownColumn {
                column: name.to_owned(),
                dataset: dataset.name.clone(),
                known: known.join(", "),
            });
        }
        mapping.columns.push(field);
    }
    if mapping.columns.iter().flatten().next().is_none() {
        return Err(IngestError::Malformed { row: 0, reason: "there is no header with column names".to_owned() });
    }
    for field in &dataset.fields {
        if mapping.columns.iter().flatten().any(|f| f.name == field.name) {
            continue;
        }
        if field.required {
            return Err(IngestError::MissingColumn { column: field.name.clone(), dataset: dataset.name.clone() });
        }
        mapping.drift.push(Drift::Missing(field.name.clone()));
    }
    Ok(mapping)
}

/// The field that a column's name stands for.
pub fn find<'a>(dataset: &'a Dataset, name: &str) -> Option<&'a Field> {
    let exact = |f: &&Field| f.name == name || f.column == name;
    let other = |f: &&Field| f.business_name.as_deref() == Some(name) || f.graphql_name == name;
    let fields = &dataset.fields;
    fields.iter().find(exact).or_else(|| fields.iter().find(other)).or_else(|| {
        let plain = plain(name);
        let names = |f: &&Field| {
            [Some(&f.name), Some(&f.column), f.business_name.as_ref()]
                .into_iter()
                .flatten()
                .any(|n| self::plain(n) == plain)
        };
        let mut found = fields.iter().filter(names);
        // of two that are alike, neither is meant
        found.next().filter(|_| !plain.is_empty() && found.next().is_none())
    })
}

/// A name without case, spaces and signs.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
