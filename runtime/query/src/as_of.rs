//! Kept versions: turns the schema of the current version into one whose statements read an earlier version's tables.
//!
//! Policy, masks and row filters are those of today: only where the rows are is another place. What the contract says now
//! and the earlier version did not have is an error where an operation uses it, and nowhere else.

use crate::schema::DataSchema;
use std::sync::Arc;
use terrane_graphql::GraphqlError;
use terrane_sql::Sql;

/// A column of today's contract that a kept version does not have as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Table.
    pub table: String,
    /// Column; none where the version does not have the table.
    pub column: Option<String>,
    /// In the contract's words.
    pub dataset: String,
    /// In the contract's words.
    pub field: Option<String>,
    /// What it was then, where it was of another type.
    pub was: Option<String>,
}

/// Which version a schema reads.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    version: i64,
    schema: Arc<str>,
    missing: Vec<Missing>,
}

impl DataSchema {
    /// Read the tables of the kept version `version`, which are in the database schema `schema`, and which do not have
    /// what `missing` says.
    #[must_use]
    pub fn of_version(mut self, version: i64, schema: &str, missing: Vec<Missing>) -> Self {
        let schema: Arc<str> = schema.into();
        for table in self.catalog.entities.iter_mut().filter_map(|entity| entity.table.as_mut()) {
            table.schema = Arc::clone(&schema);
        }
        self.kept = Some(Kept { version, schema, missing });
        self
    }

    /// Whether the version that this schema reads has all that a statement reads. A column is looked for by its name in
    /// a statement that reads its table, so that one of the same name in another table counts, too.
    pub(crate) fn check_kept(&self, sql: &Sql) -> Result<(), GraphqlError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let text = sql.as_str();
        for missing in &kept.missing {
            let mut table = Sql::new();
            table.qualified(&kept.schema, &missing.table).push(" AS ");
            if !text.contains(table.as_str()) {
                continue;
            }
            let uses = missing.column.as_ref().is_none_or(|name| {
                let mut column = Sql::lit(".");
                column.ident(name);
                text.contains(column.as_str())
            });
            if uses {
                return Err(missing.error(kept.version));
            }
        }
        Ok(())
    }
}

impl Missing {
    fn error(&self, version: i64) -> GraphqlError {
        let Self { dataset, field, was, .. } = self;
        let what = match (field, was) {
            (None, _) => format!("it has no dataset `{dataset}`"),
            (Some(field), None) => format!("its dataset `{dataset}` has no field `{field}`"),
            (Some(field), Some(was)) => format!("its field `{dataset}.{field}` was of type {was}"),
        };
        let message = format!("version {version} was published under another contract: {what}; leave it out");
        GraphqlError::new("VERSION_DIFFERS", message)
    }
}
