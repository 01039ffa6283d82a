//! Filters: turns filter arguments into conditions.

use super::order::forbidden;
use super::{Compiler, Fallible, Scope};
use crate::catalog::{Column, EntityId};
use crate::given::Given;
use crate::params::Param;
use crate::row_filter::{FilterContext, FilterField, combine, row_condition};
use crate::scalar::{Scalar, array_casts};
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

const MAX_FILTER_DEPTH: usize = 12;
const MAX_CONDITIONS: usize = 500;

impl<'a> Compiler<'a> {
    /// The conditions of a filter argument. All must hold.
    pub(super) fn filter(&mut self, id: EntityId, scope: &Scope, given: &Given<'a>) -> Fallible<Vec<Sql>> {
        let mut count = 0;
        self.filter_at(id, scope, given, 0, &mut count)
    }

    fn filter_at(
        &mut self,
        id: EntityId,
        scope: &Scope,
        given: &Given<'a>,
        depth: usize,
        count: &mut usize,
    ) -> Fallible<Vec<Sql>> {
        if depth > MAX_FILTER_DEPTH || *count > MAX_CONDITIONS {
            return Err(GraphqlError::new("FILTER_TOO_LARGE", "the filter has too many conditions or levels"));
        }
        let entity = self.catalog.entity(id);
        let mut conditions = Vec::new();
        for (name, part) in given.fields(self.values) {
            if part.is_null() {
                return Err(null_operand(name));
            }
            match name {
                "and" | "or" => {
                    let mut parts = Vec::new();
                    for item in part.items(self.values) {
                        parts.push(all_of(&self.filter_at(id, scope, &item, depth + 1, count)?));
                    }
                    conditions.push(combine(&parts, name == "or"));
                }
                "not" => {
                    let mut sql = Sql::lit("NOT ");
                    sql.append(&all_of(&self.filter_at(id, scope, &part, depth + 1, count)?));
                    conditions.push(sql);
                }
                field => {
                    let column = entity.column_named(field).ok_or_else(|| {
                        GraphqlError::new("BAD_USER_INPUT", format!("`{field}` is no field to filter by"))
                    })?;
                    if !self.access.reads(entity.column(column)) {
                        return Err(forbidden(&entity.type_name, field, "filtering"));
                    }
                    for (operator, operand) in part.fields(self.values) {
                        *count += 1;
                        conditions.push(self.condition(
                            entity.column(column),
                            scope.expr(column),
                            operator,
                            &operand,
                        )?);
                    }
                }
            }
        }
        Ok(conditions)
    }

    fn condition(&mut self, column: &Column, expr: &Sql, operator: &str, operand: &Given<'a>) -> Fallible<Sql> {
        if operand.is_null() {
            return Err(null_operand(operator));
        }
        let source = operand.source();
        let scalar = if column.scalar == Scalar::Id { Scalar::String } else { column.scalar };
        let pg = column.pg;
        let value = |list: bool| Param::Value { source: source.clone(), scalar, pg, list };
        let mut sql = expr.clone();
        if operator == "isNull" {
            let mut sql = Sql::lit("(");
            sql.append(expr).push(" IS NULL) = ");
            let param = Param::Value { source, scalar: Scalar::Boolean, pg: PgType::Bool, list: false };
            self.push_param(&mut sql, param, PgType::Bool, false);
            return Ok(sql);
        }
        if column.array {
            let (column_cast, first, second) = array_casts(pg);
            if let Some(cast) = column_cast {
                sql.push("::").push(cast);
            }
            sql.push(match operator {
                "contains" => " @> ",
                "overlaps" => " && ",
                _ => " = ",
            });
            let index = self.param(value(true));
            sql.bind(index).push("::").push(first);
            if let Some(cast) = second {
                sql.push("::").push(cast);
            }
            return Ok(sql);
        }
        match operator {
            "in" => {
                sql.push(" = ANY(");
                self.push_param(&mut sql, value(true), pg, true);
                sql.push(")");
            }
            "notIn" => {
                sql.push(" <> ALL(");
                self.push_param(&mut sql, value(true), pg, true);
                sql.push(")");
            }
            "like" | "ilike" => {
                sql.push(if operator == "like" { " LIKE " } else { " ILIKE " });
                self.push_param(&mut sql, self.text(operand), PgType::Text, false);
            }
            "startsWith" => {
                sql = Sql::lit("starts_with(");
                sql.append(expr).push(", ");
                self.push_param(&mut sql, self.text(operand), PgType::Text, false);
                sql.push(")");
            }
            "contains" => {
                sql.push(if pg == PgType::Json { "::jsonb @> " } else { " @> " });
                self.push_param(&mut sql, value(false), pg, false);
            }
            comparison => {
                sql.push(match comparison {
                    "eq" => " = ",
                    "ne" => " <> ",
                    "lt" => " < ",
                    "lte" => " <= ",
                    "gt" => " > ",
                    "gte" => " >= ",
                    other => {
                        return Err(GraphqlError::new("BAD_USER_INPUT", format!("`{other}` is no filter operator")));
                    }
                });
                self.push_param(&mut sql, value(false), pg, false);
            }
        }
        Ok(sql)
    }

    fn text(&self, operand: &Given<'a>) -> Param {
        Param::Value { source: operand.source(), scalar: Scalar::String, pg: PgType::Text, list: false }
    }

    /// The rows of `id` that the caller may see: a condition of every statement that reads them.
    pub(super) fn row_filter(&mut self, id: EntityId, scope: &Scope) -> Option<Sql> {
        let table = self.catalog.entity(id).table.as_ref()?;
        let filter = self.access.row_filter(&table.dataset)?;
        Some(row_condition(filter, &mut RowScope { compiler: self, id, scope }))
    }
}

/// The row filter's view of a table in a statement.
struct RowScope<'c, 'a> {
    compiler: &'c mut Compiler<'a>,
    id: EntityId,
    scope: &'c Scope,
}

impl FilterContext for RowScope<'_, '_> {
    fn field(&self, name: &str) -> Option<FilterField> {
        let entity = self.compiler.catalog.entity(self.id);
        let column = entity.column_of_field(name)?;
        Some(FilterField { expr: self.scope.expr(column).clone(), pg: entity.column(column).pg })
    }

    fn push(&mut self, sql: &mut Sql, param: Param, pg: PgType, array: bool) {
        self.compiler.push_param(sql, param, pg, array);
    }
}

fn null_operand(name: &str) -> GraphqlError {
    GraphqlError::new("BAD_USER_INPUT", format!("`{name}` is null; use `isNull`, or leave it out"))
}

/// `(a AND b)`; nothing to hold is true.
fn all_of(conditions: &[Sql]) -> Sql {
    combine(conditions, false)
}
