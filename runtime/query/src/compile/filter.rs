//! Filters: turns filter arguments and row filters into conditions.

use super::order::forbidden;
use super::{Compiler, Fallible, Scope};
use crate::catalog::{Column, ColumnId, EntityId};
use crate::given::Given;
use crate::params::Param;
use crate::scalar::Scalar;
use terrane_graphql::GraphqlError;
use terrane_manifest::{CompareOp, Operand, PgType, RowFilter};
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
            sql.push(match operator {
                "contains" => " @> ",
                "overlaps" => " && ",
                _ => " = ",
            });
            self.push_param(&mut sql, value(true), pg, true);
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
    pub(super) fn row_filter(&mut self, id: EntityId, scope: &Scope) -> Fallible<Option<Sql>> {
        let Some(table) = &self.catalog.entity(id).table else { return Ok(None) };
        let Some(filter) = self.access.row_filter(&table.dataset).cloned() else { return Ok(None) };
        self.row_condition(id, scope, &filter).map(Some)
    }

    fn row_condition(&mut self, id: EntityId, scope: &Scope, filter: &RowFilter) -> Fallible<Sql> {
        let mut sql = Sql::new();
        match filter {
            RowFilter::And(parts) | RowFilter::Or(parts) => {
                let parts: Fallible<Vec<Sql>> = parts.iter().map(|p| self.row_condition(id, scope, p)).collect();
                return Ok(combine(&parts?, matches!(filter, RowFilter::Or(_))));
            }
            RowFilter::Not(inner) => {
                sql.push("(NOT ").append(&self.row_condition(id, scope, inner)?).push(")");
            }
            RowFilter::IsNull { field } => {
                sql.push("(").append(scope.expr(self.row_column(id, field)?)).push(" IS NULL)");
            }
            RowFilter::AnyOf { field, claim } => {
                let column = self.row_column(id, field)?;
                let description = self.catalog.entity(id).column(column);
                let (scalar, pg) = (claim_scalar(description), description.pg);
                sql.push("(").append(scope.expr(column)).push(" = ANY(");
                self.push_param(&mut sql, Param::Claim { name: claim.clone(), scalar, pg, list: true }, pg, true);
                sql.push("))");
            }
            RowFilter::In { field, values } => {
                let parts: Fallible<Vec<Sql>> =
                    values.iter().map(|v| self.row_compare(id, scope, field, CompareOp::Eq, v)).collect();
                return Ok(combine(&parts?, true));
            }
            RowFilter::Compare { field, op, value } => return self.row_compare(id, scope, field, *op, value),
        }
        Ok(sql)
    }

    fn row_compare(
        &mut self,
        id: EntityId,
        scope: &Scope,
        field: &str,
        op: CompareOp,
        value: &Operand,
    ) -> Fallible<Sql> {
        let column = self.row_column(id, field)?;
        let description = self.catalog.entity(id).column(column);
        let (scalar, pg) = (claim_scalar(description), description.pg);
        let param = match value {
            Operand::Claim(name) => Param::Claim { name: name.clone(), scalar, pg, list: false },
            Operand::Text(text) => Param::Literal(text.clone().into(), scalar, pg),
            Operand::Integer(number) => Param::Literal((*number).into(), scalar, pg),
            Operand::Boolean(flag) => Param::Literal((*flag).into(), scalar, pg),
        };
        let mut sql = Sql::lit("(");
        sql.append(scope.expr(column)).push(match op {
            CompareOp::Eq => " = ",
            CompareOp::Ne => " <> ",
            CompareOp::Lt => " < ",
            CompareOp::Le => " <= ",
            CompareOp::Gt => " > ",
            CompareOp::Ge => " >= ",
        });
        self.push_param(&mut sql, param, pg, false);
        sql.push(")");
        Ok(sql)
    }

    /// A row filter whose field is gone hides everything: better an error than rows that nobody may see.
    fn row_column(&self, id: EntityId, field: &str) -> Fallible<ColumnId> {
        let entity = self.catalog.entity(id);
        entity.column_of_field(field).ok_or_else(|| {
            GraphqlError::new(
                "FORBIDDEN",
                format!("the rows of `{}` cannot be filtered for these roles", entity.type_name),
            )
        })
    }
}

fn claim_scalar(column: &Column) -> Scalar {
    if column.scalar == Scalar::Id { Scalar::String } else { column.scalar }
}

fn null_operand(name: &str) -> GraphqlError {
    GraphqlError::new("BAD_USER_INPUT", format!("`{name}` is null; use `isNull`, or leave it out"))
}

/// `(a AND b)`; nothing to hold is true.
fn all_of(conditions: &[Sql]) -> Sql {
    combine(conditions, false)
}

fn combine(parts: &[Sql], any: bool) -> Sql {
    if parts.is_empty() {
        return Sql::lit(if any { "FALSE" } else { "TRUE" });
    }
    let mut sql = Sql::lit("(");
    sql.join(parts, if any { " OR " } else { " AND " }).push(")");
    sql
}
