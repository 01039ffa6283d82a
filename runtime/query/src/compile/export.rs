//! Exports: turns fields, a filter, an order and a limit of one dataset into one flat statement, for files.
//!
//! The statement carries the same policy as an operation's: denied fields are not in it, and the caller's row filter is.

use super::mask::Shown;
use super::order::order_by;
use super::{Compiler, Fallible, Row, Scope, from_table, push_where};
use crate::access::{Access, Reading};
use crate::bind::Bind;
use crate::catalog::{ColumnId, Entity, EntityId};
use crate::coerce::{Values, bad, coerce_named};
use crate::collect::Budget;
use crate::given::Given;
use crate::params::{Binder, Param};
use crate::scalar::Scalar;
use crate::schema::DataSchema;
use crate::sdl::order_value;
use apollo_compiler::ExecutableDocument;
use serde_json::{Map, Value, json};
use terrane_graphql::GraphqlError;
use terrane_manifest::{Dataset, Field, PgType};
use terrane_sql::Sql;

pub(super) const FILTER: &str = "filter";
const ORDER: &str = "orderBy";

/// What is asked of a dataset.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest<'r> {
    /// The dataset: one of the schema's product.
    pub dataset: &'r Dataset,
    /// Fields by their contract names; none is every field that the caller may read.
    pub fields: Option<&'r [&'r str]>,
    /// The filter object of the data port.
    pub filter: Option<&'r Value>,
    /// Fields by their contract or GraphQL names, each with `asc` or `desc` and `nulls first` or `nulls last`; or the data
    /// port's `orderBy` as JSON. The primary key follows it, so that every row has one place.
    pub order: Option<&'r str>,
    /// At most so many rows.
    pub limit: Option<i64>,
}

/// One statement and what its columns are.
#[derive(Debug, Clone)]
pub struct ExportStatement<'r> {
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub binds: Vec<Bind>,
    /// The field of each of its columns.
    pub fields: Vec<&'r Field>,
    /// What it uses: `dataset.field`, and `dataset.` for the rows.
    pub touched: Vec<String>,
}

impl DataSchema {
    /// Compile an export for a caller with `access` and `claims`.
    ///
    /// # Errors
    /// `FORBIDDEN` for fields that the caller may not read where they are named, filtered or ordered by, and where no field
    /// is left; `BAD_USER_INPUT` and `FILTER_TOO_LARGE` for what is no filter, order or limit.
    pub fn export<'r>(
        &self,
        access: &Access,
        claims: &Map<String, Value>,
        request: &ExportRequest<'r>,
    ) -> Result<ExportStatement<'r>, Vec<GraphqlError>> {
        let catalog = &self.catalog;
        let dataset = request.dataset;
        let of_dataset = |id: &EntityId| catalog.entity(*id).table.as_ref().is_some_and(|t| t.dataset == dataset.name);
        let Some(id) = catalog.ids().find(of_dataset) else {
            let message = format!("dataset `{}` has no GraphQL type, and is not served", dataset.name);
            return Err(vec![GraphqlError::new("UNKNOWN_DATASET", message)]);
        };
        let one = |error: GraphqlError| vec![error];
        let fields = readable(access, request).map_err(one)?;
        let values = self.export_values(request).map_err(one)?;
        let document = ExecutableDocument::new();
        let mut compiler = Compiler::new(catalog, access, &document, &values, Budget(1));
        let sql = compiler.export(id, &fields, request.limit).map_err(one)?;
        self.check_kept(&sql).map_err(one)?;
        let bound = Binder { catalog, values: &values, claims }.bind(&compiler.params, &[], &[])?;
        let touched = compiler.touched();
        Ok(ExportStatement { sql: sql.into_string(), binds: bound.binds, fields, touched })
    }

    /// Filter and order as values of the list field's arguments.
    pub(super) fn export_values(&self, request: &ExportRequest<'_>) -> Fallible<Values> {
        let list = request.dataset.graphql_names.as_ref().map_or("", |names| names.many.as_str());
        let mut values = Values::new();
        let order = request.order.map(|text| order_argument(text, request.dataset)).transpose()?;
        for (name, value) in [(FILTER, request.filter.cloned()), (ORDER, order)] {
            let Some(value) = value else { continue };
            let argument = self.full.type_field("Query", list).ok().and_then(|field| field.argument_by_name(name));
            let argument = argument.ok_or_else(|| bad(&format!("`{list}` takes no `{name}`")))?;
            values.insert(name.to_owned(), coerce_named(&self.full, &argument.ty, value, name)?);
        }
        Ok(values)
    }
}

