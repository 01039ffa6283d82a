//! The plan: the shape of the response, the fetches that fill it and the requests that carry them.

use crate::condition::Condition;
use crate::defer::Deferred;
use crate::ids::{FetchId, GroupId, NodeId, SlotId, SubgraphId, TypeId, TypeSet};
use crate::selection::{Arguments, Selections};
use apollo_compiler::Name;
use apollo_compiler::ast::{OperationType, Type};

pub use crate::build::{ContextInput, ContextSource, Input, Part, Step};

/// How an operation is answered. Immutable; to be compiled by the executor and cached by the operation's text.
#[derive(Debug, Clone)]
pub struct QueryPlan {
    /// Query, mutation or subscription. For a subscription, the first request is the event source.
    pub kind: OperationType,
    /// The selection sets of the response and what the planner added to them.
    pub nodes: Selections,
    /// The root's selection set.
    pub root: NodeId,
    /// What is fetched.
    pub fetches: Vec<Fetch>,
    /// What is sent, in the order of waves.
    pub requests: Vec<Request>,
    /// The operation's variables.
    pub variables: Vec<Variable>,
    /// Fragments with `@defer`, and what is delivered together.
    pub deferred: Deferred,
    /// How many steps the search for it took: what [`crate::PlanOptions::max_steps`] limits.
    pub steps: usize,
    /// The names of the subgraphs, for printing.
    pub(crate) subgraphs: Vec<String>,
    /// The names of types, for printing.
    pub(crate) types: Vec<Name>,
}

/// A variable of the operation.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name without `$`.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its default value as GraphQL text.
    pub default: Option<apollo_compiler::Node<apollo_compiler::ast::Value>>,
}

/// One request to a subgraph; it carries one fetch or several entity fetches.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who is asked.
    pub subgraph: SubgraphId,
    /// What it carries.
    pub fetches: Vec<FetchId>,
    /// Positions of the requests that have to be done before.
    pub after: Vec<usize>,
    /// How many requests are done one after the other before it.
    pub wave: u32,
    /// For what delivery it is sent.
    pub group: GroupId,
    /// The operation that is sent, as compact text.
    pub operation: String,
    /// The client's variables in it.
    pub variables: Vec<Name>,
}

/// Something to fetch for the objects at a position.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Who answers.
    pub subgraph: SubgraphId,
    /// The selection set of the objects that it fills.
    pub node: NodeId,
    /// Where these are: steps from the root; several paths to the same selection set.
    pub paths: Vec<Vec<Step>>,
    /// For entity fetches, the representations; otherwise empty.
    pub inputs: Vec<Input>,
    /// Asked by `_entities`.
    pub is_entity: bool,
    /// The response key of its entities: `_entities` or an alias of it.
    pub key: String,
    /// The variable with its representations.
    pub variable: String,
    /// What is selected, by the type it is selected on.
    pub branches: Vec<FetchSelection>,
    /// It is done only where this holds.
    pub condition: Condition,
    /// With what its fields are delivered.
    pub group: GroupId,
    /// Why it is there.
    pub reason: String,
    /// What its fields take from objects above.
    pub contexts: Vec<ContextInput>,
    /// What it was chosen of, with [`crate::PlanOptions::explain`].
    pub decided: Vec<Decided>,
}

/// A field for which a fetch was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// `Type.field`.
    pub field: String,
    /// The ways to resolve it, the fewest requests first; which is taken depends on the other fields, too.
    pub candidates: Vec<Candidate>,
}

/// A way to resolve a field and what is selected below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who is asked; none for the fetch at hand.
    pub subgraph: Option<SubgraphId>,
    /// Requests one after the other.
    pub waves: u32,
    /// Requests in all, if nothing else needs them.
    pub requests: u32,
}

