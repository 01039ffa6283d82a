//! Aggregates: turns the figures that are selected of a list or of its groups into columns and their layout.

use super::filter::Subject;
use super::object::type_name_json;
use super::order::{OrderColumn, forbidden, order_by};
use super::{Compiler, Fallible, Row, Scope};
use crate::aggregate::{Function, is_bucketed, is_grouped};
use crate::catalog::{Column, ColumnId, Entity, EntityId};
use crate::collect::Collected;
use crate::given::Given;
use crate::layout::{Entry, ObjectLayout, ValueLayout};
use crate::params::{PageSpec, Param, Within};
use crate::row_filter::combine;
use crate::scalar::Scalar;
use crate::sdl::order_value;
use apollo_compiler::executable::SelectionSet;
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// Levels and conditions of a `having`.
const MAX_DEPTH: usize = 12;
const MAX_CONDITIONS: usize = 500;

/// The rows that figures are about: their type, their columns, and the query of all of them from ` FROM` to its WHERE.
pub(super) struct Rows<'s> {
    pub(super) id: EntityId,
    pub(super) scope: &'s Scope,
    pub(super) all: &'s Sql,
}

/// What rows are grouped by.
struct Key {
    column: ColumnId,
    expr: Sql,
    pg: PgType,
}

impl<'a> Compiler<'a> {
    /// The figures of all rows; what they need is added to `row`.
    pub(super) fn aggregate(
        &mut self,
        rows: &Rows<'_>,
        sets: &[&'a SelectionSet],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let kind = format!("{}Aggregate", self.catalog.entity(rows.id).type_name);
        self.figures(rows, &kind, sets, &[], row)
    }

    /// The groups of the rows: the query of an array of records, and the layout of one.
    pub(super) fn groups(
        &mut self,
        rows: &Rows<'_>,
        collected: &Collected<'a>,
        within: Within,
    ) -> Fallible<(Sql, ObjectLayout)> {
        let field = collected.field();
        let keys = self.group_keys(rows, self.argument(field, "by").as_ref())?;
        let kind = format!("{}Group", self.catalog.entity(rows.id).type_name);
        let mut row = Row::default();
        let object = self.figures(rows, &kind, &collected.selections(), &keys, &mut row)?;
        let mut sql = Sql::lit("ARRAY(SELECT ");
        sql.append(&row.record()).append(rows.all);
        let exprs: Vec<Sql> = keys.iter().map(|k| k.expr.clone()).collect();
        sql.push(" GROUP BY ").join(&exprs, ", ");
        if let Some(having) = self.argument(field, "having") {
            let conditions = self.having(rows, &having, 0, &mut 0)?;
            if !conditions.is_empty() {
                sql.push(" HAVING ").join(&conditions, " AND ");
            }
        }
        let order = self.group_order(rows, &keys, self.argument(field, "orderBy").as_ref())?;
        sql.append(&order_by(&order, false)).push(" LIMIT ");
        let offset = self.argument(field, "offset");
        self.pages.push(PageSpec {
            name: field.response_key().to_string(),
            size: self.argument(field, "first").map(|g| g.source()),
            argument: "first",
            offset: offset.as_ref().map(Given::source),
            looks_ahead: false,
            within,
        });
        self.push_param(&mut sql, Param::Limit(self.pages.len() - 1), PgType::Int8, false);
        if let Some(offset) = &offset {
            sql.push(" OFFSET ");
            self.push_param(&mut sql, Param::Offset(offset.source()), PgType::Int8, false);
        }
        sql.push(")");
        Ok((sql, object))
    }

    /// The members of an aggregate or a group, which is of type `kind`.
    fn figures(
        &mut self,
        rows: &Rows<'_>,
        kind: &str,
        sets: &[&'a SelectionSet],
        keys: &[Key],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let mut layout = ObjectLayout::default();
        for collected in self.fields(kind, sets)? {
            let name = collected.field().name.as_str();
            let sets = collected.selections();
            let value = match (name, Function::ALL.into_iter().find(|f| f.name() == name)) {
                (_, Some(function)) => inline(self.figure(rows, function, &sets, row)?),
                ("count", _) => ValueLayout::Count { column: row.add(count()) },
                ("keys", _) => inline(self.key_values(rows, keys, &sets, row)?),
                _ => ValueLayout::Constant(type_name_json(kind)),
            };
            layout.members.push(Entry { key: collected.key.into(), value });
        }
        Ok(layout)
    }

    /// What one function says of the selected fields.
    fn figure(
        &mut self,
        rows: &Rows<'_>,
        function: Function,
        sets: &[&'a SelectionSet],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let entity = self.catalog.entity(rows.id);
        let kind = format!("{}Aggregate{}", entity.type_name, function.suffix());
        self.columns(entity, &kind, sets, |column, compiler| {
            let (_, pg) = function.result(column)?;
            let id = entity.column_of_field(&column.field)?;
            compiler.touch(column);
            if !compiler.access.reads(column) {
                return Some(ValueLayout::Denied(compiler.deny(format!("{}.{}", entity.type_name, column.name))));
            }
            let at = row.add(function.call(rows.scope.expr(id), column.pg));
            Some(match function {
                Function::Distinct => ValueLayout::Count { column: at },
                _ => ValueLayout::Scalar { column: at, pg, array: false },
            })
        })
    }

    /// The selected keys of a group.
    fn key_values(
        &mut self,
        rows: &Rows<'_>,
        keys: &[Key],
        sets: &[&'a SelectionSet],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let entity = self.catalog.entity(rows.id);
        let kind = format!("{}GroupKeys", entity.type_name);
        self.columns(entity, &kind, sets, |column, compiler| {
            compiler.touch(column);
            if !compiler.access.reads(column) {
                return Some(ValueLayout::Denied(compiler.deny(format!("{}.{}", entity.type_name, column.name))));
            }
            Some(match keys.iter().find(|k| entity.column(k.column).name == column.name) {
                Some(key) => ValueLayout::Scalar { column: row.add(key.expr.clone()), pg: key.pg, array: false },
                None => ValueLayout::Constant(b"null".to_vec()),
            })
        })
    }

    /// An object of type `kind`, whose fields are columns of `entity`.
    fn columns(
        &mut self,
        entity: &Entity,
        kind: &str,
        sets: &[&'a SelectionSet],
        mut value: impl FnMut(&Column, &mut Self) -> Option<ValueLayout>,
    ) -> Fallible<ObjectLayout> {
        let mut layout = ObjectLayout::default();
        for collected in self.fields(kind, sets)? {
            let name = collected.field().name.as_str();
            let column = entity.columns.iter().find(|c| c.name == name);
            let value = column.and_then(|c| value(c, self));
            // validation lets only `__typename` pass beside the type's own fields
            let value = value.unwrap_or_else(|| ValueLayout::Constant(type_name_json(kind)));
            layout.members.push(Entry { key: collected.key.into(), value });
        }
        Ok(layout)
    }

    /// The column that an enum value of `by` or `orderBy` names, when the caller may use it.
    fn named_column(&self, rows: &Rows<'_>, wanted: &str, what: &str) -> Fallible<ColumnId> {
        let entity = self.catalog.entity(rows.id);
        let found = entity.columns.iter().position(|c| is_grouped(c) && order_value(&c.name) == wanted);
        let column = found.map(|i| ColumnId(i as u32)).ok_or_else(|| {
            GraphqlError::new("BAD_USER_INPUT", format!("`{wanted}` is no field that `groups` knows"))
        })?;
        self.touch(entity.column(column));
        match self.access.reads(entity.column(column)) {
            true => Ok(column),
            false => Err(forbidden(&entity.type_name, &entity.column(column).name, what)),
        }
    }

    fn group_keys(&mut self, rows: &Rows<'_>, given: Option<&Given<'a>>) -> Fallible<Vec<Key>> {
        let entity = self.catalog.entity(rows.id);
        let mut keys: Vec<Key> = Vec::new();
        for item in given.iter().flat_map(|g| g.items(self.values)) {
            let fields = item.fields(self.values);
            let text = |name: &str| fields.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.text());
            let column = self.named_column(rows, text("field").unwrap_or_default(), "grouping")?;
            let description = entity.column(column);
            if keys.iter().any(|k| k.column == column) {
                let message = format!("`by` names `{}` twice; a group has one key of each field", description.name);
                return Err(GraphqlError::new("BAD_USER_INPUT", message));
            }
            let expr = match text("bucket") {
                Some(bucket) => bucketed(description, rows.scope.expr(column), bucket)?,
                None => rows.scope.expr(column).clone(),
            };
            keys.push(Key { column, expr, pg: description.pg });
        }
        match keys.is_empty() {
            true => Err(GraphqlError::new("BAD_USER_INPUT", "`by` names no field; use `aggregate` for all rows")),
            false => Ok(keys),
        }
    }

    /// What `orderBy` says, then the keys, so that every group has one place.
    fn group_order(&mut self, rows: &Rows<'_>, keys: &[Key], given: Option<&Given<'a>>) -> Fallible<Vec<OrderColumn>> {
        let entity = self.catalog.entity(rows.id);
        let mut order = Vec::new();
        for item in given.iter().flat_map(|g| g.items(self.values)) {
            let fields = item.fields(self.values);
            let text = |name: &str| fields.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.text());
            let expr = match (text("aggregate"), text("field")) {
                (Some("COUNT"), None) => count(),
                (Some("COUNT"), Some(_)) => {
                    let message = "COUNT is of rows and takes no `field`; DISTINCT counts values";
                    return Err(GraphqlError::new("BAD_USER_INPUT", message));
                }
                (aggregate, Some(wanted)) => {
                    let column = self.named_column(rows, wanted, "ordering")?;
                    match aggregate {
                        Some(word) => called(entity.column(column), rows.scope.expr(column), word)?,
                        None => key_named(keys, column, wanted)?,
                    }
                }
                (_, None) => {
                    let message = "an entry of `orderBy` has no `field`; name one, or order by the aggregate COUNT";
                    return Err(GraphqlError::new("BAD_USER_INPUT", message));
                }
            };
            order.push(OrderColumn {
                label: String::new(),
                expr,
                pg: PgType::Int8,
                descending: text("direction") == Some("DESC"),
                nulls_first: text("nulls") == Some("FIRST"),
                nullable: true,
            });
        }
        order.extend(keys.iter().map(|key| OrderColumn {
            label: String::new(),
            expr: key.expr.clone(),
            pg: key.pg,
            descending: false,
            nulls_first: false,
            nullable: !entity.column(key.column).required,
        }));
        Ok(order)
    }

    /// The conditions of `having`. All must hold.
    fn having(
        &mut self,
        rows: &Rows<'_>,
        given: &Given<'a>,
        depth: usize,
        conditions: &mut usize,
    ) -> Fallible<Vec<Sql>> {
        if depth > MAX_DEPTH || *conditions > MAX_CONDITIONS {
            return Err(GraphqlError::new("FILTER_TOO_LARGE", "`having` has too many conditions or levels"));
        }
        let mut found = Vec::new();
        for (name, part) in given.fields(self.values) {
            if part.is_null() {
                return Err(super::filter::null_operand(name));
            }
            match (name, Function::ALL.into_iter().find(|f| f.name() == name)) {
                (_, Some(function)) => found.extend(self.having_of(rows, function, &part, conditions)?),
                ("and" | "or", _) => {
                    let mut parts = Vec::new();
                    for item in part.items(self.values) {
                        parts.push(combine(&self.having(rows, &item, depth + 1, conditions)?, false));
                    }
                    found.push(combine(&parts, name == "or"));
                }
                ("not", _) => {
                    let mut sql = Sql::lit("NOT ");
                    sql.append(&combine(&self.having(rows, &part, depth + 1, conditions)?, false));
                    found.push(sql);
                }
                _ => {
                    let expr = count();
                    let subject = Subject { expr: &expr, scalar: Scalar::Int, pg: PgType::Int8, array: false };
                    found.extend(self.conditions(subject, &part, conditions)?);
                }
            }
        }
        Ok(found)
    }

    /// What `having` says of one function's results.
    fn having_of(
        &mut self,
        rows: &Rows<'_>,
        function: Function,
        given: &Given<'a>,
        conditions: &mut usize,
    ) -> Fallible<Vec<Sql>> {
        let entity = self.catalog.entity(rows.id);
        let mut found = Vec::new();
        for (name, part) in given.fields(self.values) {
            if part.is_null() {
                return Err(super::filter::null_operand(name));
            }
            let column = self.named_column(rows, &order_value(name), "grouping")?;
            let description = entity.column(column);
            let Some((scalar, pg)) = function.result(description) else { continue };
            let expr = function.call(rows.scope.expr(column), description.pg);
            let subject = Subject { expr: &expr, scalar, pg, array: false };
            found.extend(self.conditions(subject, &part, conditions)?);
        }
        Ok(found)
    }
}

fn count() -> Sql {
    Sql::lit("count(*)")
}

fn inline(object: ObjectLayout) -> ValueLayout {
    ValueLayout::Inline { object, presence: Vec::new() }
}

fn key_named(keys: &[Key], column: ColumnId, wanted: &str) -> Fallible<Sql> {
    let key = keys.iter().find(|k| k.column == column);
    key.map(|k| k.expr.clone()).ok_or_else(|| {
        let message = format!("`{wanted}` is no key of these groups; add it to `by`, or order by an `aggregate` of it");
        GraphqlError::new("BAD_USER_INPUT", message)
    })
}

fn called(column: &Column, expr: &Sql, word: &str) -> Fallible<Sql> {
    let function = Function::ALL.into_iter().find(|f| f.word() == word && f.result(column).is_some());
    function.map(|f| f.call(expr, column.pg)).ok_or_else(|| {
        let message = format!("`{}` has no {word}; the schema says which aggregates fit which fields", column.name);
        GraphqlError::new("BAD_USER_INPUT", message)
    })
}

/// The start of the span of time that a value lies in.
fn bucketed(column: &Column, expr: &Sql, bucket: &str) -> Fallible<Sql> {
    let unit = match bucket {
        "YEAR" => "'year'",
        "QUARTER" => "'quarter'",
        "MONTH" => "'month'",
        "WEEK" => "'week'",
        "DAY" => "'day'",
        _ => "'hour'",
    };
    if !is_bucketed(column) || (column.pg == PgType::Date && bucket == "HOUR") {
        let message = format!("`{}` cannot be grouped by {bucket}: it has no such spans of time", column.name);
        return Err(GraphqlError::new("BAD_USER_INPUT", message));
    }
    // what has no start of its span within the type's range, infinity included, is a span of its own
    let mut sql = Sql::lit("CASE WHEN ");
    sql.append(expr).push(" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc(");
    sql.push(unit).push(", ").append(expr);
    sql.push(match column.pg {
        PgType::Timestamptz => ", 'UTC')",
        PgType::Date => "::timestamp)::date",
        _ => ")",
    });
    sql.push(" ELSE ").append(expr).push(" END");
    Ok(sql)
}
