//! Resolving: turns a query into its columns and what they are made from, scope by scope.

use super::expression::{column_name, parts};
use super::local::Probe;
use super::scope::{Column, Derived, Frame, Relation, Scope, Sources};
use crate::model::{TableRef, fold};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableAlias, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// Named queries that a query sees, the innermost last.
pub(super) type Ctes<'c> = &'c [(String, Derived)];

/// What is known of the tables that a query may read.
pub(super) struct Resolver<'a> {
    /// Their columns.
    pub tables: &'a BTreeMap<TableRef, Vec<String>>,
    /// Views whose own text is looked into.
    pub views: BTreeMap<TableRef, &'a Query>,
    seen_views: BTreeMap<TableRef, Derived>,
    /// Names that nothing has.
    pub unknown: BTreeSet<String>,
    /// Stars over columns that only Postgres knows.
    pub unknown_stars: bool,
    /// What must hold where the driving relation is read.
    pub probe: Option<Probe>,
    /// Queries and columns looked at.
    steps: usize,
}

/// Queries and columns that are looked at in one model: stars of stars, and recursive queries within each other, grow fast.
const MOST_STEPS: usize = 100_000;

impl<'a> Resolver<'a> {
    pub fn new(tables: &'a BTreeMap<TableRef, Vec<String>>) -> Self {
        Self {
            tables,
            views: BTreeMap::new(),
            seen_views: BTreeMap::new(),
            unknown: BTreeSet::new(),
            unknown_stars: false,
            probe: None,
            steps: 0,
        }
    }

    /// Whether a model says too much to be looked through.
    pub fn is_exhausted(&self) -> bool {
        self.steps > MOST_STEPS
    }

    /// Count what is looked at.
    fn spend(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        !self.is_exhausted()
    }

