//! The walk: follows every field of the API schema from its roots, with the set of places that a path can be at.

use super::explain;
use super::graph::{Graph, PlaceId, ProvisionId, as_state};
use super::reach::Reach;
use crate::names::Symbol;
use crate::report::Report;
use crate::schema::{Directive, Kind, Subgraph, SubgraphId};
use crate::supergraph::MergedType;
use crate::validate::split_context;
use apollo_compiler::ast::Value;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More different sets of places than this at one type are not followed; the report says so.
const MOST_STATES: usize = 2_000;

/// How the walk got to a state.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// By a root operation.
    Root,
    /// By a field.
    Field(Symbol),
    /// By a type condition.
    Cast(Symbol),
}

/// A type of the API schema and the places that a path to it can be at.
pub struct State {
    /// The type.
    pub ty: Symbol,
    /// The places, what they reach included.
    pub places: Arc<[PlaceId]>,
    /// The contexts that types on the path set: subgraph and name, sorted.
    pub contexts: Contexts,
    /// Where the path came from.
    pub parent: Option<usize>,
    /// Its last step.
    pub step: Step,
}

/// Contexts that are set at a state.
pub type Contexts = Arc<BTreeSet<(SubgraphId, Arc<str>)>>;

/// What a visited state had: its places and contexts.
type Seen = (Arc<[PlaceId]>, Contexts);

/// The walk's progress.
pub struct Walk<'a, 'r> {
    pub graph: Graph<'a>,
    pub reach: Reach,
    pub states: Vec<State>,
    visited: FxHashMap<Symbol, Vec<Seen>>,
    set_contexts: FxHashMap<Symbol, Contexts>,
    limited: FxHashSet<Symbol>,
    failed: FxHashSet<(Symbol, Symbol)>,
    report: &'r mut Report,
}

/// Follows all paths and reports the fields that can't be answered at the end of one.
pub fn walk(graph: Graph<'_>, report: &mut Report) {
    let supergraph = graph.supergraph;
    let set_contexts = set_contexts(graph.subgraphs);
    let mut walk = Walk {
        graph,
        reach: Reach::default(),
        states: Vec::new(),
        visited: FxHashMap::default(),
        set_contexts,
        limited: FxHashSet::default(),
        failed: FxHashSet::default(),
        report,
    };
    for root in [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION] {
        if supergraph.types.contains_key(&root) {
            let subgraphs = walk.graph.subgraphs;
            let places = subgraphs.iter().filter_map(|subgraph| walk.graph.find(root, subgraph.id, ProvisionId::NONE));
            let places: Vec<PlaceId> = places.collect();
            walk.push(root, &places, None, Step::Root);
        }
    }
    let mut next = 0;
    while next < walk.states.len() {
        walk.visit(next);
        next += 1;
    }
    for ty in std::mem::take(&mut walk.limited) {
        let message = format!("`{}` is reached in too many different ways to check all of them", &walk.graph.names[ty]);
        walk.report.warning("SATISFIABILITY_LIMIT", message, "give its entities keys that more subgraphs share", &[]);
    }
}

impl Walk<'_, '_> {
    /// Adds a state unless one with the same or fewer places was seen: more places can only answer more.
    fn push(&mut self, ty: Symbol, options: &[PlaceId], parent: Option<usize>, step: Step) {
        let closure = self.closure(options);
        let contexts = self.contexts(ty, parent);
        let visited = self.visited.entry(ty).or_default();
        if visited.iter().any(|(seen, set)| is_subset(seen, &closure) && set.is_subset(&contexts)) {
            return;
        }
        if visited.len() >= MOST_STATES {
            self.limited.insert(ty);
            return;
        }
        visited.push((closure.clone(), contexts.clone()));
        self.states.push(State { ty, places: closure, contexts, parent, step });
    }

    /// Everything that can be reached from one of the places.
    fn closure(&mut self, options: &[PlaceId]) -> Arc<[PlaceId]> {
        let [first, rest @ ..] = options else { return Arc::default() };
        let first = self.reach.from(&mut self.graph, *first);
        if rest.iter().all(|option| first.binary_search(option).is_ok()) {
            return first;
        }
        let mut closure: FxHashSet<PlaceId> = first.iter().copied().collect();
        for option in rest {
            if !closure.contains(option) {
                closure.extend(self.reach.from(&mut self.graph, *option).iter().copied());
            }
        }
        as_state(closure)
    }

    /// The contexts of the parent state and those that the type itself sets.
    fn contexts(&self, ty: Symbol, parent: Option<usize>) -> Contexts {
        let before = parent.map(|parent| self.states[parent].contexts.clone()).unwrap_or_default();
        match self.set_contexts.get(&ty) {
            Some(own) if !own.is_subset(&before) => Arc::new(before.union(own).cloned().collect()),
            _ => before,
        }
    }

    /// Whether the contexts that a field takes arguments from are set where the state is.
    pub fn has_contexts(&self, index: usize, place: PlaceId, field: Symbol) -> bool {
        let place = self.graph.place(place);
        let args = place.ty.fields.get(&field).into_iter().flat_map(|field| field.args.values());
        let mut wanted = args.filter_map(|arg| arg.from_context.as_ref()).filter_map(|(text, _)| split_context(text));
        wanted.all(|(name, _)| {
            self.states[index].contexts.iter().any(|(id, set)| *id == place.subgraph.id && **set == *name)
        })
    }

