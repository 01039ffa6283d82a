//! Searching: turns the argument `search` into a condition on the texts that the caller may read, and into a rank.

use super::order::forbidden;
use super::{Compiler, Fallible, Scope};
use crate::catalog::{Column, ColumnId, EntityId};
use crate::params::{Param, Pattern};
use apollo_compiler::executable::Field;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// What a search says of a row.
pub(super) struct Search {
    /// Whether it is found. Each field has a condition of its own, in the form that its index was made for: so an index is
    /// there for whichever fields a role set may read.
    pub(super) condition: Sql,
    /// How well it matches, as `float8`: more is better.
    pub(super) rank: Sql,
}

impl<'a> Compiler<'a> {
    /// The search of a list of `id`. Fields that the caller may not read are not searched.
    pub(super) fn search(&mut self, id: EntityId, scope: &Scope, field: &'a Field) -> Fallible<Option<Search>> {
        let Some(given) = self.argument(field, "search") else { return Ok(None) };
        let entity = self.catalog.entity(id);
        let Some(table) = &entity.table else { return Ok(None) };
        let searched: Vec<(ColumnId, &Column)> =
            (0..).map(ColumnId).zip(&entity.columns).filter(|(_, c)| c.searchable).collect();
        let readable: Vec<_> = searched.iter().filter(|(_, c)| self.access.reads(c)).collect();
        readable.iter().for_each(|(_, c)| self.touch(c));
        if readable.is_empty() {
            let name = searched.first().map_or("search", |(_, c)| &c.name);
            return Err(forbidden(&entity.type_name, name, "searching"));
        }
        let mut query = Sql::lit("websearch_to_tsquery('");
        query.push(table.search_language).push("', ");
        self.push_param(
            &mut query,
            Param::Text { source: given.source(), pattern: Pattern::Given },
            PgType::Text,
            false,
        );
        query.push(")");
        let (mut condition, mut rank) = (Sql::lit("("), Sql::lit("("));
        for (index, (column, _)) in readable.into_iter().enumerate() {
            let mut words = Sql::lit("to_tsvector('");
            words.push(table.search_language).push("', ").append(scope.expr(*column)).push(")");
            condition.push(if index > 0 { " OR " } else { "" }).append(&words).push(" @@ ").append(&query);
            rank.push(if index > 0 { " + " } else { "" }).push("coalesce(ts_rank(").append(&words).push(", ");
            rank.append(&query).push("), 0)");
        }
        condition.push(")");
        rank.push(")::float8");
        Ok(Some(Search { condition, rank }))
    }
}
