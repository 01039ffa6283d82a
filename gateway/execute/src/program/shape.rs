//! Shapes: turns the selection sets of a fetch into tables by which answers are read.

use super::{FetchCode, condition_number, input, quoted};
use apollo_compiler::Name;
use terrane_plan::{Condition, Fetch, FetchSelection, Kind, QueryPlan, Supergraph, list_depth};

/// A selection set of a fetch.
#[derive(Debug)]
pub(crate) struct ReadSet {
    /// The selection set of the response that it fills.
    pub node: u32,
    pub ty: TypeSource,
    pub fields: Vec<ReadField>,
}

/// Where the type of an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeSource {
    /// Always this one.
    Fixed(u32),
    /// `__typename` of the answer.
    Answer,
    /// Another fetch has it.
    Elsewhere,
}

/// A field of an answer.
#[derive(Debug)]
pub(crate) struct ReadField {
    /// The response key with its quotes; names need no escapes.
    pub quoted: Box<[u8]>,
    pub slot: u32,
    /// How many lists are around its values.
    pub depth: u8,
    pub leaf: LeafKind,
    /// The selection set of its objects.
    pub child: Option<usize>,
}

impl ReadField {
    /// The response key.
    pub fn key(&self) -> &[u8] {
        &self.quoted[1..self.quoted.len() - 1]
    }
}

/// What a leaf may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeafKind {
    Int,
    Float,
    String,
    Boolean,
    Id,
    /// One of these values.
    Enum(Box<[Name]>),
    /// A custom scalar: any JSON.
    Any,
}

/// Compile a fetch; its selection sets are added to `reads`.
pub(super) fn fetch(
    graph: &Supergraph,
    plan: &QueryPlan,
    fetch: &Fetch,
    reads: &mut Vec<ReadSet>,
    conditions: &mut Vec<Condition>,
) -> FetchCode {
    let branches: Vec<usize> =
        fetch.branches.iter().map(|branch| read_set(graph, plan, branch, fetch.is_entity, reads)).collect();
    let branch_of = |input: &terrane_plan::Input| {
        let by_entity = fetch.branches.iter().position(|branch| branch.local == input.entity);
        by_entity.unwrap_or(0)
    };
    FetchCode {
        inputs: fetch.inputs.iter().map(|one| input::input(graph, one, conditions)).collect(),
        contexts: fetch.contexts.iter().map(|one| input::context(one, conditions)).collect(),
        branch_of_input: fetch.inputs.iter().map(branch_of).collect(),
        branches,
        paths: fetch.paths.clone(),
        key: fetch.key.as_bytes().into(),
        condition: condition_number(conditions, &fetch.condition),
    }
}

fn read_set(
    graph: &Supergraph,
    plan: &QueryPlan,
    set: &FetchSelection,
    is_entity: bool,
    reads: &mut Vec<ReadSet>,
) -> usize {
    let node = plan.nodes.node(set.node);
    let mut fields = Vec::with_capacity(set.fields.len());
    for field in &set.fields {
        let child = field.child.as_ref().map(|child| read_set(graph, plan, child, false, reads));
        let base = graph.type_by_name(field.ty.inner_named_type());
        let slot = &node.slots[field.slot.index()];
        let base = slot.field().map(|f| graph.field_base(f)).or(base);
        fields.push(ReadField {
            quoted: quoted(&field.key),
            slot: field.slot.0,
            depth: u8::try_from(list_depth(&field.ty)).unwrap_or(u8::MAX),
            leaf: base.map_or(LeafKind::Any, |base| leaf_kind(graph, base, slot.internal)),
            child,
        });
    }
    let ty = if set.typename {
        TypeSource::Answer
    } else if set.unknown || is_entity {
        TypeSource::Elsewhere
    } else {
        TypeSource::Fixed(set.local.0)
    };
    reads.push(ReadSet { node: set.node.0, ty, fields });
    reads.len() - 1
}

/// Clients see only accessible enum values; subgraphs may need the others as well.
fn leaf_kind(graph: &Supergraph, ty: terrane_plan::TypeId, internal: bool) -> LeafKind {
    match (graph.kind(ty), graph.type_name(ty).as_str()) {
        (Kind::Enum, _) => {
            let values = graph.enum_values(ty).iter().filter(|value| internal || !value.inaccessible);
            LeafKind::Enum(values.map(|value| value.name.clone()).collect())
        }
        (_, "Int") => LeafKind::Int,
        (_, "Float") => LeafKind::Float,
        (_, "String") => LeafKind::String,
        (_, "Boolean") => LeafKind::Boolean,
        (_, "ID") => LeafKind::Id,
        _ => LeafKind::Any,
    }
}
