//! Collecting: turns nested fragments into flat field occurrences with their object types and conditions.

use crate::condition::{All, Literal};
use crate::defer::{Defer, Deferred};
use crate::error::PlanError;
use crate::ids::{DeferId, NodeId, TypeId, TypeSet};
use crate::options::PlanOptions;
use crate::supergraph::Supergraph;
use apollo_compiler::ast::{DirectiveList, Value};
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name};
use rustc_hash::FxHashSet;

/// A field in a selection set, or in a fragment of it.
#[derive(Debug)]
pub(super) struct Occurrence<'d> {
    pub field: &'d Field,
    /// The type on which it is written.
    pub on: TypeId,
    /// The object types to which it applies.
    pub types: TypeSet,
    /// When it applies.
    pub all: All,
    /// The fragment with `@defer` that it is in.
    pub defer: Option<DeferId>,
}

pub(super) struct Collector<'a, 'd> {
    graph: &'a Supergraph,
    document: &'d Valid<ExecutableDocument>,
    into: &'a mut Vec<Occurrence<'d>>,
    /// Fragments that were spread with the same types and condition: once is enough (GraphQL, section 6.3.2).
    spread: FxHashSet<(Name, TypeSet, All, Option<DeferId>)>,
    /// Fragments with `@defer`, where those count; they are in the selection set `node`.
    deferred: Option<&'a mut Deferred>,
    node: NodeId,
    left: &'a mut usize,
    limit: usize,
    max_defers: usize,
}

impl<'a, 'd> Collector<'a, 'd> {
    pub fn new(
        graph: &'a Supergraph,
        document: &'d Valid<ExecutableDocument>,
        into: &'a mut Vec<Occurrence<'d>>,
        (node, deferred): (NodeId, Option<&'a mut Deferred>),
        left: &'a mut usize,
        options: &PlanOptions<'_>,
    ) -> Self {
        let (limit, max_defers) = (options.max_selections, options.max_defers);
        Self { graph, document, into, spread: FxHashSet::default(), deferred, node, left, limit, max_defers }
    }

    pub fn collect(
        &mut self,
        set: &'d SelectionSet,
        on: TypeId,
        types: &TypeSet,
        all: &All,
        defer: Option<DeferId>,
    ) -> Result<(), PlanError> {
        for selection in &set.selections {
            *self.left = self
                .left
                .checked_sub(1)
                .ok_or(PlanError::TooLarge { what: "selections after resolving fragments", limit: self.limit })?;
            let Some(all) = conditions(all, selection.directives()) else { continue };
            match selection {
                Selection::Field(field) => {
                    self.into.push(Occurrence { field, on, types: types.clone(), all, defer });
                }
                Selection::InlineFragment(fragment) => {
                    let inner = fragment.type_condition.as_ref();
                    let inner = inner.and_then(|name| self.graph.type_by_name(name)).unwrap_or(on);
                    let defer = self.defer(&fragment.directives, defer)?;
                    self.narrow(&fragment.selection_set, inner, types, &all, defer)?;
                }
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else { continue };
                    let defer = self.defer(&spread.directives, defer)?;
                    if self.spread.insert((spread.fragment_name.clone(), types.clone(), all.clone(), defer)) {
                        let inner = self.graph.type_by_name(fragment.type_condition()).unwrap_or(on);
                        self.narrow(&fragment.selection_set, inner, types, &all, defer)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn narrow(
        &mut self,
        set: &'d SelectionSet,
        on: TypeId,
        types: &TypeSet,
        all: &All,
        defer: Option<DeferId>,
    ) -> Result<(), PlanError> {
        let types = types.and(&self.graph.ty(on).possible);
        if types.is_empty() { Ok(()) } else { self.collect(set, on, &types, all, defer) }
    }

    /// The fragment with `@defer` that a fragment is, or is in.
    fn defer(&mut self, directives: &DirectiveList, parent: Option<DeferId>) -> Result<Option<DeferId>, PlanError> {
        let Some(deferred) = self.deferred.as_deref_mut() else { return Ok(parent) };
        let Some(directive) = directives.get("defer") else { return Ok(parent) };
        let variable = match directive.specified_argument_by_name("if").map(|value| &**value) {
            Some(Value::Boolean(false)) => return Ok(parent),
            Some(Value::Variable(variable)) => Some(variable.clone()),
            _ => None,
        };
        let label = match directive.specified_argument_by_name("label").map(|value| &**value) {
            None | Some(Value::Null) => None,
            Some(Value::String(label)) => Some(label.clone()),
            Some(_) => return Err(PlanError::Operation("the label of @defer must be a literal string".to_owned())),
        };
        if deferred.defers.len() >= self.max_defers {
            return Err(PlanError::TooLarge { what: "fragments with @defer", limit: self.max_defers });
        }
        deferred.defers.push(Defer { label, parent, node: self.node, variable });
        Ok(Some(DeferId::new(deferred.defers.len() - 1)))
    }
}

/// `all` and the `@skip` and `@include` of a selection; `None` when it never applies.
fn conditions(all: &All, directives: &DirectiveList) -> Option<All> {
    if directives.is_empty() {
        return Some(all.clone());
    }
    let mut all = all.clone();
    for (name, wanted) in [("skip", false), ("include", true)] {
        let Some(directive) = directives.get(name) else { continue };
        match directive.specified_argument_by_name("if").map(|value| &**value) {
            Some(Value::Boolean(value)) if *value == wanted => {}
            Some(Value::Boolean(_)) => return None,
            Some(Value::Variable(variable)) => {
                all = all.with(Literal { variable: variable.clone(), value: wanted })?;
            }
            _ => {}
        }
    }
    Some(all)
}
