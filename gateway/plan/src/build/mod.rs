//! Building: turns the decisions of the search into a draft of fetches and what each selects and needs.

mod contexts;
mod defer;
mod draft;
mod emit;
mod enter;
mod inputs;
mod needs;
mod resolve;

pub use draft::{ContextInput, ContextSource, Input, Part, Step};
pub(crate) use draft::{Draft, DraftFetch, DraftField, DraftSelection};
pub(crate) use inputs::{conflicts, merge_inputs, overreach};

use crate::condition::Condition;
use crate::error::PlanError;
use crate::ids::{FetchId, GroupId, NodeId, SelectionId, SlotId, TypeSet};
use crate::operation::Normalised;
use crate::options::PlanOptions;
use crate::search::{Place, Provided, Search, SetRef, View};
use crate::selection::Selections;
use crate::supergraph::Supergraph;
use apollo_compiler::ast::OperationType;
use needs::Need;
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// Plan every field of the operation.
///
/// # Errors
/// [`PlanError::Unreachable`] where the supergraph is not satisfiable, [`PlanError::TooLarge`] beyond the limits.
pub(crate) fn build(
    graph: &Supergraph,
    normalised: &Normalised,
    kind: OperationType,
    options: &PlanOptions<'_>,
) -> Result<Draft, PlanError> {
    let mut builder = Builder {
        graph,
        search: Search::new(graph, &normalised.selections, kind, options),
        nodes: normalised.selections.clone(),
        fetches: Vec::new(),
        selections: Vec::new(),
        positions: Vec::new(),
        needs: FxHashMap::default(),
        group: GroupId(0),
        later: VecDeque::new(),
        kind,
        max_fetches: options.max_fetches,
        depth: 0,
    };
    builder.root(normalised.root)?;
    builder.deferred()?;
    let steps = builder.search.steps();
    Ok(Draft { nodes: builder.nodes, fetches: builder.fetches, selections: builder.selections, steps })
}

type Deps = BTreeSet<FetchId>;

struct Builder<'a> {
    graph: &'a Supergraph,
    search: Search<'a>,
    nodes: Selections,
    fetches: Vec<DraftFetch>,
    selections: Vec<DraftSelection>,
    positions: Vec<Position>,
    needs: FxHashMap<FetchId, Vec<Need>>,
    /// With what is delivered what is resolved now.
    group: GroupId,
    /// What is resolved later, since it is delivered later: by group and position.
    later: VecDeque<(GroupId, usize, Vec<Wanted>)>,
    kind: OperationType,
    max_fetches: usize,
    depth: usize,
}

/// A response position, as one fetch opened it.
#[derive(Debug)]
struct Position {
    node: NodeId,
    path: Vec<Step>,
    /// The position of the objects that have it; none at the root.
    parent: Option<usize>,
    /// The fetches that tell the object types which the path asks for, where the opening fetch doesn't.
    told_by: Deps,
    /// The fetches that have arrived there; the first is the one that opened it.
    opens: Vec<Open>,
    emitted: Vec<Emitted>,
}

#[derive(Debug, Clone)]
struct Open {
    place: Place,
    fetch: Option<FetchId>,
    selection: Option<SelectionId>,
}

/// A slot that some fetch selects at a position.
#[derive(Debug, Clone)]
struct Emitted {
    slot: SlotId,
    types: TypeSet,
    open: usize,
    field: usize,
}

/// A slot to fetch.
#[derive(Debug, Clone)]
struct Wanted {
    slot: SlotId,
    types: TypeSet,
    condition: Condition,
    below: Below,
    /// Arguments with the variables of contexts that they take.
    contexts: Vec<(apollo_compiler::Name, apollo_compiler::Name)>,
}

/// What of a composite slot's selections to fetch.
#[derive(Debug, Clone)]
enum Below {
    /// What the client selected, or a part of it.
    Client(Option<SetRef>),
    /// What a representation needs.
    Part(Rc<Vec<Part>>, Option<SetRef>),
}

impl Builder<'_> {
    fn root(&mut self, node: NodeId) -> Result<(), PlanError> {
        let place = Place { subgraph: None, local: self.nodes.node(node).ty, provided: Provided::new(), types: None };
        let open = Open { place, fetch: None, selection: None };
        self.positions.push(Position {
            node,
            path: Vec::new(),
            parent: None,
            told_by: Deps::new(),
            opens: vec![open],
            emitted: Vec::new(),
        });
        let wanted = self.client_wants(SetRef::Operation(node));
        if self.kind != OperationType::Mutation {
            let wanted = self.now(0, wanted);
            return self.resolve(0, 0, wanted).map(drop);
        }
        for want in wanted {
            self.mutate(&want)?;
        }
        Ok(())
    }

    /// Mutations run one after the other: a later one waits for all that earlier ones need, except that neighbours in
    /// the same subgraph share a request, which the subgraph runs in order.
    fn mutate(&mut self, want: &Wanted) -> Result<(), PlanError> {
        let place = self.positions[0].opens[0].place.clone();
        let described = self.describe(0, want);
        let Some(decision) = self.search.decide(&[described], &place)?.into_iter().next() else { return Ok(()) };
        let crate::search::Target::Hop { subgraph, .. } = decision.choice.target else { return Ok(()) };
        let last = self.positions[0].opens.last().expect("the root is open");
        let open = if last.place.subgraph == Some(subgraph) {
            self.positions[0].opens.len() - 1
        } else {
            let before: Deps = (0..self.fetches.len()).map(FetchId::new).collect();
            self.enter_root(0, subgraph, place.local, before)?
        };
        self.emit(0, open, want, &decision.types, &Deps::new()).map(drop)
    }

    /// What the client selected at a node, or the part of it in a view.
    fn client_wants(&self, set: SetRef) -> Vec<Wanted> {
        let View { base, items } = self.search.view(set);
        let SetRef::Operation(node) = base else { return Vec::new() };
        let slots = &self.nodes.node(node).slots;
        let wants = items.into_iter().map(|(index, child)| Wanted {
            slot: SlotId::new(index),
            types: slots[index].types.and(&self.nodes.node(node).fetchable),
            condition: slots[index].condition.clone(),
            below: Below::Client(child),
            contexts: Vec::new(),
        });
        wants.collect()
    }
}

impl Wanted {
    /// The same with only a part of its selections.
    fn narrowed(&self, child: Option<SetRef>) -> Self {
        let below = match &self.below {
            Below::Client(_) => Below::Client(child),
            Below::Part(parts, _) => Below::Part(Rc::clone(parts), child),
        };
        Self { below, ..self.clone() }
    }
}