impl<'a> Compiler<'a> {
    fn export(&mut self, id: EntityId, fields: &[&Field], limit: Option<i64>) -> Fallible<Sql> {
        let entity = self.catalog.entity(id);
        let alias = self.alias("t");
        let scope = Scope::of_table(entity, &alias);
        let mut row = Row::default();
        for field in fields {
            let column = entity.column_of_field(&field.name);
            let column = column.ok_or_else(|| bad(&format!("`{}` is no column", field.name)))?;
            let shown = self.exported(entity, &scope, column)?;
            row.exprs.push(shown);
        }
        let mut conditions: Vec<Sql> = self.row_filter(id, &scope).into_iter().collect();
        if let Some(filter) = self.export_argument(FILTER) {
            conditions.extend(self.filter(id, &scope, &filter)?);
        }
        let order = self.export_argument(ORDER);
        let order = self.order(id, &scope, order.as_ref(), None)?;
        let mut sql = Sql::lit("SELECT ");
        sql.append(&row.list()).append(&from_table(entity, &alias)).append(&order.joins);
        push_where(&mut sql, &conditions);
        if !order.columns.is_empty() {
            sql.append(&order_by(&order.columns, false));
        }
        if let Some(limit) = limit {
            sql.push(" LIMIT ");
            let limit = Param::Literal(limit.into(), Scalar::BigInt, PgType::Int8);
            self.push_param(&mut sql, limit, PgType::Int8, false);
        }
        Ok(sql)
    }

    /// The expression of a column in a file, as it is in a response: what the caller's mask shows of it.
    fn exported(&mut self, entity: &Entity, scope: &Scope, column: ColumnId) -> Fallible<Sql> {
        match self.shown(entity, column, scope) {
            Shown::Expr(sql) => Ok(sql),
            Shown::Null => Ok(Sql::lit("NULL")),
            Shown::Denied => Err(GraphqlError::new("FORBIDDEN", "these roles may not read a field of the file")),
        }
    }

    pub(super) fn export_argument(&self, name: &'static str) -> Option<Given<'a>> {
        let value = self.values.get(name)?;
        Some(Given::Variable { value, name, path: Vec::new() })
    }
}

/// The fields of the file: those that are named, else all that may be read.
pub(super) fn readable<'r>(access: &Access, request: &ExportRequest<'r>) -> Fallible<Vec<&'r Field>> {
    let dataset = request.dataset;
    let allowed = |field: &Field| access.reading(&dataset.policy_object(field)) != Reading::Denied;
    let forbidden = |message: String| GraphqlError::new("FORBIDDEN", message);
    let Some(names) = request.fields else {
        let fields: Vec<&Field> = dataset.fields.iter().filter(|f| allowed(f)).collect();
        let message = || format!("your roles allow `read` on no field of `{}`", dataset.name);
        return if fields.is_empty() { Err(forbidden(message())) } else { Ok(fields) };
    };
    let mut fields: Vec<&Field> = Vec::with_capacity(names.len());
    for name in names {
        let field = dataset.field(name);
        let field = field.ok_or_else(|| bad(&format!("dataset `{}` has no field `{name}`", dataset.name)))?;
        if !allowed(field) {
            return Err(forbidden(format!("your roles do not allow `read` on `{}`", dataset.policy_object(field))));
        }
        if fields.iter().any(|f| f.name == field.name) {
            return Err(bad(&format!("field `{name}` is named twice")));
        }
        fields.push(field);
    }
    if fields.is_empty() { Err(bad("`fields` names no field")) } else { Ok(fields) }
}

/// `population desc, id` as the data port's `orderBy`.
fn order_argument(text: &str, dataset: &Dataset) -> Fallible<Value> {
    if text.trim_start().starts_with(['[', '{']) {
        return serde_json::from_str(text).map_err(|e| bad(&format!("`order` is no JSON: {e}")));
    }
    let items: Fallible<Vec<Value>> = text.split(',').map(|item| order_item(item, dataset)).collect();
    items.map(Value::Array)
}

fn order_item(text: &str, dataset: &Dataset) -> Fallible<Value> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let wrong = || bad(&format!("`{}` is no order; write `FIELD [asc|desc] [nulls first|nulls last]`", text.trim()));
    let (name, how) = words.split_first().ok_or_else(wrong)?;
    let how: Vec<String> = how.iter().map(|w| w.to_ascii_lowercase()).collect();
    let how: Vec<&str> = how.iter().map(String::as_str).collect();
    let (direction, nulls) = match how.as_slice() {
        ["asc", rest @ ..] => ("ASC", rest),
        ["desc", rest @ ..] => ("DESC", rest),
        rest => ("ASC", rest),
    };
    let nulls = match nulls {
        [] | ["nulls", "last"] => "LAST",
        ["nulls", "first"] => "FIRST",
        _ => return Err(wrong()),
    };
    let field = dataset.fields.iter().find(|f| f.name == *name || f.graphql_name == *name);
    let field = field.ok_or_else(|| bad(&format!("dataset `{}` has no field `{name}` to order by", dataset.name)))?;
    Ok(json!({"field": order_value(&field.graphql_name), "direction": direction, "nulls": nulls}))
}
