//! Scopes: turns the names that a SELECT can use into what its columns are made from.

use super::ColumnRef;
use crate::model::TableRef;
use std::collections::BTreeSet;

/// What a value is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Columns that it is computed from.
    pub direct: BTreeSet<ColumnRef>,
    /// Columns that decide whether it is there: of conditions, joins and groups.
    pub indirect: BTreeSet<ColumnRef>,
}

impl Sources {
    pub fn add(&mut self, other: &Self) {
        self.direct.extend(other.direct.iter().cloned());
        self.indirect.extend(other.indirect.iter().cloned());
    }

    /// As what decides, not as what is computed from.
    pub fn into_indirect(mut self) -> BTreeSet<ColumnRef> {
        self.indirect.append(&mut self.direct);
        self.indirect
    }
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: String,
    pub sources: Sources,
    /// The column of a table that this one is, unchanged.
    pub plain: Option<ColumnRef>,
}

/// The result of a query, or the rows of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Derived {
    pub columns: Vec<Column>,
    /// What every row of it depends on.
    pub indirect: BTreeSet<ColumnRef>,
    /// Where it may have columns that its text does not name: a function's in FROM. They are made from these.
    pub open: Option<Sources>,
    /// How often the driving relation is read in it.
    pub driven: u32,
}

impl Derived {
    /// Everything that any of its columns is made from.
    pub fn all_sources(&self) -> Sources {
        let mut all = self.open.clone().unwrap_or_default();
        for column in &self.columns {
            all.add(&column.sources);
        }
        all
    }
}

/// A relation in FROM, under its name there.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub alias: Option<String>,
    /// The table that it is, where it has no alias: `layer.table.column` names it.
    pub table: Option<TableRef>,
    pub derived: Derived,
}

/// The relations of one SELECT.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub relations: Vec<Relation>,
    /// Columns that joins with USING have made one of two.
    pub using: Vec<String>,
}

/// A scope, and those around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'f> {
    pub scope: &'f Scope,
    pub outer: Option<&'f Frame<'f>>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub sources: Sources,
    pub plain: Option<ColumnRef>,
}

impl Frame<'_> {
    /// The column, whole row or unnamed column that `parts` names, from the innermost scope that knows it.
    pub fn find(&self, parts: &[String]) -> Option<Found> {
        self.scope.find(parts).or_else(|| self.outer.and_then(|outer| outer.find(parts)))
    }
}

impl Scope {
    pub fn find(&self, parts: &[String]) -> Option<Found> {
        match parts {
            [column] => self.column(column).or_else(|| self.whole_row(column)),
            [alias, column] => self.relation(alias).and_then(|r| column_of(&r.derived, column)),
            [layer, table, column] => {
                let is_it = |r: &&Relation| {
                    r.table.as_ref().is_some_and(|t| t.layer.name() == layer.as_str() && t.table == *table)
                };
                self.relations.iter().find(is_it).and_then(|r| column_of(&r.derived, column))
            }
            _ => None,
        }
    }

    pub fn relation(&self, alias: &str) -> Option<&Relation> {
        self.relations.iter().find(|r| r.alias.as_deref() == Some(alias))
    }

    fn column(&self, name: &str) -> Option<Found> {
        let named = self.relations.iter().filter_map(|r| r.derived.columns.iter().find(|c| c.name == name));
        let mut named = named.map(|c| Found { sources: c.sources.clone(), plain: c.plain.clone() });
        if let Some(mut first) = named.next() {
            for other in named {
                first.sources.add(&other.sources);
                // two columns made one are the first of them, unless an outer join fills one from the other
                first.plain = first.plain.filter(|_| self.using.iter().any(|u| u == name));
            }
            return Some(first);
        }
        let mut open = self.relations.iter().filter_map(|r| r.derived.open.clone());
        open.next().map(|sources| Found { sources, plain: None })
    }

    fn whole_row(&self, alias: &str) -> Option<Found> {
        self.relation(alias).map(|r| Found { sources: r.derived.all_sources(), plain: None })
    }
}

fn column_of(derived: &Derived, name: &str) -> Option<Found> {
    let known = derived.columns.iter().find(|c| c.name == name);
    let known = known.map(|c| Found { sources: c.sources.clone(), plain: c.plain.clone() });
    known.or_else(|| derived.open.clone().map(|sources| Found { sources, plain: None }))
}
