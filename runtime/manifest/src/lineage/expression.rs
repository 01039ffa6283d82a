//! Expressions: turns an expression into the columns that its value is made from.

use super::resolve::{Ctes, Resolver};
use super::scope::{Frame, Sources};
use crate::model::fold;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query, Visit, Visitor, WindowType,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What an expression says, without what its subqueries say.
#[derive(Default)]
pub(super) struct Names {
    /// Names of columns: their parts, folded.
    pub columns: Vec<Vec<String>>,
    /// Names before `.*`.
    pub rows: Vec<Vec<String>>,
    pub subqueries: Vec<Query>,
    /// Functions that are called.
    pub calls: Vec<Function>,
    /// Names of arguments, which look like columns.
    arguments: BTreeSet<String>,
    depth: u32,
}

impl Names {
    pub fn of<V: Visit>(expression: &V) -> Self {
        let mut names = Self::default();
        // the visitor never breaks
        let _ = expression.visit(&mut names);
        names
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.subqueries.push(query.clone());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Identifier(name) => {
                let name = fold(name);
                if !self.arguments.contains(&name) {
                    self.columns.push(vec![name]);
                }
            }
            Expr::CompoundIdentifier(parts) => self.columns.push(parts.iter().map(fold).collect()),
            Expr::QualifiedWildcard(name, _) => self.rows.push(parts(name)),
            Expr::Function(call) => {
                self.calls.push(call.clone());
                if let FunctionArguments::List(list) = &call.args {
                    list.args.iter().for_each(|argument| self.argument(argument));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Names {
    fn argument(&mut self, argument: &FunctionArg) {
        let (name, value) = match argument {
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => (Some(fold(name)), arg),
            FunctionArg::ExprNamed { arg, .. } | FunctionArg::Named { arg, .. } => (None, arg),
            FunctionArg::Unnamed(arg) => (None, arg),
        };
        self.arguments.extend(name);
        if let FunctionArgExpr::QualifiedWildcard(name) = value {
            self.rows.push(parts(name));
        }
    }
}

/// The parts of a name, folded as Postgres does.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect()
}

impl Resolver<'_> {
    /// What the value of `expression` is made from, and how often the driving relation is read for it.
    pub(super) fn sources<V: Visit>(&mut self, expression: &V, frame: &Frame<'_>, ctes: Ctes<'_>) -> (Sources, u32) {
        let names = Names::of(expression);
        let mut sources = Sources::default();
        for name in &names.columns {
            if let Some(found) = frame.find(name) {
                sources.add(&found.sources);
            } else {
                self.unknown.insert(name.join("."));
            }
        }
        for name in &names.rows {
            if let Some(relation) = name.last().and_then(|alias| frame.scope.relation(alias)) {
                sources.add(&relation.derived.all_sources());
            }
        }
        let mut driven = 0;
        for query in &names.subqueries {
            let derived = self.query(query, ctes, Some(frame));
            driven += derived.driven;
            sources.add(&derived.all_sources());
            sources.indirect.extend(derived.indirect);
        }
        (sources, driven)
    }
}

/// Whether a function is called over a window.
pub(super) fn window_of(call: &Function) -> Option<&WindowType> {
    call.over.as_ref()
}

/// The name that Postgres gives a column without an alias; none where only Postgres knows.
pub(super) fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(fold(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Function(call) => parts(&call.name).pop(),
        Expr::Nested(inner) => column_name(inner),
        Expr::Cast { expr, .. } => match expr.as_ref() {
            Expr::Value(_) => None,
            inner => column_name(inner),
        },
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        _ => None,
    }
}
