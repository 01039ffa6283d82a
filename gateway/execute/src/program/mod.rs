//! Programs: turns a plan, once, into flat tables that running it only indexes.

mod input;
mod output;
mod shape;

pub(crate) use input::{ContextCode, InputCode, PartCode};
pub(crate) use output::{Kind, OutField, Output};
pub(crate) use shape::{LeafKind, ReadField, ReadSet, TypeSource};

use crate::introspect::Introspection;
use crate::store::Store;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, SelectionSet};
use apollo_compiler::validation::Valid;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terrane_graphql::json::write_str;
use terrane_plan::{Condition, FetchSelection, GroupId, QueryPlan, Source, Step, Supergraph, TypeId};

/// A plan in the form in which it runs. Immutable; cache it by the operation's text and name.
#[derive(Debug)]
pub struct Program {
    pub(crate) supergraph: Arc<Supergraph>,
    /// The operation that it runs, without what it selects: that is in the plan.
    pub(crate) operation: Operation,
    pub(crate) plan: QueryPlan,
    /// By selection set of the response: how many slots.
    pub(crate) slot_counts: Vec<usize>,
    /// By selection set of the response: what to write.
    pub(crate) outputs: Vec<Output>,
    /// Selection sets of fetches.
    pub(crate) reads: Vec<ReadSet>,
    pub(crate) fetches: Vec<FetchCode>,
    pub(crate) requests: Vec<RequestCode>,
    /// By group of the plan: the requests that bring its fields.
    pub(crate) group_requests: Vec<Vec<usize>>,
    /// Conditions, by the numbers that other tables use; 0 always holds.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) introspection: Option<Introspection>,
    /// Equal objects may not be shared: what is above them counts.
    pub(crate) contextual: bool,
    pub(crate) sizes: Sizes,
}

/// How large the store was in the end, so that the next one begins so.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    objects: AtomicUsize,
    slots: AtomicUsize,
    items: AtomicUsize,
}

impl Sizes {
    /// A store for as much as the last one had.
    pub fn store(&self) -> Store {
        let last = |size: &AtomicUsize| size.load(Ordering::Relaxed);
        Store::with_capacity(last(&self.objects), last(&self.slots), last(&self.items))
    }

    /// Keep the sizes of a store that is full.
    pub fn keep(&self, store: &Store) {
        self.objects.store(store.objects.len(), Ordering::Relaxed);
        self.slots.store(store.slots.len(), Ordering::Relaxed);
        self.items.store(store.items.len(), Ordering::Relaxed);
    }
}

/// A fetch in the form in which it runs.
#[derive(Debug)]
pub(crate) struct FetchCode {
    /// Selection sets by the type of entity they are for; of inputs, by position.
    pub branches: Vec<usize>,
    /// What representations hold.
    pub inputs: Vec<InputCode>,
    /// What it takes from objects above.
    pub contexts: Vec<ContextCode>,
    /// By input: which branch reads its entities.
    pub branch_of_input: Vec<usize>,
    pub paths: Vec<Vec<Step>>,
    pub key: Box<[u8]>,
    pub condition: usize,
}

/// A request in the form in which it runs.
#[derive(Debug)]
pub(crate) struct RequestCode {
    pub subgraph: usize,
    pub fetches: Vec<usize>,
    pub after: Vec<usize>,
    /// `{"query":"…","variables":{`
    pub head: Box<[u8]>,
    pub variables: Vec<String>,
    /// By fetch: the name of its representations, quoted and with a colon.
    pub inputs: Vec<Box<[u8]>>,
    pub shareable: bool,
    /// Some of its fetches take values from objects above.
    pub contextual: bool,
}

impl Program {
    /// Compile a plan of an operation of `document`, which was validated against the supergraph's API schema.
    pub fn compile(
        supergraph: Arc<Supergraph>,
        document: Arc<Valid<ExecutableDocument>>,
        operation_name: Option<&str>,
        plan: QueryPlan,
    ) -> Self {
        let mut conditions = vec![Condition::always()];
        let outputs = output::outputs(&supergraph, &plan, &mut conditions);
        let mut reads = Vec::new();
        let fetches =
            plan.fetches.iter().map(|fetch| shape::fetch(&supergraph, &plan, fetch, &mut reads, &mut conditions));
        let fetches: Vec<FetchCode> = fetches.collect();
        let requests = plan.requests.iter().map(|request| request_code(&plan, request)).collect();
        let root = plan.nodes.node(plan.root);
        let operation = document.operations.get(operation_name).expect("the plan was made of this operation");
        let operation = Operation {
            operation_type: operation.operation_type,
            name: operation.name.clone(),
            variables: operation.variables.clone(),
            directives: operation.directives.clone(),
            selection_set: SelectionSet::new(operation.selection_set.ty.clone()),
        };
        let introspects = root.slots.iter().any(|slot| slot.source == Source::Introspection);
        Self {
            slot_counts: plan.nodes.nodes().iter().map(|node| node.slots.len()).collect(),
            outputs,
            reads,
            fetches,
            requests,
            group_requests: group_requests(&plan),
            contextual: plan.fetches.iter().any(|fetch| !fetch.contexts.is_empty()),
            conditions,
            sizes: Sizes::default(),
            operation,
            introspection: introspects.then(|| Introspection::new(document, operation_name)),
            supergraph,
            plan,
        }
    }

