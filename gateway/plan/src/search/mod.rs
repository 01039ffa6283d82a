//! The search: turns "these fields are wanted at this place" into who resolves each, at the least cost.
//!
//! All of it is memoised by (selection set, place), and a place is a subgraph with a type. That keeps the work of real
//! graphs small; what bounds it for any graph is the count of steps, which ends the search at
//! [`PlanOptions::max_steps`].

mod choose;
mod cost;
mod divide;
mod place;
mod reach;
mod view;

pub(crate) use choose::{Choice, Compared, Decision, Target};
pub(crate) use place::{Place, Provided};

use crate::error::PlanError;
use crate::ids::{NodeId, TypeId, TypeSet};
use crate::options::PlanOptions;
use crate::selection::{Selections, Slot, Source};
use crate::supergraph::Supergraph;
use apollo_compiler::Name;
use apollo_compiler::ast::OperationType;
use cost::Cost;
use indexmap::IndexSet;
use reach::Entry;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::rc::Rc;
pub(crate) use view::View;

/// A selection set, of the operation or of the supergraph's field sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SetRef {
    Operation(NodeId),
    FieldSet(NodeId),
    /// A part of one, by its number.
    View(u32),
}

impl SetRef {
    /// A selection set in the same arena.
    fn sibling(self, node: NodeId) -> Self {
        match self {
            Self::FieldSet(_) => Self::FieldSet(node),
            Self::Operation(_) | Self::View(_) => Self::Operation(node),
        }
    }
}

/// A field (or the type name, without a field) that is wanted for some object types.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub field: Option<Name>,
    pub on: TypeId,
    pub types: TypeSet,
    pub child: Option<SetRef>,
}

/// Memory of one planning run.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub graph: &'a Supergraph,
    options: &'a PlanOptions<'a>,
    operation: &'a Selections,
    costs: FxHashMap<(SetRef, Place), Cost>,
    costing: FxHashSet<(SetRef, Place)>,
    reaches: FxHashMap<(TypeId, Place), Rc<Vec<Entry>>>,
    reaching: FxHashSet<(TypeId, Place)>,
    views: IndexSet<View, FxBuildHasher>,
    resolvables: FxHashMap<(SetRef, Place, u32), Option<SetRef>>,
    /// How many ways to resolve a field were looked at so far.
    steps: usize,
    /// Whether root fields may be asked of several subgraphs, each for a part: queries only, since it does no harm there.
    divides_roots: bool,
}

impl<'a> Search<'a> {
    pub fn new(
        graph: &'a Supergraph,
        operation: &'a Selections,
        kind: OperationType,
        options: &'a PlanOptions<'a>,
    ) -> Self {
        Self {
            graph,
            options,
            operation,
            costs: FxHashMap::default(),
            costing: FxHashSet::default(),
            reaches: FxHashMap::default(),
            reaching: FxHashSet::default(),
            views: IndexSet::default(),
            resolvables: FxHashMap::default(),
            steps: 0,
            divides_roots: kind == OperationType::Query,
        }
    }

    /// How many steps the search took so far; see [`PlanOptions::max_steps`].
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Whether the search may go on.
    ///
    /// # Errors
    /// [`PlanError::TooLarge`] when it took all the steps that it may.
    pub(super) fn within_bounds(&self) -> Result<(), PlanError> {
        let limit = self.options.max_steps;
        if self.steps > limit { Err(PlanError::TooLarge { what: "steps of the search", limit }) } else { Ok(()) }
    }

    /// What a selection set wants of the objects at its place.
    pub fn wants(&self, set: SetRef) -> Vec<Want> {
        let View { base, items } = self.view(set);
        let slots = self.slots(base);
        let fetchable = self.fetchable(base);
        let narrowed = |mut want: Want| {
            want.types = want.types.and(fetchable);
            want
        };
        items.iter().filter_map(|(index, child)| self.want(&slots[*index], *child)).map(narrowed).collect()
    }

    /// The slots of a selection set that is no view.
    fn slots(&self, base: SetRef) -> &'a [Slot] {
        match base {
            SetRef::Operation(node) => &self.operation.node(node).slots,
            SetRef::FieldSet(node) => &self.graph.sets.node(node).slots,
            SetRef::View(_) => &[],
        }
    }

    /// The object types of a selection set whose fields may be fetched.
    pub fn fetchable(&self, base: SetRef) -> &'a TypeSet {
        match base {
            SetRef::Operation(node) => &self.operation.node(node).fetchable,
            SetRef::FieldSet(node) => &self.graph.sets.node(node).fetchable,
            SetRef::View(id) => self.fetchable(self.views[id as usize].base),
        }
    }

    /// Whether a slot is fetched for its selection set's sake.
    fn counts(&self, base: SetRef, slot: &Slot) -> bool {
        matches!(base, SetRef::FieldSet(_)) || (!slot.denied && slot.source != Source::Introspection)
    }

    /// The want of a slot; none for what the gateway answers itself.
    pub fn want(&self, slot: &Slot, child: Option<SetRef>) -> Option<Want> {
        let field = match slot.source {
            Source::Introspection => return None,
            Source::Typename => None,
            Source::Field(field) => Some(self.graph.field_name(field).clone()),
        };
        Some(Want { field, on: slot.on, types: slot.types.clone(), child })
    }
}