    pub fn query(&mut self, query: &Query, ctes: Ctes<'_>, outer: Option<&Frame<'_>>) -> Derived {
        let known: usize = ctes.iter().map(|(_, derived)| derived.columns.len()).sum();
        if !self.spend(1 + known) {
            return Derived { open: Some(Sources::default()), ..Derived::default() };
        }
        let mut named = ctes.to_vec();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = fold(&cte.alias.name);
                if with.recursive {
                    // the first round sees nothing of itself, the second what the first found
                    let mut inner = named.clone();
                    let mut first = self.query(&cte.query, &with_open(&inner, &name), outer);
                    rename(&mut first, &cte.alias);
                    inner.push((name.clone(), first));
                    let mut derived = self.query(&cte.query, &inner, outer);
                    if derived.driven > 0 {
                        self.note("is read in WITH RECURSIVE");
                    }
                    rename(&mut derived, &cte.alias);
                    named.push((name, derived));
                } else {
                    let mut derived = self.query(&cte.query, &named, outer);
                    rename(&mut derived, &cte.alias);
                    named.push((name, derived));
                }
            }
        }
        let mut derived = self.body(&query.body, &named, outer);
        if derived.driven > 0 && (query.limit_clause.is_some() || query.fetch.is_some()) {
            self.note("is read in a query with LIMIT, OFFSET or FETCH");
        }
        let empty = Scope::default();
        let around = Frame { scope: &empty, outer };
        if let Some(limit) = &query.limit_clause {
            let (sources, driven) = self.sources(limit, &around, &named);
            derived.indirect.extend(sources.into_indirect());
            derived.driven += driven;
        }
        derived
    }

    fn body(&mut self, body: &SetExpr, ctes: Ctes<'_>, outer: Option<&Frame<'_>>) -> Derived {
        match body {
            SetExpr::Select(select) => self.select(select, ctes, outer),
            SetExpr::Query(query) => self.query(query, ctes, outer),
            SetExpr::SetOperation { left, right, .. } => {
                let (left, right) = (self.body(left, ctes, outer), self.body(right, ctes, outer));
                both(left, right)
            }
            SetExpr::Values(values) => {
                let empty = Scope::default();
                let frame = Frame { scope: &empty, outer };
                let mut derived = Derived::default();
                for row in &values.rows {
                    for (i, value) in row.content.iter().enumerate() {
                        let (sources, driven) = self.sources(value, &frame, ctes);
                        derived.driven += driven;
                        if let Some(column) = derived.columns.get_mut(i) {
                            column.sources.add(&sources);
                        } else {
                            derived.columns.push(Column { name: format!("column{}", i + 1), sources, plain: None });
                        }
                    }
                }
                derived
            }
            // the manifest refuses what changes data; `TABLE x` names no layer
            _ => Derived { open: Some(Sources::default()), ..Derived::default() },
        }
    }

    fn select(&mut self, select: &Select, ctes: Ctes<'_>, outer: Option<&Frame<'_>>) -> Derived {
        let mut indirect = BTreeSet::new();
        let scope = self.from(select, ctes, outer, &mut indirect);
        let frame = Frame { scope: &scope, outer };
        let in_from: u32 = scope.relations.iter().map(|r| r.derived.driven).sum();
        let mut in_expressions = 0;
        for relation in &scope.relations {
            indirect.extend(relation.derived.indirect.iter().cloned());
        }
        let mut decide = |this: &mut Self, expr: &Expr| {
            let (sources, driven) = this.sources(expr, &frame, ctes);
            indirect.extend(sources.into_indirect());
            in_expressions += driven;
        };
        for condition in [&select.selection, &select.having, &select.qualify].into_iter().flatten() {
            decide(self, condition);
        }
        let groups = group_expressions(select, &scope);
        for group in &groups {
            decide(self, group);
        }
        if let Some(Distinct::On(exprs)) = &select.distinct {
            exprs.iter().for_each(|expr| decide(self, expr));
        }
        for window in &select.named_window {
            let (sources, driven) = self.sources(window, &frame, ctes);
            indirect.extend(sources.into_indirect());
            in_expressions += driven;
        }
        let mut derived = Derived { indirect, ..Derived::default() };
        for item in &select.projection {
            in_expressions += self.item(item, &frame, ctes, &mut derived);
        }
        derived.driven = in_from + in_expressions;
        if in_expressions > 0 {
            self.note("is read in a subquery outside of FROM");
        }
        if in_from > 0 {
            self.check_block(select, &frame, &groups);
        }
        derived
    }

    /// Append what a select item gives; how often the driving relation is read in it.
    fn item(&mut self, item: &SelectItem, frame: &Frame<'_>, ctes: Ctes<'_>, derived: &mut Derived) -> u32 {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            SelectItem::ExprWithAliases { expr, aliases } => (expr, aliases.first()),
            SelectItem::Wildcard(_) => {
                self.star(frame.scope, derived);
                return 0;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let relation = parts(name).last().and_then(|alias| frame.scope.relation(alias)).cloned();
                match relation {
                    Some(relation) => self.append_all(&relation, &[], derived),
                    None => self.unknown_stars = true,
                }
                return 0;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                let (sources, driven) = self.sources(expr, frame, ctes);
                derived.open.get_or_insert_default().add(&sources);
                return driven;
            }
        };
        let (sources, driven) = self.sources(expr, frame, ctes);
        let plain = plain_name(expr).and_then(|parts| frame.scope.find(&parts)).and_then(|found| found.plain);
        match alias.map(fold).or_else(|| column_name(expr)) {
            Some(name) => derived.columns.push(Column { name, sources, plain }),
            None => {
                derived.open.get_or_insert_default().add(&sources);
                derived.columns.push(Column { name: "?column?".to_owned(), sources, plain });
            }
        }
        driven
    }

    /// `*`: columns that USING made one come once, and first.
    fn star(&mut self, scope: &Scope, derived: &mut Derived) {
        for name in &scope.using {
            if let Some(found) = scope.find(std::slice::from_ref(name)) {
                derived.columns.push(Column { name: name.clone(), sources: found.sources, plain: found.plain });
            }
        }
        for relation in &scope.relations {
            self.append_all(relation, &scope.using, derived);
        }
    }

    fn append_all(&mut self, relation: &Relation, without: &[String], derived: &mut Derived) {
        if let Some(open) = &relation.derived.open {
            self.unknown_stars = true;
            derived.open.get_or_insert_default().add(open);
        }
        if !self.spend(relation.derived.columns.len()) {
            return;
        }
        let columns = relation.derived.columns.iter().filter(|c| !without.contains(&c.name));
        derived.columns.extend(columns.cloned());
    }

    /// The rows of a table, or what a view's text makes of others.
    pub(super) fn table(&mut self, table: &TableRef) -> Derived {
        if let Some(query) = self.views.get(table).copied() {
            if let Some(seen) = self.seen_views.get(table) {
                return seen.clone();
            }
            let derived = self.query(query, &[], None);
            self.seen_views.insert(table.clone(), derived.clone());
            return derived;
        }
        let column = |name: &String| {
            let of = super::ColumnRef { table: table.clone(), column: name.clone() };
            let sources = Sources { direct: BTreeSet::from([of.clone()]), indirect: BTreeSet::new() };
            Column { name: name.clone(), sources, plain: Some(of) }
        };
        let driven = u32::from(self.probe.as_ref().is_some_and(|probe| probe.driver == *table));
        match self.tables.get(table) {
            Some(names) => Derived { columns: names.iter().map(column).collect(), driven, ..Derived::default() },
            None => Derived { open: Some(Sources::default()), driven, ..Derived::default() },
        }
    }
}

