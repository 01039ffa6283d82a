//! Entities: turns an `_entities` field into one query for each type, over arrays of keys.

use super::{Compiler, Fallible, Row, Scope, push_table, select_record};
use crate::catalog::{EntityId, KeyId};
use crate::collect::Collected;
use crate::given::Given;
use crate::layout::{EntityGroup, Entry, Form, Key, ObjectLayout, RootLayout};
use crate::params::{EntitiesSpec, Param, Within};
use crate::scalar::casts;
use crate::shape::represented_types;
use terrane_graphql::GraphqlError;
use terrane_sql::Sql;

/// The groups of an `_entities` field: for each its layout, and its query where rows are needed.
pub(super) struct Groups {
    root: usize,
    groups: Vec<(EntityGroup, Option<GroupQuery>)>,
}

/// The query of a group: its columns (the position first) and the rest from FROM on.
struct GroupQuery {
    row: Row,
    tail: Sql,
}

impl Groups {
    /// The form of a statement that has no other root.
    pub(super) fn into_form(self, key: Key) -> (Sql, Form) {
        let queried: Vec<usize> =
            self.groups.iter().enumerate().filter(|(_, (_, query))| query.is_some()).map(|(i, _)| i).collect();
        let [only] = queried.as_slice() else {
            let mut row = Row::default();
            let value = self.into_root(&mut row);
            return select_record(&row, vec![Entry { key, value }]);
        };
        let group = *only;
        let mut sql = Sql::lit("SELECT ");
        let mut groups = Vec::new();
        for (layout, query) in self.groups {
            if let Some(query) = query {
                sql.append(&query.row.list()).append(&query.tail);
            }
            groups.push(layout);
        }
        (sql, Form::EntityRows { key, root: self.root, groups, group })
    }

    /// The groups as arrays in columns of `row`.
    pub(super) fn into_root(self, row: &mut Row) -> RootLayout {
        let groups = self
            .groups
            .into_iter()
            .map(|(mut layout, query)| {
                layout.column = query.map(|query| {
                    let mut sql = Sql::lit("ARRAY(SELECT ");
                    sql.append(&query.row.record()).append(&query.tail).push(")");
                    row.add(sql)
                });
                layout
            })
            .collect();
        RootLayout::Entities { root: self.root, groups }
    }
}

/// A group that nothing is asked of.
fn empty_group() -> EntityGroup {
    EntityGroup { column: None, object: ObjectLayout::default(), denied: None }
}

impl<'a> Compiler<'a> {
    /// Compile the groups of `_entities`: every type that may be represented, queried when it is and when the
    /// operation selects something of it.
    pub(super) fn entity_groups(&mut self, collected: &Collected<'a>) -> Fallible<Groups> {
        let argument = collected.field().specified_argument_by_name("representations");
        let given = argument.and_then(|a| Given::of(a, self.values));
        let source =
            given.ok_or_else(|| GraphqlError::new("BAD_USER_INPUT", "argument `representations` is missing"))?.source();
        let representations = source.resolve(self.values);
        let represented = represented_types(self.catalog, representations.as_array().map_or(&[], Vec::as_slice));
        let catalog = self.catalog;
        let ids = catalog.groups();
        let root = self.entities.len();
        self.entities.push(EntitiesSpec { source: source.clone(), groups: ids.clone() });
        let mut groups = Vec::with_capacity(ids.len());
        for (group, (id, key)) in ids.into_iter().enumerate() {
            let asked = represented.contains(&(catalog.entity(id).type_name.as_str(), key));
            let place = (root, group);
            groups.push(if asked { self.entity_group(id, key, collected, place)? } else { (empty_group(), None) });
        }
        Ok(Groups { root, groups })
    }

    fn entity_group(
        &mut self,
        id: EntityId,
        key: KeyId,
        collected: &Collected<'a>,
        (root, group): (usize, usize),
    ) -> Fallible<(EntityGroup, Option<GroupQuery>)> {
        let entity = self.catalog.entity(id);
        let sets = collected.selections();
        let mut layout = EntityGroup { column: None, object: ObjectLayout::default(), denied: None };
        if self.fields(&entity.type_name, &sets)?.is_empty() {
            return Ok((layout, None));
        }
        if let Some(label) = self.lookup_denied(id, key) {
            layout.denied = Some(self.deny(label));
            return Ok((layout, None));
        }
        let keys = self.alias("k");
        let mut ordinal = keys.clone();
        ordinal.push(".ord");
        let mut row = Row::default();
        row.add(ordinal);
        let mut tail = Sql::lit(" FROM ");
        tail.append(&self.unnest_keys(id, key, (root, group), &keys));
        let key_exprs = self.key_exprs(id, key, &keys);
        let scope = if entity.table.is_some() {
            let alias = self.alias("t");
            let scope = Scope::of_table(entity, &alias);
            let mut conditions: Vec<Sql> = entity
                .key_of(key)
                .iter()
                .zip(&key_exprs)
                .map(|(column, part)| {
                    let mut sql = scope.expr(*column).clone();
                    sql.push(" = ").append(part);
                    sql
                })
                .collect();
            conditions.extend(self.row_filter(id, &scope));
            tail.push(" JOIN ");
            push_table(&mut tail, entity);
            tail.push(" AS ").append(&alias).push(" ON ").join(&conditions, " AND ");
            scope
        } else {
            // a stub has no rows of its own: whatever is asked for by key exists
            Scope { exprs: key_exprs }
        };
        layout.object = self.object(id, &scope, &sets, &mut row, Within::Entities(root))?;
        Ok((layout, Some(GroupQuery { row, tail })))
    }

    /// `unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)`
    fn unnest_keys(&mut self, id: EntityId, key: KeyId, (root, group): (usize, usize), alias: &Sql) -> Sql {
        let entity = self.catalog.entity(id);
        let mut sql = Sql::lit("unnest(");
        for (part, column) in entity.key_of(key).iter().enumerate() {
            sql.push(if part > 0 { ", " } else { "" });
            self.params.push(Param::Keys { root, group, part });
            sql.bind(self.params.len()).push("::").push(casts(entity.column(*column).pg, true).0);
        }
        sql.push(") WITH ORDINALITY AS ").append(alias).push("(");
        for part in 0..entity.key_of(key).len() {
            sql.push("c").number(part as u64).push(", ");
        }
        sql.push("ord)");
        sql
    }

    /// The key parts with the types of their columns.
    fn key_exprs(&self, id: EntityId, key: KeyId, alias: &Sql) -> Vec<Sql> {
        let entity = self.catalog.entity(id);
        entity
            .key_of(key)
            .iter()
            .enumerate()
            .map(|(part, column)| {
                let mut sql = alias.clone();
                sql.push(".c").number(part as u64);
                if let (_, Some(cast)) = casts(entity.column(*column).pg, false) {
                    sql.push("::").push(cast);
                }
                sql
            })
            .collect()
    }
}