    fn visit(&mut self, index: usize) {
        let (ty, places) = (self.states[index].ty, self.states[index].places.clone());
        let supergraph = self.graph.supergraph;
        let Some(merged) = supergraph.types.get(&ty) else { return };
        if matches!(merged.kind, Kind::Interface | Kind::Union) && !self.cast(index, merged, &places) {
            return;
        }
        let (abstract_places, by_field) = self.candidates(&places);
        for field in merged.fields.values().filter(|field| !field.has(Directive::Inaccessible)) {
            let mut options = Vec::new();
            let mut answered = false;
            let concrete = by_field.get(&field.name).map_or(&[][..], Vec::as_slice);
            for place in abstract_places.iter().chain(concrete) {
                if self.reach.answers(&mut self.graph, *place, field.name)
                    && self.has_contexts(index, *place, field.name)
                {
                    answered = true;
                    options.extend(self.graph.target(*place, field.name));
                }
            }
            if !answered {
                if self.failed.insert((ty, field.name)) {
                    explain::unanswered(self, index, field.name);
                }
                continue;
            }
            let target = supergraph.types.get(&field.ty.base);
            if target.is_some_and(|target| target.kind.is_composite()) {
                options.sort_unstable();
                options.dedup();
                self.push(field.ty.base, &options, Some(index), Step::Field(field.name));
            }
        }
    }

    /// Which places may answer something: abstract ones anything, the others the fields that they have. Asking every
    /// place for every field would take the square of the number of subgraphs at the query root.
    fn candidates(&self, places: &[PlaceId]) -> (Vec<PlaceId>, FxHashMap<Symbol, Vec<PlaceId>>) {
        let mut abstract_places = Vec::new();
        let mut by_field: FxHashMap<Symbol, Vec<PlaceId>> = FxHashMap::default();
        for id in places {
            let ty = self.graph.place(*id).ty;
            if matches!(ty.kind, Kind::Interface | Kind::Union) {
                abstract_places.push(*id);
                continue;
            }
            for name in ty.fields.keys() {
                by_field.entry(*name).or_default().push(*id);
            }
        }
        (abstract_places, by_field)
    }

    /// From an abstract type to each object type that it may be. The fields of an interface are checked as fields of
    /// these; the answer is whether they must be checked on the interface itself, as no object type can be told.
    fn cast(&mut self, index: usize, merged: &MergedType, places: &[PlaceId]) -> bool {
        let supergraph = self.graph.supergraph;
        let runtime: Vec<Symbol> = match merged.kind {
            Kind::Union => merged.members.iter().copied().collect(),
            _ => supergraph.objects(merged.name).map(|ty| ty.name).collect(),
        };
        let objects_only = places.iter().all(|place| self.graph.place(*place).ty.interface_object);
        if objects_only && merged.kind == Kind::Interface {
            if !runtime.is_empty() && self.failed.insert((merged.name, Symbol::TYPENAME)) {
                explain::untyped(self, index);
            }
            return true;
        }
        for ty in runtime {
            if supergraph.types.get(&ty).is_none_or(|ty| ty.has(Directive::Inaccessible)) {
                continue;
            }
            let mut options = Vec::new();
            let mut possible = false;
            for id in places {
                let place = self.graph.place(*id);
                let is = place.ty.name == ty || self.graph.runtime(place.subgraph.id, place.ty.name).contains(&ty);
                if place.ty.interface_object {
                    options.push(*id);
                } else if is {
                    possible = true;
                    options.extend(self.graph.find(ty, place.subgraph.id, place.provision));
                }
            }
            if possible {
                self.push(ty, &options, Some(index), Step::Cast(ty));
            }
        }
        false
    }

    /// Adds an error to the report.
    pub fn report(&mut self, message: String, hint: &str, field: Option<(Symbol, Symbol)>) {
        let at: Vec<_> = field.map_or_else(Vec::new, |(ty, field)| {
            let subgraphs = self.graph.subgraphs.iter();
            subgraphs
                .filter_map(|subgraph| Some((subgraph.id, subgraph.types.get(&ty)?.fields.get(&field)?.at)))
                .collect()
        });
        self.report.error("SATISFIABILITY_ERROR", message, hint, &at);
    }
}

/// The contexts that each type sets in any subgraph.
fn set_contexts(subgraphs: &[Subgraph]) -> FxHashMap<Symbol, Contexts> {
    let mut all: FxHashMap<Symbol, BTreeSet<(SubgraphId, Arc<str>)>> = FxHashMap::default();
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            for applied in ty.applied.iter().filter(|applied| applied.directive == Directive::Context) {
                let name = applied.arg("name").and_then(Value::as_str).unwrap_or_default();
                all.entry(ty.name).or_default().insert((subgraph.id, name.into()));
            }
        }
    }
    all.into_iter().map(|(ty, contexts)| (ty, Arc::new(contexts))).collect()
}

/// Whether all of the sorted `small` is in the sorted `large`.
fn is_subset(small: &[PlaceId], large: &[PlaceId]) -> bool {
    if std::ptr::eq(small, large) {
        return true;
    }
    if small.len() > large.len() {
        return false;
    }
    let mut rest = large.iter();
    small.iter().all(|wanted| rest.any(|other| other == wanted))
}