/// The named queries, and `name` of which nothing is known yet.
fn with_open(ctes: Ctes<'_>, name: &str) -> Vec<(String, Derived)> {
    let mut all = ctes.to_vec();
    all.push((name.to_owned(), Derived { open: Some(Sources::default()), ..Derived::default() }));
    all
}

/// Both sides of UNION, INTERSECT or EXCEPT: by place, under the left side's names.
fn both(mut left: Derived, right: Derived) -> Derived {
    for (column, other) in left.columns.iter_mut().zip(&right.columns) {
        column.sources.add(&other.sources);
        column.plain = column.plain.take().filter(|plain| other.plain.as_ref() == Some(plain));
    }
    left.indirect.extend(right.indirect);
    if let Some(open) = &right.open {
        left.open.get_or_insert_default().add(open);
    }
    left.driven += right.driven;
    left
}

/// Columns that an alias names anew.
pub(super) fn rename(derived: &mut Derived, alias: &TableAlias) {
    for (i, named) in alias.columns.iter().enumerate() {
        let name = fold(&named.name);
        if let Some(column) = derived.columns.get_mut(i) {
            column.name = name;
        } else {
            let sources = derived.open.clone().unwrap_or_default();
            derived.columns.push(Column { name, sources, plain: None });
        }
    }
    if !alias.columns.is_empty() && alias.columns.len() >= derived.columns.len() {
        derived.open = None;
    }
}

/// The expressions of GROUP BY, with numbers and names of the select list replaced by what stands there.
pub(super) fn group_expressions(select: &Select, scope: &Scope) -> Vec<Expr> {
    let GroupByExpr::Expressions(groups, _) = &select.group_by else { return Vec::new() };
    let meant = |expr: &Expr| -> Expr {
        let selected = match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => number.parse::<usize>().ok().and_then(|n| item_expr(select, n)),
                _ => None,
            },
            Expr::Identifier(name) if scope.find(&[fold(name)]).is_none() => aliased(select, name),
            _ => None,
        };
        selected.unwrap_or(expr).clone()
    };
    groups.iter().map(meant).collect()
}

fn item_expr(select: &Select, number: usize) -> Option<&Expr> {
    match select.projection.get(number.checked_sub(1)?)? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn aliased<'s>(select: &'s Select, name: &Ident) -> Option<&'s Expr> {
    select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if fold(alias) == fold(name) => Some(expr),
        _ => None,
    })
}

/// The name, where an expression is nothing but a column.
pub(super) fn plain_name(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Identifier(name) => Some(vec![fold(name)]),
        Expr::CompoundIdentifier(parts) => Some(parts.iter().map(fold).collect()),
        Expr::Nested(inner) => plain_name(inner),
        _ => None,
    }
}
