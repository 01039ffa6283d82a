//! Rows outside of operations: turns a dataset and an access into the expressions, the order and the condition with which
//! its rows are read.

use super::{Compiler, Scope};
use crate::access::{Access, Reading};
use crate::bind::Bind;
use crate::coerce::Values;
use crate::collect::Budget;
use crate::params::Binder;
use crate::scalar::Scalar;
use crate::schema::DataSchema;
use apollo_compiler::ExecutableDocument;
use serde_json::{Map, Value};
use terrane_graphql::GraphqlError;
use terrane_manifest::{Dataset, Field};
use terrane_sql::Sql;

/// How a caller reads rows of a dataset, whose table has an alias.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The expression of each field, in the order in which they were asked for: the column, or what the caller's mask
    /// shows in its place. Of the column's type, or an untyped NULL.
    pub columns: Vec<Sql>,
    /// What rows fulfil that the caller may see; none where it sees all.
    pub condition: Option<Sql>,
    /// What rows are ordered by: the key, or where the caller may not read it, what it sees of them.
    pub order: Vec<Sql>,
    /// The values of `$1…` in all of these.
    pub binds: Vec<Bind>,
}

impl DataSchema {
    /// How a caller with `access` and `claims` reads `fields` of `dataset` (of the output layer, its table under `alias`).
    ///
    /// # Errors
    /// `FORBIDDEN` where the caller may not see a field, or where there is a row filter that cannot be applied: no row may
    /// be shown then.
    pub fn projection(
        &self,
        access: &Access,
        dataset: &Dataset,
        fields: &[&Field],
        alias: &'static str,
        claims: &Map<String, Value>,
    ) -> Result<Projection, Vec<GraphqlError>> {
        let (document, values) = (ExecutableDocument::new(), Values::new());
        let mut compiler = Compiler::new(&self.catalog, access, &document, &values, Budget(1));
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let shown = compiler.field(dataset, field, alias).ok_or_else(|| {
                let object = dataset.policy_object(field);
                vec![GraphqlError::new("FORBIDDEN", format!("these roles may not read `{object}`"))]
            })?;
            columns.push(shown);
        }
        let order = compiler.dataset_order(dataset, alias);
        let condition = match access.row_filter(&dataset.name) {
            Some(_) => Some(compiler.dataset_filter(dataset, alias)?),
            None => None,
        };
        let binder = Binder { catalog: &self.catalog, values: &values, claims };
        let bound = binder.bind(&compiler.params, &[], &[])?;
        Ok(Projection { columns, condition, order, binds: bound.binds })
    }
}

impl Compiler<'_> {
    /// What the caller sees of a field; `None` when it sees nothing.
    fn field(&mut self, dataset: &Dataset, field: &Field, alias: &'static str) -> Option<Sql> {
        let object = dataset.policy_object(field);
        let mut raw = Sql::lit(alias);
        raw.push(".").ident(&field.column);
        let access = self.access;
        match access.reading(&object) {
            Reading::Clear => Some(raw),
            Reading::Denied => None,
            Reading::Masked(mask) => {
                Some(self.masked(mask, &raw, field.physical.base, &object).unwrap_or_else(|| Sql::lit("NULL")))
            }
        }
    }

    fn dataset_order(&mut self, dataset: &Dataset, alias: &'static str) -> Vec<Sql> {
        let clear = |f: &Field| self.access.reading(&dataset.policy_object(f)) == Reading::Clear;
        let key = dataset.primary_key();
        let mut fields: Vec<&Field> = if key.iter().all(|f| clear(f)) {
            key
        } else {
            let ordered = |f: &&Field| !f.physical.array && Scalar::of_field(f).is_ordered();
            dataset.fields.iter().filter(ordered).collect()
        };
        fields.sort_by_key(|f| !clear(f));
        let null = Sql::lit("NULL");
        fields.into_iter().filter_map(|f| self.field(dataset, f, alias)).filter(|sql| *sql != null).collect()
    }

    fn dataset_filter(&mut self, dataset: &Dataset, alias: &'static str) -> Result<Sql, Vec<GraphqlError>> {
        let of_dataset = |id: &_| self.catalog.entity(*id).table.as_ref().is_some_and(|t| t.dataset == dataset.name);
        let id = self.catalog.ids().find(of_dataset);
        let filter = id.and_then(|id| {
            let scope = Scope::of_table(self.catalog.entity(id), &Sql::lit(alias));
            self.row_filter(id, &scope)
        });
        filter.ok_or_else(|| {
            let message = format!("the rows of `{}` cannot be filtered for these roles", dataset.name);
            vec![GraphqlError::new("FORBIDDEN", message)]
        })
    }
}