    /// The same program without what only reading its plan needs, for keeping many of them.
    pub fn compact(mut self) -> Self {
        // Requests with values from contexts are written anew from their selections.
        if !self.contextual {
            for fetch in &mut self.plan.fetches {
                (fetch.branches, fetch.inputs, fetch.reason) = (Vec::new(), Vec::new(), String::new());
            }
        }
        self.outputs.shrink_to_fit();
        self.reads.shrink_to_fit();
        self
    }

    /// About how many bytes of memory it takes, once it is [`Self::compact`].
    pub fn weight(&self) -> usize {
        // What each is on the heap, with its names, types and texts, by the memory of many programs.
        let (slot_bytes, written_bytes, read_bytes, rest) = (450, 350, 250, 4096);
        let slots: usize = self.slot_counts.iter().sum();
        let written: usize = self.outputs.iter().flat_map(|output| &output.lists).map(Vec::len).sum();
        let read: usize = self.reads.iter().map(|set| set.fields.len()).sum();
        let sent: usize = self.requests.iter().map(|request| request.head.len()).sum();
        slots * slot_bytes + written * written_bytes + read * read_bytes + sent * 2 + rest
    }

    /// Append a type's name as a JSON string; names need no escapes.
    pub(crate) fn write_type_name(&self, out: &mut Vec<u8>, ty: u32) {
        out.push(b'"');
        out.extend_from_slice(self.supergraph.type_name(TypeId(ty)).as_bytes());
        out.push(b'"');
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &QueryPlan {
        &self.plan
    }
}

/// The requests that bring the fields of each group.
fn group_requests(plan: &QueryPlan) -> Vec<Vec<usize>> {
    let mut by_group = vec![Vec::new(); plan.deferred.groups().len()];
    for (number, request) in plan.requests.iter().enumerate() {
        let mut groups = vec![request.group];
        for id in &request.fetches {
            plan.fetches[id.index()].branches.iter().for_each(|branch| groups_of(plan, branch, &mut groups));
        }
        groups.sort_unstable();
        groups.dedup();
        groups.iter().for_each(|group| by_group[group.index()].push(number));
    }
    by_group
}

fn groups_of(plan: &QueryPlan, set: &FetchSelection, groups: &mut Vec<GroupId>) {
    for field in &set.fields {
        let slot = &plan.nodes.node(set.node).slots[field.slot.index()];
        if !slot.internal && groups.last() != Some(&slot.group) {
            groups.push(slot.group);
        }
        if let Some(child) = &field.child {
            groups_of(plan, child, groups);
        }
    }
}

fn request_code(plan: &QueryPlan, request: &terrane_plan::Request) -> RequestCode {
    let mut head = b"{\"query\":".to_vec();
    write_str(&mut head, &request.operation);
    head.extend_from_slice(b",\"variables\":{");
    let inputs = request.fetches.iter().map(|id| {
        let mut name = quoted(&plan.fetches[id.index()].variable).into_vec();
        name.push(b':');
        name.into()
    });
    RequestCode {
        subgraph: request.subgraph.index(),
        fetches: request.fetches.iter().map(|id| id.index()).collect(),
        after: request.after.clone(),
        head: head.into(),
        variables: request.variables.iter().map(ToString::to_string).collect(),
        inputs: inputs.collect(),
        contextual: request.fetches.iter().any(|id| !plan.fetches[id.index()].contexts.is_empty()),
        shareable: !request.operation.starts_with("mutation"),
    }
}

pub(crate) fn quoted(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_str(&mut out, text);
    out.into()
}

/// The number of a condition in the table.
pub(crate) fn condition_number(conditions: &mut Vec<Condition>, condition: &Condition) -> usize {
    if condition.is_always() {
        return 0;
    }
    conditions.iter().position(|known| known == condition).unwrap_or_else(|| {
        conditions.push(condition.clone());
        conditions.len() - 1
    })
}
