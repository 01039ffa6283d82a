//! Inputs: turns key and `requires` field sets into slots to fetch and the parts of representations.

use super::draft::{Input, Part};
use super::{Below, Builder, Wanted};
use crate::condition::Condition;
use crate::ids::{GroupId, NodeId, SlotId, SubgraphId, TypeId, TypeSet};
use crate::search::SetRef;
use crate::selection::{Node, Slot, Source};
use crate::supergraph::Supergraph;
use std::rc::Rc;

impl Builder<'_> {
    /// The parts that a field set makes of the objects at `node`, for some object types: of a key, or of what the slot
    /// `guarded` requires. Slots that the client has with the same arguments are used; others are added.
    pub(super) fn parts(
        &mut self,
        node: NodeId,
        set: NodeId,
        types: &TypeSet,
        (key, guarded): (bool, Option<SlotId>),
        condition: &Condition,
    ) -> Vec<Part> {
        let wanted = self.graph.sets.node(set).slots.clone();
        let mut parts = Vec::with_capacity(wanted.len());
        for (index, want) in wanted.into_iter().enumerate() {
            let Source::Field(field) = want.source else { continue };
            let everything = self.graph.ty(self.graph.sets.node(set).ty).possible.is_subset(&want.types);
            let types = if everything { types.clone() } else { types.and(&want.types) };
            if types.is_empty() {
                continue;
            }
            let slot = self.slot_for(node, &want, &types);
            let child = self.nodes.node(node).slots[slot.index()].child;
            let below = match (want.child, child) {
                (Some(set), Some(child)) => {
                    let possible = self.nodes.node(child).possible.clone();
                    Some(self.parts(child, set, &possible, (key, None), condition))
                }
                _ => None,
            };
            parts.push(Part {
                name: self.graph.field_name(field).clone(),
                slot,
                types,
                typename: below.is_some() && self.graph.is_abstract(self.graph.field_base(field)),
                below,
                set: want.child,
                index,
                key,
                condition: condition.clone(),
                guards: guarded.into_iter().collect(),
            });
        }
        parts
    }

    /// The slot for a field of a field set: one that is there for all of `types`, or a new internal one.
    fn slot_for(&mut self, node: NodeId, want: &Slot, types: &TypeSet) -> SlotId {
        let name = |slot: &Slot| slot.field().map(|field| self.graph.field_name(field));
        let slots = &self.nodes.node(node).slots;
        let known = slots.iter().position(|slot| {
            name(slot) == name(want)
                && slot.arguments == want.arguments
                && !slot.denied
                && (types.is_subset(&slot.types) || (slot.internal && slot.on == want.on))
                && slot.child.is_some() == want.child.is_some()
        });
        if let Some(known) = known {
            let slot = &mut self.nodes.nodes[node.index()].slots[known];
            if slot.internal {
                slot.types = slot.types.or(types);
            }
            return SlotId::new(known);
        }
        let child = want.child.map(|set| {
            let base = self.graph.sets.node(set).ty;
            let possible = self.graph.ty(base).possible.clone();
            self.nodes.push(Node { ty: base, fetchable: possible.clone(), possible, slots: Vec::new() })
        });
        let slots = &mut self.nodes.nodes[node.index()].slots;
        slots.push(Slot { types: types.clone(), child, internal: true, order: u32::MAX, ..want.clone() });
        SlotId::new(slots.len() - 1)
    }

    /// The slot that stands for the wish to know object types.
    pub(super) fn typename_slot(&mut self, node: NodeId) -> SlotId {
        let Node { ty, possible, slots, .. } = &mut self.nodes.nodes[node.index()];
        if let Some(known) = slots.iter().position(|slot| slot.source == Source::Typename && slot.types == *possible) {
            return SlotId::new(known);
        }
        slots.push(Slot {
            key: apollo_compiler::name!("__typename"),
            source: Source::Typename,
            on: *ty,
            types: possible.clone(),
            condition: Condition::always(),
            arguments: Default::default(),
            child: None,
            internal: true,
            group: GroupId(0),
            denied: false,
            order: u32::MAX,
            later: Vec::new(),
        });
        SlotId::new(slots.len() - 1)
    }

    /// The slots to fetch for parts of a representation.
    pub(super) fn part_wants(parts: &[Part], condition: &Condition) -> Vec<Wanted> {
        parts
            .iter()
            .map(|part| Wanted {
                slot: part.slot,
                types: part.types.clone(),
                condition: condition.clone(),
                below: Below::Part(Rc::new(part.below.clone().unwrap_or_default()), part.set.map(SetRef::FieldSet)),
                contexts: Vec::new(),
            })
            .collect()
    }
}

/// Add parts to the representation of `atom`.
pub(super) fn add_input(inputs: &mut Vec<Input>, atom: TypeId, entity: TypeId, parts: &[Part]) {
    match inputs.iter_mut().find(|input| input.atom == atom && input.entity == entity) {
        Some(input) => merge_parts(&mut input.parts, parts),
        None => inputs.push(Input { atom, entity, parts: parts.to_vec() }),
    }
}

/// Add the representations of another fetch.
pub(crate) fn merge_inputs(into: &mut Vec<Input>, more: &[Input]) {
    for input in more {
        add_input(into, input.atom, input.entity, &input.parts);
    }
}

/// Whether parts would give a field of the representation of `atom` a second value.
pub(crate) fn conflicts(inputs: &[Input], atom: TypeId, parts: &[Part]) -> bool {
    inputs.iter().any(|input| input.atom == atom && parts_conflict(&input.parts, parts))
}

/// Whether objects of some types would be asked for what is wanted of others only: an interface object is asked for all
/// of its objects alike, whatever their types.
pub(crate) fn overreach(graph: &Supergraph, subgraph: SubgraphId, a: &[Input], b: &[Input]) -> bool {
    let atoms = |inputs: &[Input], entity| -> TypeSet {
        inputs.iter().filter(|input| input.entity == entity).map(|input| input.atom).collect()
    };
    let mut entities = a.iter().map(|input| input.entity).filter(|&entity| graph.is_interface_object(entity, subgraph));
    entities.any(|entity| {
        let theirs = atoms(b, entity);
        !theirs.is_empty() && atoms(a, entity) != theirs
    })
}

fn merge_parts(into: &mut Vec<Part>, parts: &[Part]) {
    for part in parts {
        match into.iter_mut().find(|p| p.name == part.name && p.slot == part.slot) {
            Some(same) => {
                same.types = same.types.or(&part.types);
                same.key |= part.key;
                same.condition.or(&part.condition);
                for guard in &part.guards {
                    if !same.guards.contains(guard) {
                        same.guards.push(*guard);
                    }
                }
                if let (Some(below), Some(more)) = (&mut same.below, &part.below) {
                    merge_parts(below, more);
                }
            }
            None => into.push(part.clone()),
        }
    }
}

fn parts_conflict(a: &[Part], b: &[Part]) -> bool {
    a.iter().any(|a| {
        b.iter().filter(|b| a.name == b.name && !a.types.and(&b.types).is_empty()).any(|b| {
            a.slot != b.slot
                || match (&a.below, &b.below) {
                    (Some(a), Some(b)) => parts_conflict(a, b),
                    _ => false,
                }
        })
    })
}
