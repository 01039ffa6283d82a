//! Filters: turns filter arguments into conditions on columns and on related rows.

use super::object::equal;
use super::order::forbidden;
use super::{Compiler, Fallible, Scope, from_table, push_where};
use crate::catalog::{Column, EntityId, Member, Relation, Shape};
use crate::given::Given;
use crate::params::{Param, Pattern};
use crate::row_filter::{FilterContext, FilterField, combine, row_condition};
use crate::scalar::{Scalar, array_casts};
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

const MAX_FILTER_DEPTH: usize = 12;
const MAX_CONDITIONS: usize = 500;

/// What the operators of a filter compare: an expression and its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) expr: &'s Sql,
    pub(super) scalar: Scalar,
    pub(super) pg: PgType,
    pub(super) array: bool,
}

impl<'s> Subject<'s> {
    fn of(column: &Column, expr: &'s Sql) -> Self {
        Self { expr, scalar: column.scalar, pg: column.pg, array: column.array }
    }
}

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
                field => match entity.members.get(field) {
                    Some(Member::Column(column)) => {
                        let column = *column;
                        self.touch(entity.column(column));
                        if !self.access.reads(entity.column(column)) {
                            return Err(forbidden(&entity.type_name, field, "filtering"));
                        }
                        let subject = Subject::of(entity.column(column), scope.expr(column));
                        conditions.extend(self.conditions(subject, &part, count)?);
                    }
                    Some(Member::Relation(relation)) => {
                        *count += 1;
                        let relation = entity.relation(*relation);
                        conditions.extend(self.related(id, relation, scope, &part, depth, count)?);
                    }
                    None => {
                        let message = format!("`{field}` is no field to filter by");
                        return Err(GraphqlError::new("BAD_USER_INPUT", message));
                    }
                },
            }
        }
        Ok(conditions)
    }

    /// What a filter says of related rows: of the one, or of some, none or every of many.
    fn related(
        &mut self,
        id: EntityId,
        relation: &'a Relation,
        scope: &Scope,
        given: &Given<'a>,
        depth: usize,
        count: &mut usize,
    ) -> Fallible<Vec<Sql>> {
        if self.own_fields_only {
            let message = format!("changes can't be filtered by `{}`: only by fields of the row itself", relation.name);
            return Err(GraphqlError::new("BAD_USER_INPUT", message));
        }
        if self.relation_denied(id, relation).is_some() {
            return Err(forbidden(&self.catalog.entity(id).type_name, &relation.name, "filtering"));
        }
        if relation.shape == Shape::One {
            return Ok(vec![self.exists("some", relation, scope, given, depth, count)?]);
        }
        let mut conditions = Vec::new();
        for (quantifier, part) in given.fields(self.values) {
            if part.is_null() {
                return Err(null_operand(quantifier));
            }
            *count += 1;
            conditions.push(self.exists(quantifier, relation, scope, &part, depth, count)?);
        }
        Ok(conditions)
    }

    /// `EXISTS (SELECT 1 FROM … WHERE …)`. Rows that the caller may not see are no rows here, either.
    fn exists(
        &mut self,
        quantifier: &str,
        relation: &'a Relation,
        scope: &Scope,
        given: &Given<'a>,
        depth: usize,
        count: &mut usize,
    ) -> Fallible<Sql> {
        let entity = self.catalog.entity(relation.target);
        let alias = self.alias("t");
        let target = Scope::of_table(entity, &alias);
        let mut conditions = equal(self.join(relation, scope), relation, &target);
        conditions.extend(self.row_filter(relation.target, &target));
        let matches = self.filter_at(relation.target, &target, given, depth + 1, count)?;
        if quantifier == "every" {
            // a row of which the condition is not known does not fulfil it
            let mut sql = all_of(&matches);
            sql.push(" IS NOT TRUE");
            conditions.push(sql);
        } else {
            conditions.extend(matches);
        }
        let mut sql = Sql::lit(if quantifier == "some" { "EXISTS (SELECT 1" } else { "NOT EXISTS (SELECT 1" });
        sql.append(&from_table(entity, &alias));
        push_where(&mut sql, &conditions);
        sql.push(")");
        Ok(sql)
    }

    /// The conditions of a filter on one value: `{gte: 1, lt: 5}`.
    pub(super) fn conditions(
        &mut self,
        subject: Subject<'_>,
        given: &Given<'a>,
        count: &mut usize,
    ) -> Fallible<Vec<Sql>> {
        let mut conditions = Vec::new();
        for (operator, operand) in given.fields(self.values) {
            *count += 1;
            if operand.is_null() {
                return Err(null_operand(operator));
            }
            conditions.push(match operator {
                "isNull" => self.is_null(subject.expr, &operand),
                _ if subject.array => self.array_condition(subject, operator, &operand),
                _ => self.condition(subject, operator, &operand)?,
            });
        }
        Ok(conditions)
    }

    fn is_null(&mut self, expr: &Sql, operand: &Given<'a>) -> Sql {
        let mut sql = Sql::lit("(");
        sql.append(expr).push(" IS NULL) = ");
        self.push_flag(&mut sql, operand);
        sql
    }

    fn push_flag(&mut self, sql: &mut Sql, operand: &Given<'a>) {
        let param = Param::Value { source: operand.source(), scalar: Scalar::Boolean, pg: PgType::Bool, list: false };
        self.push_param(sql, param, PgType::Bool, false);
    }

    fn array_condition(&mut self, subject: Subject<'_>, operator: &str, operand: &Given<'a>) -> Sql {
        let Subject { expr, scalar, pg, .. } = subject;
        if operator == "isEmpty" {
            let mut sql = Sql::lit("(cardinality(");
            sql.append(expr).push(") = 0) = ");
            self.push_flag(&mut sql, operand);
            return sql;
        }
        let mut sql = expr.clone();
        let (column_cast, first, second) = array_casts(pg);
        if let Some(cast) = column_cast {
            sql.push("::").push(cast);
        }
        sql.push(match operator {
            "contains" => " @> ",
            "containedBy" => " <@ ",
            "overlaps" => " && ",
            _ => " = ",
        });
        let index = self.param(Param::Value { source: operand.source(), scalar: plain(scalar), pg, list: true });
        sql.bind(index).push("::").push(first);
        if let Some(cast) = second {
            sql.push("::").push(cast);
        }
        sql
    }

    fn condition(&mut self, subject: Subject<'_>, operator: &str, operand: &Given<'a>) -> Fallible<Sql> {
        let Subject { expr, scalar, pg, .. } = subject;
        let value = |list: bool| Param::Value { source: operand.source(), scalar: plain(scalar), pg, list };
        let text = |pattern: Pattern| Param::Text { source: operand.source(), pattern };
        let mut sql = expr.clone();
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
            "like" | "ilike" | "endsWith" | "includes" | "includesInsensitive" => {
                if pg == PgType::Char {
                    // the blanks that pad a char(n) are not part of its text
                    sql.push("::text");
                }
                sql.push(if matches!(operator, "ilike" | "includesInsensitive") { " ILIKE " } else { " LIKE " });
                let param = text(match operator {
                    "endsWith" => Pattern::End,
                    "includes" | "includesInsensitive" => Pattern::Part,
                    _ => Pattern::Like,
                });
                self.push_param(&mut sql, param, PgType::Text, false);
            }
            "startsWith" => {
                // Postgres turns this into a range of an index when the pattern is known (version 15 and later)
                sql = Sql::lit("starts_with(");
                sql.append(expr).push(", ");
                self.push_param(&mut sql, text(Pattern::Given), PgType::Text, false);
                sql.push(")");
            }
            "contains" => {
                sql.push(if pg == PgType::Json { "::jsonb @> " } else { " @> " });
                self.push_param(&mut sql, value(false), pg, false);
            }
            "hasKey" => {
                sql.push(if pg == PgType::Json { "::jsonb ? " } else { " ? " });
                self.push_param(&mut sql, text(Pattern::Given), PgType::Text, false);
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

    /// The rows of `id` that the caller may see: a condition of every statement that reads them.
    pub(super) fn row_filter(&mut self, id: EntityId, scope: &Scope) -> Option<Sql> {
        let table = self.catalog.entity(id).table.as_ref()?;
        self.touch_rows(&table.dataset);
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

pub(super) fn null_operand(name: &str) -> GraphqlError {
    GraphqlError::new("BAD_USER_INPUT", format!("`{name}` is null; use `isNull`, or leave it out"))
}

/// Keys are compared as the texts they are.
fn plain(scalar: Scalar) -> Scalar {
    if scalar == Scalar::Id { Scalar::String } else { scalar }
}

/// `(a AND b)`; nothing to hold is true.
pub(super) fn all_of(conditions: &[Sql]) -> Sql {
    combine(conditions, false)
}
