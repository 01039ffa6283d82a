//! The draft: fetches under construction, what each selects, and what its representations hold.

use crate::condition::Condition;
use crate::ids::{FetchId, GroupId, NodeId, SelectionId, SlotId, SubgraphId, TypeId, TypeSet};
use crate::search::Compared;
use crate::selection::Selections;
use apollo_compiler::ast::Type;
use std::collections::BTreeSet;

/// Everything that building made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub nodes: Selections,
    pub fetches: Vec<DraftFetch>,
    pub selections: Vec<DraftSelection>,
    /// How many steps the search took.
    pub steps: usize,
}

/// One step from the response's root to an object: into a slot, of objects of some types only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// Only objects of these types.
    pub types: Option<TypeSet>,
    /// The slot that leads on.
    pub slot: SlotId,
}

/// A fetch.
#[derive(Debug, Clone)]
pub(crate) struct DraftFetch {
    pub subgraph: SubgraphId,
    /// The selection set of the objects that it fills.
    pub node: NodeId,
    /// Where these are.
    pub paths: Vec<Vec<Step>>,
    /// What it selects, by type of entity; one branch on the root type where it is no entity fetch.
    pub branches: Vec<(TypeId, SelectionId)>,
    /// What its representations hold; empty where it is no entity fetch.
    pub inputs: Vec<Input>,
    pub is_entity: bool,
    /// When the object types that it tells are needed, apart from its fields.
    pub told: Condition,
    pub deps: BTreeSet<FetchId>,
    pub level: u32,
    /// With what its fields are delivered.
    pub group: GroupId,
    /// Why it is there, for people.
    pub reason: String,
    /// What its fields take from objects above.
    pub contexts: Vec<ContextInput>,
    /// What was decided for it, where that is to be explained: the field, and the ways to resolve it.
    pub decided: Vec<(String, Vec<Compared>)>,
}

/// A value that a fetch takes from an object above each of its objects (`@fromContext`).
#[derive(Debug, Clone, PartialEq)]
pub struct ContextInput {
    /// The argument that it is for.
    pub name: apollo_compiler::Name,
    /// The variable of the request that carries it.
    pub variable: apollo_compiler::Name,
    /// The argument's type.
    pub ty: Type,
    /// Where it is from: the nearest first; the first whose types the object above has counts.
    pub sources: Vec<ContextSource>,
}

/// Where the value of a context is from.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextSource {
    /// How many steps of the path up.
    pub up: usize,
    /// The object types that set the context there.
    pub types: TypeSet,
    /// What is taken of them.
    pub parts: Vec<Part>,
}

/// The representation of objects of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The object type; an interface where the type of the object is not known.
    pub atom: TypeId,
    /// The type that the representation names.
    pub entity: TypeId,
    /// Its fields.
    pub parts: Vec<Part>,
}

/// One field of a representation.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name in the representation.
    pub name: apollo_compiler::Name,
    /// The slot that has its value.
    pub slot: SlotId,
    /// The object types that have it.
    pub types: TypeSet,
    /// The fields of its objects.
    pub below: Option<Vec<Part>>,
    /// The field set that these are from.
    pub set: Option<crate::ids::NodeId>,
    /// Its position in its own field set.
    pub index: usize,
    /// Part of a key: an object without it has no representation.
    pub key: bool,
    /// When something needs it.
    pub condition: Condition,
    /// The slots of the fetch that `@requires` it: they have no value where it has none.
    pub guards: Vec<SlotId>,
    /// Its objects name their type.
    pub typename: bool,
}

/// A selection set of a fetch.
#[derive(Debug, Clone)]
pub(crate) struct DraftSelection {
    pub subgraph: SubgraphId,
    pub node: NodeId,
    pub local: TypeId,
    pub fields: Vec<DraftField>,
}

/// A field of a fetch.
#[derive(Debug, Clone)]
pub(crate) struct DraftField {
    pub slot: SlotId,
    /// The types on which it is selected: the selection set's own, or some in fragments.
    pub on: Vec<TypeId>,
    /// Its type in the subgraph.
    pub ty: Type,
    pub condition: Condition,
    /// Arguments with the variables of contexts that they take.
    pub contexts: Vec<(apollo_compiler::Name, apollo_compiler::Name)>,
    pub child: Option<SelectionId>,
    /// The position that its objects are at, while building.
    pub position: usize,
}
