//! Normalisation: turns an operation of a document into selections without fragments, conditions attached.

mod collect;
mod unions;

use crate::condition::{All, Condition};
use crate::defer::Deferred;
use crate::error::PlanError;
use crate::ids::{DeferId, NodeId, TypeId, TypeSet};
use crate::options::PlanOptions;
use crate::selection::{Arguments, Node, Selections, Slot, Source};
use crate::supergraph::Supergraph;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::OperationType;
use apollo_compiler::executable::{Operation, SelectionSet};
use apollo_compiler::validation::Valid;
use collect::{Collector, Occurrence};

/// A normalised operation.
#[derive(Debug)]
pub(crate) struct Normalised {
    pub selections: Selections,
    pub root: NodeId,
    pub deferred: Deferred,
}

/// A selection set of the document and the condition under which it counts at its position.
/// Also the fragment with `@defer` that it is in.
pub(super) type Origin<'d> = (&'d SelectionSet, All, Option<DeferId>);

/// Resolve fragments, merge response keys, and split them by object type only where that matters.
///
/// # Errors
/// [`PlanError::TooLarge`] when fragments expand beyond the limit; [`PlanError::Operation`] when the document was not
/// validated against this supergraph's API schema.
pub(crate) fn normalise(
    graph: &Supergraph,
    document: &Valid<ExecutableDocument>,
    operation: &Operation,
    options: &PlanOptions<'_>,
) -> Result<Normalised, PlanError> {
    let root = graph.root(operation.operation_type).ok_or_else(|| {
        PlanError::Operation(format!("the graph has no {} type", kind_name(operation.operation_type)))
    })?;
    let mut normaliser = Normaliser {
        graph,
        options,
        document,
        selections: Selections::default(),
        deferred: Deferred::default(),
        // What changes data is done before the response, and an event is answered as a whole.
        defers: options.incremental && operation.operation_type == OperationType::Query,
        left: options.max_selections,
        depth: 0,
    };
    let root = normaliser.node(&[(root, vec![(&operation.selection_set, All::default(), None)])])?;
    let (mut selections, deferred) = (normaliser.selections, normaliser.deferred);
    unions::narrow(graph, &mut selections, root);
    Ok(Normalised { selections, root, deferred })
}

pub(crate) fn kind_name(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

struct Normaliser<'a> {
    graph: &'a Supergraph,
    options: &'a PlanOptions<'a>,
    document: &'a Valid<ExecutableDocument>,
    selections: Selections,
    deferred: Deferred,
    defers: bool,
    left: usize,
    depth: usize,
}

