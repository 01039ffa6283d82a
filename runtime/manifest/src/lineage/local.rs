//! Locality: turns an incremental model into the relation that drives it, or the reason why new rows of that could change
//! more than the rows of their keys.
//!
//! The result for a key must depend on the driving relation's rows of that key alone. So the relation is read once, in
//! FROM, on no side of an outer join that may be without a row; whatever groups or numbers rows on the way does it
//! within the key; nothing takes the first rows of all.

use super::expression::{Names, window_of};
use super::resolve::{Resolver, plain_name};
use super::scope::{Derived, Frame};
use super::{ColumnRef, Tables};
use crate::model::{TableRef, fold};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, NamedWindowDefinition, NamedWindowExpr, Query, Select, TableFactor, WindowSpec,
    WindowType,
};
use std::collections::BTreeMap;

/// The relation whose new rows say which keys of an incremental model are computed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// An input table, or a model that is no view.
    pub table: TableRef,
    /// The column that each column of the key is, in the key's order.
    pub columns: Vec<String>,
}

/// What is looked for while a query is resolved.
pub(super) struct Probe {
    pub driver: TableRef,
    key: Vec<ColumnRef>,
    problems: Vec<String>,
}

/// Functions whose value is another one at another time: what was computed then and now would not go together.
const UNSTEADY: &[&str] = &[
    "now",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "age",
];

/// The driver of the model that `query` is, or why it has none.
pub(super) fn driver(
    query: &Query,
    key: &[String],
    tables: &Tables,
    views: &BTreeMap<TableRef, &Query>,
) -> Result<Driver, String> {
    let mut plain = Resolver::new(tables);
    plain.views.clone_from(views);
    let derived = plain.query(query, &[], None);
    let columns = key.iter().map(|name| key_column(&derived, name)).collect::<Result<Vec<_>, _>>()?;
    let table = columns[0].table.clone();
    if let Some(other) = columns.iter().find(|column| column.table != table) {
        return Err(format!("its key is of two relations, `{}` and `{}`", columns[0], other));
    }
    let mut probing = Resolver::new(tables);
    probing.views.clone_from(views);
    probing.probe = Some(Probe { driver: table.clone(), key: columns.clone(), problems: Vec::new() });
    let reads = probing.query(query, &[], None).driven;
    let problems = probing.probe.map(|probe| probe.problems).unwrap_or_default();
    if let Some(problem) = problems.first() {
        return Err(format!("`{}.{}`, which its key is of, {problem}", table.layer.name(), table.table));
    }
    if reads != 1 {
        return Err(format!("`{}.{}`, which its key is of, is read {reads} times", table.layer.name(), table.table));
    }
    let mut unsteady = unsteady_calls(query);
    unsteady.extend(views.values().flat_map(|view| unsteady_calls(view)));
    if let Some(name) = unsteady.first() {
        return Err(format!("it calls `{name}`, whose value changes by itself"));
    }
    Ok(Driver { table, columns: columns.into_iter().map(|c| c.column).collect() })
}

fn key_column(derived: &Derived, name: &str) -> Result<ColumnRef, String> {
    let Some(column) = derived.columns.iter().find(|c| c.name == name) else {
        return Err(format!("it has no column `{name}`, which its key names"));
    };
    column.plain.clone().ok_or_else(|| format!("`{name}` of its key is no plain column of what it reads"))
}

/// Functions that a query calls and whose value changes by itself.
pub(super) fn unsteady_calls(query: &Query) -> Vec<String> {
    struct Calls(Vec<String>);
    impl sqlparser::ast::Visitor for Calls {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
            if let Expr::Function(call) = expr {
                self.0.extend(super::expression::parts(&call.name).pop());
            }
            std::ops::ControlFlow::Continue(())
        }
    }
    let mut calls = Calls(Vec::new());
    let _ = sqlparser::ast::Visit::visit(query, &mut calls);
    calls.0.retain(|name| UNSTEADY.contains(&name.as_str()));
    calls.0
}

/// Whether a query reads a table by TABLESAMPLE.
pub(super) fn samples(query: &Query) -> bool {
    struct Sample;
    impl sqlparser::ast::Visitor for Sample {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> std::ops::ControlFlow<()> {
            match factor {
                TableFactor::Table { sample: Some(_), .. } => std::ops::ControlFlow::Break(()),
                _ => std::ops::ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(query, &mut Sample).is_break()
}

impl Resolver<'_> {
    /// Something is not so as the driving relation needs it.
    pub(super) fn note(&mut self, problem: &str) {
        if let Some(probe) = &mut self.probe {
            probe.problems.push(problem.to_owned());
        }
    }

    /// Check a SELECT that reads the driving relation in FROM.
    pub(super) fn check_block(&mut self, select: &Select, frame: &Frame<'_>, groups: &[Expr]) {
        let Some(probe) = &self.probe else { return };
        let key = probe.key.clone();
        let covers = |exprs: &[Expr]| {
            let plain = |expr: &Expr| plain_name(expr).and_then(|name| frame.scope.find(&name)).and_then(|f| f.plain);
            let named: Vec<ColumnRef> = exprs.iter().filter_map(plain).collect();
            key.iter().all(|column| named.contains(column))
        };
        let (by_all, modified) = match &select.group_by {
            GroupByExpr::All(_) => (true, false),
            GroupByExpr::Expressions(_, modifiers) => (false, !modifiers.is_empty()),
        };
        let sets = groups.iter().any(|g| matches!(g, Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_)));
        if by_all || modified || sets || (!groups.is_empty() && !covers(groups)) {
            self.note("is grouped by other columns than those of the key");
        }
        if let Some(Distinct::On(exprs)) = &select.distinct
            && !covers(exprs)
        {
            self.note("is made distinct on other columns than those of the key");
        }
        let names = Names::of(&select.projection);
        let mut windows: Vec<&WindowType> = names.calls.iter().filter_map(window_of).collect();
        let qualified = select.qualify.as_ref().map(Names::of);
        windows.extend(qualified.iter().flat_map(|n| n.calls.iter().filter_map(window_of)));
        if windows.iter().any(|window| !window_parts(window, &select.named_window).is_some_and(&covers)) {
            self.note("is numbered or summed up by a window that is not partitioned by the key");
        }
    }
}

/// PARTITION BY of a window; none where it leans on another window.
fn window_parts<'w>(window: &'w WindowType, named: &'w [NamedWindowDefinition]) -> Option<&'w [Expr]> {
    let own = |spec: &'w WindowSpec| spec.window_name.is_none().then_some(spec.partition_by.as_slice());
    match window {
        WindowType::WindowSpec(spec) => own(spec),
        WindowType::NamedWindow(name) => named.iter().find_map(|NamedWindowDefinition(known, window)| match window {
            NamedWindowExpr::WindowSpec(spec) if fold(known) == fold(name) => own(spec),
            _ => None,
        }),
    }
}
