//! Row filters outside of operations: turns a role set's filter on a dataset into a condition with its binds.

use super::{Compiler, Scope};
use crate::access::Access;
use crate::bind::Bind;
use crate::coerce::Values;
use crate::collect::Budget;
use crate::params::Binder;
use crate::schema::DataSchema;
use apollo_compiler::ExecutableDocument;
use serde_json::{Map, Value};
use terrane_graphql::GraphqlError;
use terrane_sql::Sql;

impl DataSchema {
    /// The condition that rows of `dataset` (its ODCS name, its table under `alias`) fulfil for a caller with `access`
    /// and `claims`, with the values of `$1…`; `None` where the caller sees every row.
    ///
    /// # Errors
    /// `FORBIDDEN` where there is a filter that cannot be applied: no row may be shown then.
    pub fn row_filter(
        &self,
        access: &Access,
        dataset: &str,
        alias: &'static str,
        claims: &Map<String, Value>,
    ) -> Result<Option<(Sql, Vec<Bind>)>, Vec<GraphqlError>> {
        if access.row_filter(dataset).is_none() {
            return Ok(None);
        }
        let catalog = &self.catalog;
        let of_dataset = |id: &_| catalog.entity(*id).table.as_ref().is_some_and(|t| t.dataset == dataset);
        let Some(id) = catalog.ids().find(of_dataset) else {
            let message = format!("the rows of `{dataset}` cannot be filtered for these roles");
            return Err(vec![GraphqlError::new("FORBIDDEN", message)]);
        };
        let (document, values) = (ExecutableDocument::new(), Values::new());
        let mut compiler = Compiler::new(catalog, access, &document, &values, Budget(1));
        let scope = Scope::of_table(catalog.entity(id), &Sql::lit(alias));
        let Some(condition) = compiler.row_filter(id, &scope) else { return Ok(None) };
        let bound = Binder { catalog, values: &values, claims }.bind(&compiler.params, &[], &[])?;
        Ok(Some((condition, bound.binds)))
    }
}
