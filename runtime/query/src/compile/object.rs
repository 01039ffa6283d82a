//! Objects: turns the selected fields of an object into columns of its row and their layout.

use super::mask::Shown;
use super::{Compiler, Fallible, Row, Scope, from_table, push_where};
use crate::catalog::{ColumnId, EntityId, Join, Member, Relation, Shape};
use crate::collect::Collected;
use crate::layout::{Entry, ObjectLayout, ValueLayout};
use crate::params::Within;
use apollo_compiler::executable::SelectionSet;
use terrane_sql::Sql;

impl<'a> Compiler<'a> {
    /// The object of type `id` whose columns are in `scope`; what it needs is added to `row`.
    pub(super) fn object(
        &mut self,
        id: EntityId,
        scope: &Scope,
        sets: &[&'a SelectionSet],
        row: &mut Row,
        within: Within,
    ) -> Fallible<ObjectLayout> {
        self.enter()?;
        let entity = self.catalog.entity(id);
        let mut layout = ObjectLayout::default();
        for collected in self.fields(&entity.type_name, sets)? {
            let name = collected.field().name.as_str();
            let value = match entity.members.get(name) {
                Some(Member::Column(column)) => self.column(id, *column, &collected, scope, row)?,
                Some(Member::Relation(relation)) => {
                    self.relation(id, entity.relation(*relation), &collected, scope, row, within)?
                }
                // validation lets only `__typename` pass beside the type's own fields
                None => ValueLayout::Constant(type_name_json(&entity.type_name)),
            };
            layout.members.push(Entry { key: collected.key.into(), value });
        }
        self.leave();
        Ok(layout)
    }

    pub(super) fn column(
        &mut self,
        id: EntityId,
        column: ColumnId,
        collected: &Collected<'a>,
        scope: &Scope,
        row: &mut Row,
    ) -> Fallible<ValueLayout> {
        let entity = self.catalog.entity(id);
        let description = entity.column(column);
        let (pg, array) = (description.pg, description.array);
        Ok(match self.shown(entity, column, scope) {
            Shown::Expr(sql) => match description.nested {
                Some((nested, list)) => {
                    let object = self.nested(nested, &collected.selections())?;
                    ValueLayout::Json { column: row.add(sql), pg, array, list, object }
                }
                None => ValueLayout::Scalar { column: row.add(sql), pg, array },
            },
            Shown::Null => ValueLayout::Constant(b"null".to_vec()),
            Shown::Denied => ValueLayout::Denied(self.deny(format!("{}.{}", entity.type_name, description.name))),
        })
    }

    /// What keeps the caller from following `relation`: a side of it that it may not read.
    pub(super) fn relation_denied(&self, id: EntityId, relation: &Relation) -> Option<String> {
        let (here, there) = (self.catalog.entity(id), self.catalog.entity(relation.target));
        let hidden = |entity: &crate::catalog::Entity, columns: &[ColumnId]| {
            columns.iter().for_each(|c| self.touch(entity.column(*c)));
            columns.iter().any(|c| !self.access.reads(entity.column(*c)))
        };
        let denied = hidden(here, &relation.from) || hidden(there, &relation.to) || !self.access.sees(there);
        denied.then(|| format!("{}.{}", here.type_name, relation.name))
    }

    fn relation(
        &mut self,
        id: EntityId,
        relation: &'a Relation,
        collected: &Collected<'a>,
        scope: &Scope,
        row: &mut Row,
        within: Within,
    ) -> Fallible<ValueLayout> {
        if let Some(label) = self.relation_denied(id, relation) {
            return Ok(ValueLayout::Denied(self.deny(label)));
        }
        let sets = collected.selections();
        match (relation.shape, &self.catalog.entity(relation.target).table) {
            (Shape::One, None) => self.inline_stub(id, relation, &sets, scope, row, within),
            (Shape::One, Some(_)) => self.one_row(relation, &sets, scope, row, within),
            (Shape::List, _) => self.stub_list(id, relation, &sets, scope, row, within),
            (Shape::Connection, _) => {
                let conditions = self.join(relation, scope);
                let join = Some((conditions, relation));
                let list = self.list(relation.target, collected.field(), &sets, join, within)?;
                Ok(ValueLayout::Connection(list.into_columns(row)))
            }
        }
    }

    /// A stub holds nothing but its key, which is in this row already.
    fn inline_stub(
        &mut self,
        id: EntityId,
        relation: &Relation,
        sets: &[&'a SelectionSet],
        scope: &Scope,
        row: &mut Row,
        within: Within,
    ) -> Fallible<ValueLayout> {
        let entity = self.catalog.entity(id);
        let target = Scope { exprs: relation.from.iter().map(|c| scope.expr(*c).clone()).collect() };
        let nullable = relation.from.iter().filter(|c| !entity.column(**c).required);
        let presence = nullable.map(|c| row.add(scope.expr(*c).clone())).collect();
        let object = self.object(relation.target, &target, sets, row, within)?;
        Ok(ValueLayout::Inline { object, presence })
    }

    /// `(SELECT ROW(…) FROM … WHERE … LIMIT 1)`
    fn one_row(
        &mut self,
        relation: &Relation,
        sets: &[&'a SelectionSet],
        scope: &Scope,
        row: &mut Row,
        within: Within,
    ) -> Fallible<ValueLayout> {
        let entity = self.catalog.entity(relation.target);
        let alias = self.alias("t");
        let target = Scope::of_table(entity, &alias);
        let mut conditions = equal(self.join(relation, scope), relation, &target);
        conditions.extend(self.row_filter(relation.target, &target));
        let mut inner = Row::default();
        let object = self.object(relation.target, &target, sets, &mut inner, within)?;
        let mut sql = Sql::lit("(SELECT ");
        sql.append(&inner.record()).append(&from_table(entity, &alias));
        push_where(&mut sql, &conditions);
        sql.push(" LIMIT 1)");
        Ok(ValueLayout::Record { column: row.add(sql), object })
    }

    /// A stub for each item of an array column.
    fn stub_list(
        &mut self,
        id: EntityId,
        relation: &Relation,
        sets: &[&'a SelectionSet],
        scope: &Scope,
        row: &mut Row,
        within: Within,
    ) -> Fallible<ValueLayout> {
        let array = relation.from[0];
        let alias = self.alias("u");
        let mut item = alias.clone();
        item.push(".v");
        let target = Scope { exprs: vec![item.clone()] };
        let mut inner = Row::default();
        let object = self.object(relation.target, &target, sets, &mut inner, within)?;
        let mut sql = Sql::lit("ARRAY(SELECT ");
        sql.append(&inner.record()).push(" FROM unnest(");
        sql.append(scope.expr(array)).push(") WITH ORDINALITY AS ").append(&alias).push("(v, n) WHERE ");
        sql.append(&item).push(" IS NOT NULL ORDER BY ").append(&alias).push(".n)");
        let required = self.catalog.entity(id).column(array).required;
        let presence = (!required).then(|| row.add(scope.expr(array).clone()));
        Ok(ValueLayout::List { column: row.add(sql), object, presence })
    }

    /// The expressions on this side of `relation`.
    pub(super) fn join(&self, relation: &Relation, scope: &Scope) -> Vec<Sql> {
        relation.from.iter().map(|c| scope.expr(*c).clone()).collect()
    }
}

/// The conditions that join `here` with the target's columns.
pub(super) fn equal(here: Vec<Sql>, relation: &Relation, target: &Scope) -> Vec<Sql> {
    here.into_iter()
        .zip(&relation.to)
        .map(|(here, to)| {
            let there = target.expr(*to);
            let mut sql = Sql::new();
            match relation.join {
                Join::Equal => sql.append(there).push(" = ").append(&here),
                Join::ItemsHere => sql.append(there).push(" = ANY(").append(&here).push(")"),
                Join::ItemsThere => sql.append(&here).push(" = ANY(").append(there).push(")"),
            };
            sql
        })
        .collect()
}

/// A type's name as a JSON string.
pub(super) fn type_name_json(name: &str) -> Vec<u8> {
    format!("\"{name}\"").into_bytes()
}
