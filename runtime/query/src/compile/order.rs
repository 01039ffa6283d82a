//! Ordering: turns `orderBy` into ORDER BY, and cursors into conditions on the ordered columns.

use super::object::equal;
use super::{Compiler, Fallible, Scope, from_table, push_where};
use crate::catalog::{ColumnId, Entity, EntityId, KeyId, Member, Relation, Shape};
use crate::given::{Given, ValueSource};
use crate::params::Param;
use crate::sdl::{RELEVANCE, order_value};
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// Relations that one entry of `orderBy` may follow.
const MAX_STEPS: usize = 4;
/// Related rows that one list may be ordered by.
const MAX_JOINS: usize = 8;

/// The order of a list: its columns, and the joins that bring those of related rows.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) columns: Vec<OrderColumn>,
    /// What follows the list's own table in FROM; brings no rows and takes none away.
    pub(super) joins: Sql,
    joined: Vec<Joined>,
    rank: Option<Sql>,
}

/// The related rows of one path of relations.
#[derive(Debug)]
struct Joined {
    path: String,
    scope: Scope,
}

/// A column of an ORDER BY.
#[derive(Debug, Clone)]
pub(super) struct OrderColumn {
    /// What it is, for telling cursors of this order from those of others.
    pub(super) label: String,
    pub(super) expr: Sql,
    pub(super) pg: PgType,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
    pub(super) nullable: bool,
}

/// Where an entry of `orderBy` has got to: a type, its row, and the relations that lead there.
struct Place {
    id: EntityId,
    scope: Scope,
    path: String,
    steps: usize,
}

impl<'a> Compiler<'a> {
    /// The order of a list: what `orderBy` says, then the primary key, so that every row has one place. Where the caller
    /// may not read the key, all that it sees of a row takes its place. `rank` is how well a row matches the list's search.
    pub(super) fn order(
        &mut self,
        id: EntityId,
        scope: &Scope,
        given: Option<&Given<'a>>,
        rank: Option<&Sql>,
    ) -> Fallible<Order> {
        let entity = self.catalog.entity(id);
        let mut order = Order { rank: rank.cloned(), ..Order::default() };
        for item in given.iter().flat_map(|g| g.items(self.values)) {
            let place = Place { id, scope: scope.clone(), path: String::new(), steps: 0 };
            let column = self.order_column(&place, &item, &mut order)?;
            order.add(column);
        }
        if !self.reads_key(entity) {
            for (column, expr) in self.visible_order(entity, scope) {
                let (label, pg) = (column.0.to_string(), entity.column(column).pg);
                order.add(OrderColumn { label, expr, pg, descending: false, nulls_first: false, nullable: true });
            }
            return Ok(order);
        }
        for key in &entity.key {
            order.add(OrderColumn {
                label: key.0.to_string(),
                expr: scope.expr(*key).clone(),
                pg: entity.column(*key).pg,
                descending: false,
                nulls_first: false,
                nullable: false,
            });
        }
        Ok(order)
    }

