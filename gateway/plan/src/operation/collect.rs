//! Collecting: turns nested fragments into flat field occurrences with their object types and conditions.

use crate::condition::{All, Literal};
use crate::error::PlanError;
use crate::ids::{TypeId, TypeSet};
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
}

pub(super) struct Collector<'a, 'd> {
    graph: &'a Supergraph,
    document: &'d Valid<ExecutableDocument>,
    into: &'a mut Vec<Occurrence<'d>>,
    /// Fragments that were spread with the same types and condition: once is enough (GraphQL, section 6.3.2).
    spread: FxHashSet<(Name, TypeSet, All)>,
    left: &'a mut usize,
    limit: usize,
}

impl<'a, 'd> Collector<'a, 'd> {
    pub fn new(
        graph: &'a Supergraph,
        document: &'d Valid<ExecutableDocument>,
        into: &'a mut Vec<Occurrence<'d>>,
        left: &'a mut usize,
        limit: usize,
    ) -> Self {
        Self { graph, document, into, spread: FxHashSet::default(), left, limit }
    }

    pub fn collect(&mut self, set: &'d SelectionSet, on: TypeId, types: &TypeSet, all: &All) -> Result<(), PlanError> {
        for selection in &set.selections {
            *self.left = self
                .left
                .checked_sub(1)
                .ok_or(PlanError::TooLarge { what: "selections after resolving fragments", limit: self.limit })?;
            let Some(all) = conditions(all, selection.directives()) else { continue };
            match selection {
                Selection::Field(field) => {
                    self.into.push(Occurrence { field, on, types: types.clone(), all });
                }
                Selection::InlineFragment(fragment) => {
                    let inner = fragment.type_condition.as_ref();
                    let inner = inner.and_then(|name| self.graph.type_by_name(name)).unwrap_or(on);
                    self.narrow(&fragment.selection_set, inner, types, &all)?;
                }
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else { continue };
                    if self.spread.insert((spread.fragment_name.clone(), types.clone(), all.clone())) {
                        let inner = self.graph.type_by_name(fragment.type_condition()).unwrap_or(on);
                        self.narrow(&fragment.selection_set, inner, types, &all)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn narrow(&mut self, set: &'d SelectionSet, on: TypeId, types: &TypeSet, all: &All) -> Result<(), PlanError> {
        let types = types.and(&self.graph.ty(on).possible);
        if types.is_empty() { Ok(()) } else { self.collect(set, on, &types, all) }
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
