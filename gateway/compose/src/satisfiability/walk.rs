//! The walk: follows every field of the API schema from its roots, with the set of places that a path can be at.

use super::explain;
use super::graph::{Graph, PlaceId, ProvisionId, as_state};
use super::labels::{Assumptions, LabelId};
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
    /// What the path assumes about labels that still matter.
    pub assumed: Assumptions,
    /// What it assumed on the way, for those who want to follow it.
    pub followed: Assumptions,
    /// Where the path came from.
    pub parent: Option<usize>,
    /// Its last step.
    pub step: Step,
}

/// Contexts that are set at a state.
pub type Contexts = Arc<BTreeSet<(SubgraphId, Arc<str>)>>;

/// What a visited state had: its places, contexts and assumptions.
type Seen = (Arc<[PlaceId]>, Contexts, Assumptions);

/// Everything that can be reached after a step, nothing beyond a leaf; `None` where the step can't be taken.
type Outcome = Option<Arc<[PlaceId]>>;

/// One step of the walk.
#[derive(Clone, Copy)]
struct Move<'s> {
    /// The state that it starts from.
    from: usize,
    /// The field asked for; none for a step that is taken in any case.
    field: Option<Symbol>,
    /// The places that may answer the field, or those that the step leads to.
    places: &'s [PlaceId],
    is_composite: bool,
}

/// A step that depends on more labels than make this number of differences is not followed in all of them.
const MOST_CHOICES: usize = 256;
/// Results are kept for this number of different assumptions.
const MOST_KEPT: usize = 1_000;

/// The walk's progress.
pub struct Walk<'a, 'r> {
    pub graph: Graph<'a>,
    reaches: FxHashMap<(Assumptions, bool), Reach>,
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
        reaches: FxHashMap::default(),
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
            let step = Move { from: 0, field: None, places: &places, is_composite: true };
            for (assumed, outcome) in walk.outcomes(root, &Assumptions::default(), step) {
                walk.push(root, outcome.unwrap_or_default(), &assumed, None, Step::Root);
            }
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
    /// Adds a state unless one was seen that had the same or fewer places, contexts and assumptions: more places can only
    /// answer more.
    fn push(&mut self, ty: Symbol, places: Arc<[PlaceId]>, assumed: &Assumptions, parent: Option<usize>, step: Step) {
        let followed = parent.map_or_else(|| assumed.clone(), |parent| self.states[parent].followed.and(assumed));
        let assumed = assumed.only(|label| self.graph.labels.matters(label, ty));
        let contexts = self.contexts(ty, parent);
        let visited = self.visited.entry(ty).or_default();
        let is_seen = |(seen, set, before): &Seen| {
            is_subset(seen, &places) && set.is_subset(&contexts) && before.is_subset(&assumed)
        };
        if visited.iter().any(is_seen) {
            return;
        }
        if visited.len() >= MOST_STATES {
            self.limited.insert(ty);
            return;
        }
        visited.push((places.clone(), contexts.clone(), assumed.clone()));
        self.states.push(State { ty, places, contexts, assumed, followed, parent, step });
    }

    /// What a step comes to, by what it takes to assume beyond `assumed`. `ty` is named if that is too much.
    fn outcomes(&mut self, ty: Symbol, assumed: &Assumptions, step: Move<'_>) -> Vec<(Assumptions, Outcome)> {
        let mut budget = MOST_CHOICES;
        let all = self.choose(assumed, step, &mut budget);
        if budget == 0 {
            self.limited.insert(ty);
        }
        all
    }

    fn choose(&mut self, assumed: &Assumptions, step: Move<'_>, budget: &mut usize) -> Vec<(Assumptions, Outcome)> {
        let least = self.outcome(assumed, false, step);
        if self.reach(assumed, false).unknown().is_none() || least == self.outcome(assumed, true, step) {
            return vec![(assumed.clone(), least)];
        }
        let Some(label) = self.first_unknown(assumed, step) else { return vec![(assumed.clone(), least)] };
        if *budget == 0 {
            return Vec::new();
        }
        *budget -= 1;
        let mut off = self.choose(&assumed.with(label, false), step, budget);
        let on = self.choose(&assumed.with(label, true), step, budget);
        let without = |(all, outcome): &(Assumptions, Outcome)| (all.only(|other| other != label), outcome.clone());
        if off.iter().map(without).eq(on.iter().map(without)) {
            return off.iter().map(without).collect();
        }
        off.extend(on);
        off
    }