impl<'a> Normaliser<'a> {
    /// One position: the selection sets that meet there, by their static types.
    fn node(&mut self, origins: &[(TypeId, Vec<Origin<'a>>)]) -> Result<NodeId, PlanError> {
        self.depth += 1;
        if self.depth > self.options.max_depth {
            return Err(PlanError::TooLarge { what: "levels of nested selections", limit: self.options.max_depth });
        }
        let graph = self.graph;
        let mut possible = TypeSet::default();
        let mut occurrences = Vec::new();
        for (ty, sets) in origins {
            let types = graph.ty(*ty).possible.clone();
            possible = possible.or(&types);
            let next = NodeId::new(self.selections.nodes.len());
            let deferred = self.defers.then_some(&mut self.deferred);
            let mut collector =
                Collector::new(graph, self.document, &mut occurrences, (next, deferred), &mut self.left, self.options);
            for (set, all, defer) in sets {
                collector.collect(set, *ty, &types, all, *defer)?;
            }
        }
        let ty = origins[0].0;
        let id = self.selections.push(Node { ty, fetchable: possible.clone(), possible, slots: Vec::new() });
        let mut slots = Vec::new();
        for group in by_key(&occurrences) {
            for part in self.split(&group) {
                self.slot(&occurrences, &part, &mut slots)?;
            }
        }
        slots.sort_by_key(|slot: &Slot| slot.order);
        self.selections.nodes[id.index()].slots = slots;
        self.depth -= 1;
        Ok(id)
    }

    /// Split the occurrences of a response key into groups of object types that have the same occurrences. Occurrences
    /// for the same types stay whole, whatever the number of types.
    fn split<'g>(&self, group: &[&'g Occurrence<'a>]) -> Vec<(TypeSet, Vec<&'g Occurrence<'a>>)> {
        let mut parts: Vec<(TypeSet, Vec<&Occurrence<'a>>)> = Vec::new();
        for &occurrence in group {
            let mut left = occurrence.types.clone();
            let mut added = Vec::new();
            for (types, members) in &mut parts {
                let both = types.and(&left);
                if both.is_empty() {
                    continue;
                }
                left = left.minus(&both);
                let rest = types.minus(&both);
                if !rest.is_empty() {
                    added.push((rest, members.clone()));
                }
                *types = both;
                members.push(occurrence);
            }
            if !left.is_empty() {
                added.push((left, vec![occurrence]));
            }
            parts.extend(added);
        }
        parts
    }

    fn slot(
        &mut self,
        all: &[Occurrence<'a>],
        (types, members): &(TypeSet, Vec<&Occurrence<'a>>),
        slots: &mut Vec<Slot>,
    ) -> Result<(), PlanError> {
        let first = members[0];
        let mut condition = Condition::default();
        for occurrence in members {
            condition.or(&Condition::of(occurrence.all.clone()));
        }
        let source = self.source(first)?;
        let order = all.iter().position(|o| std::ptr::eq(o, first)).unwrap_or(0);
        let allowed: TypeSet = types.iter().filter(|&ty| !self.is_denied(ty, first)).collect();
        let denied = types.minus(&allowed);
        let slot = Slot {
            key: first.field.response_key().clone(),
            source,
            on: self.best_on(types, members),
            types: allowed.clone(),
            condition,
            arguments: Arguments::new(&first.field.arguments),
            child: None,
            internal: false,
            group: self.deferred.group(members.iter().map(|o| o.defer)),
            denied: false,
            order: u32::try_from(order).expect("occurrences are limited far below 2^32"),
            later: Vec::new(),
        };
        if !denied.is_empty() {
            slots.push(Slot { types: denied, denied: true, ..slot.clone() });
        }
        if allowed.is_empty() {
            return Ok(());
        }
        if first.field.selection_set.is_empty() || source == Source::Introspection {
            self.push_leaf(slots, slot);
            return Ok(());
        }
        let child = self.child(members)?;
        slots.push(Slot { child: Some(child), ..slot });
        Ok(())
    }

    fn child(&mut self, members: &[&Occurrence<'a>]) -> Result<NodeId, PlanError> {
        let same = members.iter().all(|o| o.all == members[0].all);
        let mut origins: Vec<(TypeId, Vec<Origin<'a>>)> = Vec::new();
        for occurrence in members {
            let Source::Field(field) = self.source(occurrence)? else { continue };
            let base = self.graph.field_base(field);
            // What is always included, or included exactly with its parent, needs no condition of its own.
            let all = if same { All::default() } else { occurrence.all.clone() };
            let origin: Origin<'a> = (&occurrence.field.selection_set, all, occurrence.defer);
            match origins.iter_mut().find(|(ty, _)| *ty == base) {
                Some((_, sets)) => sets.push(origin),
                None => origins.push((base, vec![origin])),
            }
        }
        self.node(&origins)
    }

    fn source(&self, occurrence: &Occurrence<'a>) -> Result<Source, PlanError> {
        match occurrence.field.name.as_str() {
            "__typename" => Ok(Source::Typename),
            "__schema" | "__type" => Ok(Source::Introspection),
            name => self.graph.field_of(occurrence.on, name).map(Source::Field).ok_or_else(|| {
                let ty = self.graph.type_name(occurrence.on);
                PlanError::Operation(format!("`{ty}` has no field `{name}`; validate the operation first"))
            }),
        }
    }

    fn is_denied(&self, ty: TypeId, occurrence: &Occurrence<'a>) -> bool {
        let Some(denied) = self.options.denied else { return false };
        let field = occurrence.field.name.as_str();
        !field.starts_with("__")
            && (denied.is_denied(self.graph.type_name(ty), field)
                || (ty != occurrence.on && denied.is_denied(self.graph.type_name(occurrence.on), field)))
    }

    /// Leaves of the same key, field name and condition are one slot, whatever the types: they have no selections to
    /// mix.
    fn push_leaf(&self, slots: &mut Vec<Slot>, slot: Slot) {
        let same = slots.iter_mut().find(|other| {
            other.key == slot.key
                && !other.denied
                && other.group == slot.group
                && other.condition == slot.condition
                && other.arguments == slot.arguments
                && other.child.is_none()
                && same_field(self.graph, other.source, slot.source)
        });
        match same {
            Some(other) => {
                other.types = other.types.or(&slot.types);
                let (least, order) = (other.order.min(slot.order), slot.order);
                if order > other.order {
                    other.later.push((slot.types, order));
                } else if order < other.order {
                    let earlier = other.types.minus(&slot.types);
                    other.later.push((earlier, other.order));
                }
                other.order = least;
            }
            None => slots.push(slot),
        }
    }

    /// The type to select on: the narrowest that still covers the group.
    fn best_on(&self, types: &TypeSet, members: &[&Occurrence<'a>]) -> TypeId {
        if types.len() == 1 {
            return types.iter().next().expect("one type");
        }
        let exact = members.iter().find(|o| self.graph.ty(o.on).possible == *types);
        exact.unwrap_or(&members[0]).on
    }
}

/// The occurrences by response key, in the order of the first ones.
fn by_key<'g, 'a>(occurrences: &'g [Occurrence<'a>]) -> Vec<Vec<&'g Occurrence<'a>>> {
    let mut groups: indexmap::IndexMap<&str, Vec<&Occurrence<'a>>, rustc_hash::FxBuildHasher> =
        indexmap::IndexMap::default();
    for occurrence in occurrences {
        groups.entry(occurrence.field.response_key().as_str()).or_default().push(occurrence);
    }
    groups.into_values().collect()
}

fn same_field(graph: &Supergraph, a: Source, b: Source) -> bool {
    match (a, b) {
        (Source::Field(a), Source::Field(b)) => graph.field_name(a) == graph.field_name(b),
        _ => a == b,
    }
}
