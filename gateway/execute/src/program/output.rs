//! Outputs: turns the selection sets of the response into what is written for objects of each type.

use super::{condition_number, quoted};
use crate::copy::Piece;
use apollo_compiler::Name;
use apollo_compiler::ast::Type;
use terrane_plan::{Condition, NodeId, QueryPlan, Slot, Source, Supergraph, TypeId};

/// What to write for the objects of a selection set.
#[derive(Debug)]
pub(crate) struct Output {
    /// By type; types that are not here are not for clients: their objects are null.
    pub by_type: Vec<(u32, usize)>,
    /// For objects whose type nobody told; none where what to write depends on it.
    pub any: Option<usize>,
    /// The lists that these numbers mean.
    pub lists: Vec<Vec<OutField>>,
}

impl Output {
    /// What to write for objects of a type: the number of its list.
    pub fn list_of(&self, ty: u32) -> Option<usize> {
        let found = match &self.by_type[..] {
            // As it is nearly always; types are in the order of their numbers.
            [one] => (one.0 == ty).then_some(0),
            many => many.binary_search_by_key(&ty, |(known, _)| *known).ok(),
        };
        found.map(|at| self.by_type[at].1)
    }
}

/// One field of the response.
#[derive(Debug, PartialEq)]
pub(crate) struct OutField {
    /// `,"key":`
    pub prefix: Piece,
    pub key: Name,
    pub slot: u32,
    pub condition: usize,
    /// With what it is delivered.
    pub group: u32,
    pub kind: Kind,
    /// From the outermost list to the named type: whether it is non-null.
    pub non_null: Vec<bool>,
    /// `Type.field`, for messages.
    pub coordinate: String,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Leaf,
    Object,
    Typename,
    Introspection,
    Denied,
}

/// The outputs of all selection sets.
pub(super) fn outputs(graph: &Supergraph, plan: &QueryPlan, conditions: &mut Vec<Condition>) -> Vec<Output> {
    (0..plan.nodes.nodes().len()).map(|i| output(graph, plan, NodeId::new(i), conditions)).collect()
}

fn output(graph: &Supergraph, plan: &QueryPlan, id: NodeId, conditions: &mut Vec<Condition>) -> Output {
    let node = plan.nodes.node(id);
    let mut output = Output { by_type: Vec::new(), any: None, lists: Vec::new() };
    let mut written: Vec<(usize, &Slot)> = node.slots.iter().enumerate().filter(|(_, slot)| !slot.internal).collect();
    written.sort_by_key(|(_, slot)| slot.order);
    for ty in node.possible.iter().filter(|&ty| !graph.is_inaccessible(ty)) {
        let mut fields: Vec<_> = written.iter().filter(|(_, slot)| slot.types.contains(ty)).collect();
        fields.sort_by_key(|(_, slot)| slot.order_for(ty));
        let list = fields.into_iter().map(|&(i, slot)| field(graph, ty, i, slot, conditions)).collect();
        let number = add(&mut output.lists, list);
        output.by_type.push((ty.0, number));
    }
    let independent =
        written.iter().all(|(_, slot)| node.possible.is_subset(&slot.types) && slot.source != Source::Typename);
    if independent {
        let list = written.iter().map(|&(i, slot)| field(graph, slot.on, i, slot, conditions)).collect();
        output.any = Some(add(&mut output.lists, list));
    }
    output
}

fn add(lists: &mut Vec<Vec<OutField>>, list: Vec<OutField>) -> usize {
    lists.iter().position(|known| *known == list).unwrap_or_else(|| {
        lists.push(list);
        lists.len() - 1
    })
}

fn field(graph: &Supergraph, ty: TypeId, index: usize, slot: &Slot, conditions: &mut Vec<Condition>) -> OutField {
    let prefix = [b",", &*quoted(&slot.key), b":"].concat();
    let declared = slot.field().map(|field| graph.field_of(ty, graph.field_name(field)).unwrap_or(field));
    let kind = match slot.source {
        _ if slot.denied => Kind::Denied,
        Source::Typename => Kind::Typename,
        Source::Introspection => Kind::Introspection,
        Source::Field(_) if slot.child.is_some() => Kind::Object,
        Source::Field(_) => Kind::Leaf,
    };
    let name = declared.map_or(slot.key.as_str(), |field| graph.field_name(field).as_str());
    OutField {
        prefix: prefix.into(),
        key: slot.key.clone(),
        slot: u32::try_from(index).expect("selections are limited far below 2^32"),
        condition: condition_number(conditions, &slot.condition),
        group: slot.group.0,
        kind,
        non_null: declared.map_or_else(|| vec![false], |field| levels(graph.field_type(field))),
        coordinate: format!("{}.{name}", graph.type_name(ty)),
    }
}

fn levels(ty: &Type) -> Vec<bool> {
    match ty {
        Type::Named(_) => vec![false],
        Type::NonNullNamed(_) => vec![true],
        Type::List(inner) => [vec![false], levels(inner)].concat(),
        Type::NonNullList(inner) => [vec![true], levels(inner)].concat(),
    }
}
