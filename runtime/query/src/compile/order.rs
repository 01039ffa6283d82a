//! Ordering: turns `orderBy` into ORDER BY, and cursors into conditions on the ordered columns.

use super::{Compiler, Fallible, Scope};
use crate::catalog::{ColumnId, Entity, EntityId};
use crate::given::{Given, ValueSource};
use crate::params::Param;
use crate::sdl::order_value;
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// A column of an ORDER BY.
#[derive(Debug, Clone)]
pub(super) struct OrderColumn {
    pub(super) column: ColumnId,
    pub(super) expr: Sql,
    pub(super) pg: PgType,
    descending: bool,
    nulls_first: bool,
    nullable: bool,
}

impl<'a> Compiler<'a> {
    /// The order of a list: what `orderBy` says, then the primary key, so that every row has one place. Where the caller
    /// may not read the key, all that it sees of a row takes its place.
    pub(super) fn order(
        &mut self,
        id: EntityId,
        scope: &Scope,
        given: Option<&Given<'a>>,
    ) -> Fallible<Vec<OrderColumn>> {
        let entity = self.catalog.entity(id);
        let mut order: Vec<OrderColumn> = Vec::new();
        for item in given.iter().flat_map(|g| g.items(self.values)) {
            let fields = item.fields(self.values);
            let text = |name: &str| fields.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.text());
            let wanted = text("field").unwrap_or_default();
            let found = entity.columns.iter().position(|c| order_value(&c.name) == wanted);
            let column = found.map(|i| ColumnId(i as u32)).ok_or_else(|| {
                GraphqlError::new("BAD_USER_INPUT", format!("`{wanted}` is no field that `orderBy` knows"))
            })?;
            let description = entity.column(column);
            if !self.access.reads(description) {
                return Err(forbidden(&entity.type_name, &description.name, "ordering"));
            }
            if order.iter().any(|o| o.column == column) {
                continue;
            }
            order.push(OrderColumn {
                column,
                expr: scope.expr(column).clone(),
                pg: description.pg,
                descending: text("direction") == Some("DESC"),
                nulls_first: text("nulls") == Some("FIRST"),
                nullable: !description.required,
            });
        }
        if !self.reads_key(entity) {
            for (column, expr) in self.visible_order(entity, scope) {
                if order.iter().all(|o| o.column != column) {
                    let pg = entity.column(column).pg;
                    order.push(OrderColumn { column, expr, pg, descending: false, nulls_first: false, nullable: true });
                }
            }
            return Ok(order);
        }
        for key in &entity.key {
            if order.iter().all(|o| o.column != *key) {
                order.push(OrderColumn {
                    column: *key,
                    expr: scope.expr(*key).clone(),
                    pg: entity.column(*key).pg,
                    descending: false,
                    nulls_first: false,
                    nullable: false,
                });
            }
        }
        Ok(order)
    }

    /// Whether the caller may read every part of the primary key, which places in lists and cursors are made of.
    pub(super) fn reads_key(&self, entity: &Entity) -> bool {
        entity.key.iter().all(|c| self.access.reads(entity.column(*c)))
    }

    /// The rows that come after (or, with `before`, before) the row of a cursor.
    pub(super) fn keyset(&mut self, order: &[OrderColumn], source: &ValueSource, mark: u64, before: bool) -> Sql {
        let cursor: Vec<Sql> = order
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let mut sql = Sql::new();
                let param = Param::Cursor { source: source.clone(), index, count: order.len(), mark, pg: column.pg };
                self.push_param(&mut sql, param, column.pg, false);
                sql
            })
            .collect();
        let plain = order.iter().all(|c| !c.nullable && c.descending == order[0].descending);
        if plain {
            // a row comparison is what an index on these columns can answer
            let exprs: Vec<Sql> = order.iter().map(|c| c.expr.clone()).collect();
            let mut sql = Sql::lit("(");
            sql.join(&exprs, ", ").push(if order[0].descending ^ before { ") < (" } else { ") > (" });
            sql.join(&cursor, ", ").push(")");
            return sql;
        }
        let mut result = Sql::new();
        for (column, value) in order.iter().zip(&cursor).rev() {
            let mut sql = Sql::lit("(");
            sql.append(&column.beyond(value, before));
            if !result.is_empty() {
                sql.push(" OR ").append(&column.same(value)).push(" AND ").append(&result);
            }
            sql.push(")");
            result = sql;
        }
        result
    }
}

impl OrderColumn {
    fn beyond(&self, value: &Sql, before: bool) -> Sql {
        let mut sql = self.expr.clone();
        sql.push(if self.descending ^ before { " < " } else { " > " }).append(value);
        if !self.nullable {
            return sql;
        }
        let mut with_nulls = Sql::lit("(");
        with_nulls.append(&sql).push(" OR ");
        if self.nulls_first ^ before {
            with_nulls.append(value).push(" IS NULL AND ").append(&self.expr).push(" IS NOT NULL)");
        } else {
            with_nulls.append(&self.expr).push(" IS NULL AND ").append(value).push(" IS NOT NULL)");
        }
        with_nulls
    }

    fn same(&self, value: &Sql) -> Sql {
        let mut sql = self.expr.clone();
        sql.push(if self.nullable { " IS NOT DISTINCT FROM " } else { " = " }).append(value);
        sql
    }
}

/// ` ORDER BY …`; reversed for pages that are read from their end.
pub(super) fn order_by(order: &[OrderColumn], reversed: bool) -> Sql {
    let columns: Vec<Sql> = order
        .iter()
        .map(|column| {
            let mut sql = column.expr.clone();
            let descending = column.descending ^ reversed;
            sql.push(if descending { " DESC" } else { "" });
            let nulls_first = column.nulls_first ^ reversed;
            // Postgres puts nulls last when ascending and first when descending
            if column.nullable && nulls_first != descending {
                sql.push(if nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            sql
        })
        .collect();
    let mut sql = Sql::new();
    if !columns.is_empty() {
        sql.push(" ORDER BY ").join(&columns, ", ");
    }
    sql
}

/// What tells cursors of this order from those of others.
pub(super) fn describe(type_name: &str, order: &[OrderColumn]) -> String {
    let columns: Vec<String> =
        order.iter().map(|c| format!("{} {} {}", c.column.0, c.descending, c.nulls_first)).collect();
    format!("{type_name}: {}", columns.join(", "))
}

/// The request error for using a field that may not be read.
pub(super) fn forbidden(type_name: &str, field: &str, what: &str) -> GraphqlError {
    GraphqlError::new(
        "FORBIDDEN",
        format!("`{type_name}.{field}` may not be used for {what} by these roles; leave it out or ask for access"),
    )
}