/// A selection set that is sent.
#[derive(Debug, Clone)]
pub struct FetchSelection {
    /// The selection set whose slots it fills.
    pub node: NodeId,
    /// The type that the subgraph promises.
    pub local: TypeId,
    /// `__typename` is selected and tells the object's type. Otherwise the type is `local`, unless that is an interface
    /// object.
    pub typename: bool,
    /// The subgraph does not know the object's type.
    pub unknown: bool,
    /// Its fields.
    pub fields: Vec<FetchField>,
}

/// A field that is sent.
#[derive(Debug, Clone)]
pub struct FetchField {
    /// The response key that the subgraph is asked to use.
    pub key: Name,
    /// The slot that it fills.
    pub slot: SlotId,
    /// The field's name.
    pub name: Name,
    /// The types that it is selected on; just the set's own, or others in fragments.
    pub on: Vec<TypeId>,
    /// Its type in the subgraph.
    pub ty: Type,
    /// Its arguments.
    pub arguments: Arguments,
    /// When it is selected.
    pub condition: Condition,
    /// What is selected of its objects.
    pub child: Option<FetchSelection>,
}

impl QueryPlan {
    /// The number of requests one after the other.
    pub fn waves(&self) -> u32 {
        self.requests.iter().map(|request| request.wave + 1).max().unwrap_or(0)
    }

    /// Whether objects with `types` are all objects of a node.
    pub fn is_all(&self, node: NodeId, types: &TypeSet) -> bool {
        self.nodes.node(node).possible.is_subset(types)
    }
}

impl Fetch {
    /// Give the variables of contexts other names.
    pub(crate) fn rename_contexts(&mut self, names: Vec<Name>) {
        let own = self.contexts.iter().map(|c| (c.name.clone(), c.variable.clone()));
        let renames: Vec<(Name, Name, Name)> = own.zip(names).map(|((name, old), new)| (name, old, new)).collect();
        for (context, (_, _, new)) in self.contexts.iter_mut().zip(&renames) {
            context.variable = new.clone();
        }
        // Only fields of the entities themselves take arguments of the fetch's contexts.
        for field in self.branches.iter_mut().flat_map(|branch| &mut branch.fields) {
            field.arguments = field.arguments.renamed(&renames);
        }
    }
}

/// A fetch repeated in a request: by repetition, its response key, the variable of its representations, and those of
/// its contexts.
#[derive(Debug, Clone)]
pub struct Repetition {
    /// Which fetch.
    pub fetch: FetchId,
    /// Its response key.
    pub key: String,
    /// The variable with its representations.
    pub variable: String,
    /// The variables of its contexts, in their order.
    pub contexts: Vec<Name>,
}

impl QueryPlan {
    /// The text of a request in which each fetch that takes values from contexts is there once for each of the
    /// `groups` of objects with equal values, and what the repetitions are called. By fetch of the request, how often.
    pub fn repeated(&self, request: &Request, groups: &[usize]) -> (String, Vec<Repetition>) {
        let (mut fetches, mut repetitions) = (Vec::new(), Vec::new());
        let representations = crate::fetch::representations(&self.variables);
        let mut variables = (0u32..)
            .map(|n| Name::new(&format!("contextual_{n}")).expect("a prefix and a number are a name"))
            .filter(|name| self.variables.iter().all(|variable| variable.name != *name));
        for (&id, &count) in request.fetches.iter().zip(groups) {
            for _ in 0..count {
                let mut fetch = self.fetches[id.index()].clone();
                fetch.key = format!("_{}", fetches.len());
                fetch.variable = format!("{representations}{}", fetches.len());
                let names: Vec<Name> = variables.by_ref().take(fetch.contexts.len()).collect();
                fetch.rename_contexts(names.clone());
                repetitions.push(Repetition {
                    fetch: id,
                    key: fetch.key.clone(),
                    variable: fetch.variable.clone(),
                    contexts: names,
                });
                fetches.push(fetch);
            }
        }
        let carried: Vec<&Fetch> = fetches.iter().collect();
        let (text, _) = crate::print::operation::compact(&self.types, &carried, &self.variables, self.kind);
        (text, repetitions)
    }
}
