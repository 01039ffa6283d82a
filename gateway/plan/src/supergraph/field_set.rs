//! Field sets: turns the text of `key`, `requires` and `provides` into selections over the supergraph.

use super::Supergraph;
use crate::condition::Condition;
use crate::error::PlanError;
use crate::ids::{GroupId, NodeId, TypeId, TypeSet};
use crate::selection::{Arguments, Node, Slot, Source};
use apollo_compiler::Schema;
use apollo_compiler::executable::{Field, FieldSet, Selection, SelectionSet};
use apollo_compiler::validation::Valid;
use rustc_hash::FxHashMap;

/// Reads field sets; equal ones are read once.
#[derive(Debug)]
pub(super) struct FieldSets<'a> {
    schema: &'a Valid<Schema>,
    known: FxHashMap<(TypeId, String), NodeId>,
}

impl<'a> FieldSets<'a> {
    pub fn new(schema: &'a Valid<Schema>) -> Self {
        Self { schema, known: FxHashMap::default() }
    }

    /// Read a field set of type `ty` into `graph.sets`.
    pub fn read(&mut self, graph: &mut Supergraph, ty: TypeId, text: &str) -> Result<NodeId, PlanError> {
        if let Some(&known) = self.known.get(&(ty, text.to_owned())) {
            return Ok(known);
        }
        let name = graph.type_name(ty).clone();
        let set = FieldSet::parse(self.schema, name.clone(), text, "field-set.graphql").map_err(|e| {
            PlanError::Supergraph(format!("field set `{text}` of `{name}`: {}", e.errors.to_string().trim_end()))
        })?;
        let node = add(graph, ty, &[&set.selection_set]);
        self.known.insert((ty, text.to_owned()), node);
        Ok(node)
    }
}

struct Occurrence<'s> {
    field: &'s Field,
    on: TypeId,
    types: TypeSet,
}

fn add(graph: &mut Supergraph, ty: TypeId, sets: &[&SelectionSet]) -> NodeId {
    let possible = graph.ty(ty).possible.clone();
    let mut occurrences = Vec::new();
    for set in sets {
        collect(graph, set, ty, &possible, &mut occurrences);
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut children: Vec<Vec<&SelectionSet>> = Vec::new();
    for Occurrence { field, on, types } in occurrences {
        let source = graph.field_of(on, &field.name).map_or(Source::Typename, Source::Field);
        let arguments = Arguments::new(&field.arguments);
        let same = slots.iter().position(|slot| {
            slot.key == *field.response_key() && slot.arguments == arguments && slot.types == types && slot.on == on
        });
        let at = same.unwrap_or_else(|| {
            let order = u32::try_from(slots.len()).expect("field sets are short texts");
            slots.push(Slot {
                key: field.response_key().clone(),
                source,
                on,
                types,
                condition: Condition::always(),
                arguments,
                child: None,
                internal: true,
                group: GroupId(0),
                denied: false,
                order,
                later: Vec::new(),
            });
            children.push(Vec::new());
            slots.len() - 1
        });
        if !field.selection_set.is_empty() {
            children[at].push(&field.selection_set);
        }
    }
    for (slot, sets) in slots.iter_mut().zip(&children) {
        if let (Source::Field(field), false) = (slot.source, sets.is_empty()) {
            slot.child = Some(add(graph, graph.field_base(field), sets));
        }
    }
    graph.sets.push(Node { ty, fetchable: possible.clone(), possible, slots })
}

fn collect<'s>(graph: &Supergraph, set: &'s SelectionSet, on: TypeId, types: &TypeSet, into: &mut Vec<Occurrence<'s>>) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => into.push(Occurrence { field, on, types: types.clone() }),
            Selection::InlineFragment(fragment) => {
                let inner = fragment.type_condition.as_ref().and_then(|name| graph.type_by_name(name)).unwrap_or(on);
                collect(graph, &fragment.selection_set, inner, &types.and(&graph.ty(inner).possible), into);
            }
            // A field set has no named fragments to spread.
            Selection::FragmentSpread(_) => {}
        }
    }
}
