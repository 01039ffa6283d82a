//! FROM: turns tables, subqueries, functions and joins into the relations of a scope.

use super::ColumnRef;
use super::expression::parts;
use super::resolve::{Ctes, Resolver, rename};
use super::scope::{Column, Derived, Frame, Relation, Scope, Sources};
use crate::dataset::Layer;
use crate::model::{TableRef, fold};
use sqlparser::ast::{Join, JoinConstraint, JoinOperator, Select, TableAlias, TableFactor, TableWithJoins, Visit};
use std::collections::BTreeSet;

type Indirect = BTreeSet<ColumnRef>;

/// Which sides of a join may be filled with nulls: (left, right).
fn nullable(operator: &JoinOperator) -> (bool, bool) {
    match operator {
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
        JoinOperator::FullOuter(_) => (true, true),
        _ => (false, false),
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::CrossJoin(on) => Some(on),
        _ => None,
    }
}

impl Resolver<'_> {
    /// The relations of a SELECT; what joins are decided by goes to `indirect`.
    pub(super) fn from(
        &mut self,
        select: &Select,
        ctes: Ctes<'_>,
        outer: Option<&Frame<'_>>,
        indirect: &mut Indirect,
    ) -> Scope {
        let mut scope = Scope::default();
        for from in &select.from {
            self.joined(from, ctes, outer, &mut scope, indirect);
        }
        scope
    }

    fn joined(
        &mut self,
        from: &TableWithJoins,
        ctes: Ctes<'_>,
        outer: Option<&Frame<'_>>,
        scope: &mut Scope,
        indirect: &mut Indirect,
    ) {
        let first = scope.relations.len();
        self.factor(&from.relation, ctes, outer, scope, indirect);
        for Join { relation, join_operator, .. } in &from.joins {
            let second = scope.relations.len();
            self.factor(relation, ctes, outer, scope, indirect);
            let driven = |relations: &[Relation]| relations.iter().any(|relation| relation.derived.driven > 0);
            let (left, right) = nullable(join_operator);
            if (left && driven(&scope.relations[first..second])) || (right && driven(&scope.relations[second..])) {
                self.note("is on the side of an outer join that may have no row");
            }
            match constraint(join_operator) {
                Some(JoinConstraint::On(expr)) => {
                    let frame = Frame { scope, outer };
                    let (sources, reads) = self.sources(expr, &frame, ctes);
                    indirect.extend(sources.into_indirect());
                    if reads > 0 {
                        self.note("is read in a subquery outside of FROM");
                    }
                }
                Some(JoinConstraint::Using(names)) => {
                    let names: Vec<String> = names.iter().filter_map(|name| parts(name).pop()).collect();
                    self.merge(scope, names, left, indirect);
                }
                Some(JoinConstraint::Natural) => {
                    let of = |relations: &[Relation]| -> BTreeSet<String> {
                        relations.iter().flat_map(|r| r.derived.columns.iter().map(|c| c.name.clone())).collect()
                    };
                    let (here, there) = (of(&scope.relations[first..second]), of(&scope.relations[second..]));
                    let names = here.intersection(&there).cloned().collect();
                    self.merge(scope, names, left, indirect);
                }
                Some(JoinConstraint::None) | None => {}
            }
        }
    }

    fn merge(&mut self, scope: &mut Scope, names: Vec<String>, filled: bool, indirect: &mut Indirect) {
        for name in names {
            if let Some(found) = scope.find(std::slice::from_ref(&name)) {
                indirect.extend(found.sources.into_indirect());
            }
            if filled {
                // the one column may come from either side
                let same = scope.relations.iter_mut().flat_map(|r| &mut r.derived.columns).filter(|c| c.name == name);
                same.for_each(|column| column.plain = None);
            }
            if !scope.using.contains(&name) {
                scope.using.push(name);
            }
        }
    }

    fn factor(
        &mut self,
        factor: &TableFactor,
        ctes: Ctes<'_>,
        outer: Option<&Frame<'_>>,
        scope: &mut Scope,
        indirect: &mut Indirect,
    ) {
        let relation = match factor {
            TableFactor::Table { name, alias, args: None, sample, .. } => {
                let (table, own_name, derived) = match parts(name).as_slice() {
                    [layer, table] => {
                        let layer = Layer::parse(layer);
                        let table = layer.map(|layer| TableRef { layer, table: table.clone() });
                        let derived = table.as_ref().map(|table| self.table(table)).unwrap_or_default();
                        (table.clone(), table.map(|t| t.table), derived)
                    }
                    [name] => {
                        let cte = ctes.iter().rev().find(|(known, _)| known == name);
                        let unknown = || Derived { open: Some(Sources::default()), ..Derived::default() };
                        (None, Some(name.clone()), cte.map_or_else(unknown, |(_, derived)| derived.clone()))
                    }
                    _ => (None, None, Derived { open: Some(Sources::default()), ..Derived::default() }),
                };
                if derived.driven > 0 && sample.is_some() {
                    self.note("is read by TABLESAMPLE");
                }
                named(table, own_name, derived, alias.as_ref())
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                let name = parts(name).pop();
                self.function(name, &args.args, *with_ordinality, alias.as_ref(), ctes, &Frame { scope, outer })
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                let name = parts(name).pop();
                self.function(name, args, *with_ordinality, alias.as_ref(), ctes, &Frame { scope, outer })
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let name = Some("unnest".to_owned());
                self.function(name, array_exprs, *with_ordinality, alias.as_ref(), ctes, &Frame { scope, outer })
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let frame = Frame { scope, outer };
                let around = if *lateral { Some(&frame) } else { outer };
                let derived = self.query(subquery, ctes, around);
                named(None, None, derived, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let Some(alias) = alias else {
                    return self.joined(table_with_joins, ctes, outer, scope, indirect);
                };
                let mut inner = Scope::default();
                self.joined(table_with_joins, ctes, outer, &mut inner, indirect);
                let mut derived = Derived::default();
                for relation in inner.relations {
                    derived.columns.extend(relation.derived.columns);
                    derived.indirect.extend(relation.derived.indirect);
                    derived.driven += relation.derived.driven;
                    if let Some(open) = relation.derived.open {
                        derived.open.get_or_insert_default().add(&open);
                    }
                }
                named(None, None, derived, Some(alias))
            }
            // JSON_TABLE and what other databases have: its columns are made from whatever it mentions
            other => {
                let (sources, driven) = self.sources(other, &Frame { scope, outer }, ctes);
                if driven > 0 {
                    self.note("is read in a table expression that cannot be looked into");
                }
                Relation { alias: None, table: None, derived: Derived { open: Some(sources), ..Derived::default() } }
            }
        };
        scope.relations.push(relation);
    }

    /// A function's rows are made from its arguments. Without names for its columns, it may have any.
    fn function<V: Visit>(
        &mut self,
        name: Option<String>,
        arguments: &V,
        with_ordinality: bool,
        alias: Option<&TableAlias>,
        ctes: Ctes<'_>,
        frame: &Frame<'_>,
    ) -> Relation {
        let (sources, driven) = self.sources(arguments, frame, ctes);
        if driven > 0 {
            self.note("is read in a subquery outside of FROM");
        }
        let own = alias.map(|a| fold(&a.name)).or_else(|| name.clone());
        let mut columns = Vec::new();
        if alias.is_none_or(|a| a.columns.is_empty()) {
            let column = |name: String| Column { name, sources: sources.clone(), plain: None };
            columns.extend(own.map(column));
            if with_ordinality {
                columns.push(column("ordinality".to_owned()));
            }
        }
        let derived = Derived { columns, open: Some(sources), ..Derived::default() };
        named(None, name, derived, alias)
    }
}

fn named(table: Option<TableRef>, own: Option<String>, mut derived: Derived, alias: Option<&TableAlias>) -> Relation {
    let Some(alias) = alias else { return Relation { alias: own, table, derived } };
    rename(&mut derived, alias);
    // an alias hides the table's own name
    Relation { alias: Some(fold(&alias.name)), table: None, derived }
}