    /// One entry of `orderBy`: a field here, or what a relation's own order says there.
    fn order_column(&mut self, place: &Place, item: &Given<'a>, order: &mut Order) -> Fallible<OrderColumn> {
        let fields: Vec<_> = item.fields(self.values).into_iter().filter(|(_, v)| !v.is_null()).collect();
        let text = |name: &str| fields.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.text());
        let (descending, nulls_first) = (text("direction") == Some("DESC"), text("nulls") == Some("FIRST"));
        let related: Vec<_> = fields.iter().filter(|(k, _)| !["field", "direction", "nulls"].contains(k)).collect();
        let entity = self.catalog.entity(place.id);
        match (text("field"), related.as_slice()) {
            (Some(RELEVANCE), []) if entity.is_searchable() => {
                let expr = order.rank.clone().filter(|_| place.steps == 0).ok_or_else(|| {
                    let message = "`RELEVANCE` orders what a list's own `search` finds; give `search`, or leave it out";
                    GraphqlError::new("BAD_USER_INPUT", message)
                })?;
                let (label, pg) = (RELEVANCE.to_owned(), PgType::Float8);
                Ok(OrderColumn { label, expr, pg, descending, nulls_first, nullable: false })
            }
            (Some(wanted), []) => {
                let found = entity.columns.iter().position(|c| order_value(&c.name) == wanted);
                let column = found.map(|i| ColumnId(i as u32)).ok_or_else(|| {
                    GraphqlError::new("BAD_USER_INPUT", format!("`{wanted}` is no field that `orderBy` knows"))
                })?;
                let description = entity.column(column);
                self.touch(description);
                if !self.access.reads(description) {
                    return Err(forbidden(&entity.type_name, &description.name, "ordering"));
                }
                Ok(OrderColumn {
                    label: format!("{}{}", place.path, column.0),
                    expr: place.scope.expr(column).clone(),
                    pg: description.pg,
                    descending,
                    nulls_first,
                    // there may be no related row, or none that the caller may see
                    nullable: !description.required || place.steps > 0,
                })
            }
            (None, [(name, inner)]) if !descending && !nulls_first => {
                let place = self.follow(place, name, order)?;
                self.order_column(&place, inner, order)
            }
            (None, [(name, _)]) => Err(GraphqlError::new(
                "BAD_USER_INPUT",
                format!("an entry of `orderBy` follows `{name}`; give `direction` and `nulls` inside of it"),
            )),
            _ => Err(GraphqlError::new(
                "BAD_USER_INPUT",
                "an entry of `orderBy` names exactly one `field` or one relation; order by more with more entries",
            )),
        }
    }

    /// Step over the to-one relation `name`; its rows are joined once for each path.
    fn follow(&mut self, place: &Place, name: &str, order: &mut Order) -> Fallible<Place> {
        let entity = self.catalog.entity(place.id);
        let relation = match entity.members.get(name) {
            Some(Member::Relation(id)) if entity.relation(*id).shape == Shape::One => entity.relation(*id),
            _ => {
                return Err(GraphqlError::new("BAD_USER_INPUT", format!("`{name}` is nothing that `orderBy` knows")));
            }
        };
        if self.relation_denied(place.id, relation).is_some() {
            return Err(forbidden(&entity.type_name, name, "ordering"));
        }
        if place.steps == MAX_STEPS || order.joined.len() == MAX_JOINS {
            let message = format!(
                "`orderBy` follows too many relations: at most {MAX_STEPS} in one entry, {MAX_JOINS} in one list"
            );
            return Err(GraphqlError::new("OPERATION_TOO_DEEP", message));
        }
        let path = format!("{}{name}.", place.path);
        let scope = match order.joined.iter().find(|j| j.path == path) {
            Some(joined) => joined.scope.clone(),
            None => {
                let scope = self.join_related(relation, &place.scope, &mut order.joins);
                order.joined.push(Joined { path: path.clone(), scope: scope.clone() });
                scope
            }
        };
        Ok(Place { id: relation.target, scope, path, steps: place.steps + 1 })
    }

    /// Append a join with the one related row that the caller may see. A plain LEFT JOIN where a key of the target says that
    /// there is at most one: Postgres can hash it, which it cannot with a subquery for each row.
    fn join_related(&mut self, relation: &Relation, here: &Scope, joins: &mut Sql) -> Scope {
        let target = self.catalog.entity(relation.target);
        let alias = self.alias("t");
        let scope = Scope::of_table(target, &alias);
        let mut conditions = equal(self.join(relation, here), relation, &scope);
        conditions.extend(self.row_filter(relation.target, &scope));
        let is_key = |key: KeyId| target.key_of(key).iter().all(|column| relation.to.contains(column));
        if target.keys().any(is_key) {
            joins.push(" LEFT JOIN ");
            super::push_table(joins, target);
            joins.push(" AS ").append(&alias).push(" ON ").join(&conditions, " AND ");
            return scope;
        }
        joins.push(" LEFT JOIN LATERAL (SELECT ").append(&alias).push(".*").append(&from_table(target, &alias));
        push_where(joins, &conditions);
        let key: Vec<Sql> = target.key.iter().map(|c| scope.expr(*c).clone()).collect();
        joins.push(" ORDER BY ").join(&key, ", ").push(" LIMIT 1) AS ").append(&alias).push(" ON TRUE");
        scope
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

impl Order {
    /// Append a column, unless the order has it already.
    fn add(&mut self, column: OrderColumn) {
        if self.columns.iter().all(|c| c.label != column.label) {
            self.columns.push(column);
        }
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
        order.iter().map(|c| format!("{} {} {}", c.label, c.descending, c.nulls_first)).collect();
    format!("{type_name}: {}", columns.join(", "))
}

/// The request error for using a field that may not be read.
pub(super) fn forbidden(type_name: &str, field: &str, what: &str) -> GraphqlError {
    GraphqlError::new(
        "FORBIDDEN",
        format!("`{type_name}.{field}` may not be used for {what} by these roles; leave it out or ask for access"),
    )
}