    /// The first label that a step depends on.
    fn first_unknown(&mut self, assumed: &Assumptions, step: Move<'_>) -> Option<LabelId> {
        let key = (assumed.clone(), false);
        let known = self.reaches.insert(key.clone(), Reach::new(assumed.clone(), false));
        self.outcome(assumed, false, step);
        let first = self.reach(assumed, false).unknown();
        if let Some(known) = known {
            self.reaches.insert(key, known);
        }
        first
    }

    fn reach(&mut self, assumed: &Assumptions, optimistic: bool) -> &mut Reach {
        if self.reaches.len() > MOST_KEPT {
            self.reaches.retain(|(assumed, _), _| assumed.is_empty());
        }
        let key = (assumed.clone(), optimistic);
        self.reaches.entry(key).or_insert_with(|| Reach::new(assumed.clone(), optimistic))
    }

    fn outcome(&mut self, assumed: &Assumptions, optimistic: bool, step: Move<'_>) -> Outcome {
        let Some(field) = step.field else { return Some(self.closure(assumed, optimistic, step.places)) };
        let mut options = Vec::new();
        let mut is_answered = false;
        for place in step.places {
            self.reach(assumed, optimistic);
            let reach = self.reaches.get_mut(&(assumed.clone(), optimistic)).expect("it was made just now");
            if reach.answers(&mut self.graph, *place, field) && self.has_contexts(step.from, *place, field) {
                is_answered = true;
                options.extend(self.graph.target(*place, field));
            }
        }
        options.sort_unstable();
        options.dedup();
        let is_composite = step.is_composite;
        is_answered.then(|| if is_composite { self.closure(assumed, optimistic, &options) } else { Arc::default() })
    }

    /// Everything that can be reached from one of the places.
    fn closure(&mut self, assumed: &Assumptions, optimistic: bool, options: &[PlaceId]) -> Arc<[PlaceId]> {
        self.reach(assumed, optimistic);
        let reach = self.reaches.get_mut(&(assumed.clone(), optimistic)).expect("it was made just now");
        let [first, rest @ ..] = options else { return Arc::default() };
        let first = reach.from(&mut self.graph, *first);
        if rest.iter().all(|option| first.binary_search(option).is_ok()) {
            return first;
        }
        let mut closure: FxHashSet<PlaceId> = first.iter().copied().collect();
        for option in rest {
            if !closure.contains(option) {
                closure.extend(reach.from(&mut self.graph, *option).iter().copied());
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
        let State { ty, places, assumed, .. } = &self.states[index];
        let (ty, places, assumed) = (*ty, places.clone(), assumed.clone());
        let supergraph = self.graph.supergraph;
        let Some(merged) = supergraph.types.get(&ty) else { return };
        if matches!(merged.kind, Kind::Interface | Kind::Union) && !self.cast(index, merged, &places) {
            return;
        }
        let (abstract_places, by_field) = self.candidates(&places);
        for field in merged.fields.values().filter(|field| !field.has(Directive::Inaccessible)) {
            let concrete = by_field.get(&field.name).map_or(&[][..], Vec::as_slice);
            let candidates: Vec<PlaceId> = abstract_places.iter().chain(concrete).copied().collect();
            let target = supergraph.types.get(&field.ty.base);
            let is_composite = target.is_some_and(|target| target.kind.is_composite());
            let step = Move { from: index, field: Some(field.name), places: &candidates, is_composite };
            for (assumed, outcome) in self.outcomes(ty, &assumed, step) {
                match outcome {
                    None if self.failed.insert((ty, field.name)) => {
                        explain::unanswered(self, index, field.name, &assumed);
                    }
                    Some(places) if is_composite => {
                        self.push(field.ty.base, places, &assumed, Some(index), Step::Field(field.name));
                    }
                    _ => {}
                }
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
            if !possible {
                continue;
            }
            let assumed = self.states[index].assumed.clone();
            let step = Move { from: index, field: None, places: &options, is_composite: true };
            for (assumed, outcome) in self.outcomes(ty, &assumed, step) {
                self.push(ty, outcome.unwrap_or_default(), &assumed, Some(index), Step::Cast(ty));
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
