//! Reachability: turns a place into all places of the same entity that a planner can move to by keys.
//!
//! Moving needs a key, a key needs fields, a field may need `@requires`, which may need moving: the three depend on each
//! other. They are computed as the least fixed point: each round takes the results so far for what is still in progress,
//! and rounds repeat until nothing is added.

use super::graph::{Entry, Graph, PlaceId, ProvisionId};
use super::labels::{Assumptions, Condition, LabelId};
use crate::names::Symbol;
use crate::schema::{Kind, Map, Selection};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Selections nested deeper than this count as unanswerable. The parser of field sets allows less.
const DEEPEST: usize = 256;

/// What is known about a place.
#[derive(Default)]
struct Known {
    members: Vec<PlaceId>,
    set: FxHashSet<PlaceId>,
    /// A place that reaches this one and is reached from it, so that it reaches the same.
    equal: Option<PlaceId>,
    shared: Option<Arc<[PlaceId]>>,
    round: u32,
    done: bool,
}

/// What is known about a field at a place.
#[derive(Default, Clone, Copy)]
struct Answer {
    yes: bool,
    round: u32,
    done: bool,
}

/// The fixed point computed so far, for all choices of labels that agree with what is assumed: with those that nothing is
/// assumed about, either what can be reached in any case, or, when optimistic, more than can be in one of them.
#[derive(Default)]
pub struct Reach {
    assumed: Assumptions,
    optimistic: bool,
    /// The first label met that nothing is assumed about, so that the outcome may depend on it.
    unknown: Option<LabelId>,
    places: FxHashMap<PlaceId, Known>,
    fields: FxHashMap<(PlaceId, Symbol), Answer>,
    round: u32,
    changed: bool,
    depth: usize,
    touched_places: Vec<PlaceId>,
    touched_fields: Vec<(PlaceId, Symbol)>,
}

impl Reach {
    /// Nothing computed yet.
    pub fn new(assumed: Assumptions, optimistic: bool) -> Self {
        Self { assumed, optimistic, ..Self::default() }
    }

    /// The first label that was asked for and that nothing is assumed about.
    pub fn unknown(&self) -> Option<LabelId> {
        self.unknown
    }

    fn holds(&mut self, condition: Condition) -> bool {
        match self.assumed.get(condition.label) {
            Some(on) => on == condition.on,
            None => {
                self.unknown.get_or_insert(condition.label);
                self.optimistic
            }
        }
    }

    /// All places that can be moved to from `start`, itself included, in the order of their numbers.
    pub fn from(&mut self, graph: &mut Graph<'_>, start: PlaceId) -> Arc<[PlaceId]> {
        if !self.places.get(&start).is_some_and(|known| known.done) {
            self.settle(|this| drop(this.members(graph, start)));
        }
        let known = self.places.entry(start).or_default();
        if let Some(equal) = known.equal {
            return self.from(graph, equal);
        }
        let members = &known.members;
        let sorted = || {
            let mut sorted = members.clone();
            sorted.sort_unstable();
            sorted.into()
        };
        known.shared.get_or_insert_with(sorted).clone()
    }

    /// Whether the subgraph of a place can answer a field there, what the field requires included.
    pub fn answers(&mut self, graph: &mut Graph<'_>, place: PlaceId, field: Symbol) -> bool {
        if let Some(answer) = self.fields.get(&(place, field)).filter(|answer| answer.done) {
            return answer.yes;
        }
        self.settle(|this| {
            this.field(graph, place, field);
        });
        self.fields.get(&(place, field)).is_some_and(|answer| answer.yes)
    }

    /// Runs rounds until none adds anything; then everything that they touched is final.
    fn settle(&mut self, mut run: impl FnMut(&mut Self)) {
        loop {
            self.round += 1;
            self.changed = false;
            run(self);
            if !self.changed {
                break;
            }
        }
        for place in std::mem::take(&mut self.touched_places) {
            self.places.entry(place).or_default().done = true;
        }
        for field in std::mem::take(&mut self.touched_fields) {
            self.fields.entry(field).or_default().done = true;
        }
    }

    fn members(&mut self, graph: &mut Graph<'_>, start: PlaceId) -> Vec<PlaceId> {
        let known = self.places.entry(start).or_default();
        if let Some(equal) = known.equal {
            return self.members(graph, equal);
        }
        if known.members.is_empty() {
            known.members.push(start);
            known.set.insert(start);
            self.touched_places.push(start);
            self.changed = true;
        }
        if known.done || known.round == self.round {
            return known.members.clone();
        }
        known.round = self.round;
        let place = graph.place(start);
        if place.ty.name == Symbol::QUERY {
            for subgraph in graph.subgraphs {
                let found = graph.find(Symbol::QUERY, subgraph.id, ProvisionId::NONE);
                found.into_iter().for_each(|id| self.add(start, id));
            }
        }
        let entries = graph.entries(place.ty.name);
        if let Some(equal) = self.equal(graph, start, &entries) {
            let known = self.places.entry(start).or_default();
            *known = Known { equal: Some(equal), done: true, ..Known::default() };
            self.changed = true;
            return self.members(graph, equal);
        }
        let mut open: Vec<usize> = (0..entries.len()).collect();
        loop {
            let before = open.len();
            open.retain(|index| {
                let entry = &entries[*index];
                let members = self.places[&start].members.clone();
                if !self.selections(graph, &entry.key.selections, &members) {
                    return true;
                }
                for subgraph in &entry.subgraphs {
                    if let Some(id) = graph.find(entry.ty, *subgraph, ProvisionId::NONE) {
                        self.add(start, id);
                    }
                }
                false
            });
            if open.len() == before {
                return self.places[&start].members.clone();
            }
        }
    }

    /// A place that is known to reach `start` and that can be moved to from there. Without it, an entity of many
    /// subgraphs would have its places listed for each of them.
    fn equal(&mut self, graph: &mut Graph<'_>, start: PlaceId, entries: &[Entry<'_>]) -> Option<PlaceId> {
        for entry in entries {
            let Some(id) = entry.subgraphs.first().and_then(|id| graph.find(entry.ty, *id, ProvisionId::NONE)) else {
                continue;
            };
            let reaches = self.places.get(&id).is_some_and(|known| known.done && known.set.contains(&start));
            if id != start && reaches && self.selections(graph, &entry.key.selections, &[start]) {
                return Some(id);
            }
        }
        None
    }

    fn add(&mut self, start: PlaceId, id: PlaceId) {
        let known = self.places.entry(start).or_default();
        if known.set.insert(id) {
            known.members.push(id);
            self.changed = true;
        }
    }

    fn field(&mut self, graph: &mut Graph<'_>, id: PlaceId, name: Symbol) -> bool {
        let answer = self.fields.entry((id, name)).or_insert_with(|| {
            self.touched_fields.push((id, name));
            Answer::default()
        });
        if answer.yes || answer.done || answer.round == self.round {
            return answer.yes;
        }
        answer.round = self.round;
        let yes = self.compute_field(graph, id, name);
        if yes {
            self.fields.entry((id, name)).or_default().yes = true;
            self.changed = true;
        }
        yes
    }

    fn compute_field(&mut self, graph: &mut Graph<'_>, id: PlaceId, name: Symbol) -> bool {
        let place = graph.place(id);
        if matches!(place.ty.kind, Kind::Interface | Kind::Union) {
            return !self.sources(graph, &[id], name, true).is_empty();
        }
        if name == Symbol::TYPENAME {
            return !place.ty.interface_object;
        }
        let Some((field, conditions)) = graph.answerable(id, name) else { return false };
        if !conditions.into_iter().flatten().all(|condition| self.holds(condition)) {
            return false;
        }
        let Some(requires) = &field.requires else { return true };
        if self.selections(graph, &requires.selections, &[id]) {
            return true;
        }
        let members = self.members(graph, id);
        self.selections(graph, &requires.selections, &members)
            && place
                .ty
                .keys
                .iter()
                .any(|key| key.resolvable && self.selections(graph, &key.fields.selections, &members))
    }

    /// The concrete places that answer a field for one of `members`; none when it can't be answered for every object type
    /// that an interface among them may turn out to be. With `first_only`, one concrete place is enough.
    fn sources(&mut self, graph: &mut Graph<'_>, members: &[PlaceId], name: Symbol, first_only: bool) -> Vec<PlaceId> {
        let mut sources = Vec::new();
        let mut open: Vec<PlaceId> = Vec::new();
        for member in members {
            let place = graph.place(*member);
            if matches!(place.ty.kind, Kind::Interface | Kind::Union) {
                open.push(*member);
            } else if self.field(graph, *member, name) {
                sources.push(*member);
                if first_only {
                    return sources;
                }
            }
        }
        if !sources.is_empty() || open.is_empty() || name == Symbol::TYPENAME {
            sources.extend(open.into_iter().filter(|_| name == Symbol::TYPENAME));
            return sources;
        }
        let mut starts: Map<Symbol, Vec<PlaceId>> = Map::default();
        for id in &open {
            let place = graph.place(*id);
            for ty in graph.runtime(place.subgraph.id, place.ty.name).iter() {
                let start = graph.find(*ty, place.subgraph.id, place.provision);
                starts.entry(*ty).or_default().extend(start);
            }
        }
        if starts.is_empty() {
            return open.into_iter().filter(|id| graph.place(*id).ty.fields.contains_key(&name)).collect();
        }
        for options in starts.values() {
            let before = sources.len();
            for start in options {
                for member in self.members(graph, *start) {
                    if self.field(graph, member, name) {
                        sources.push(member);
                    }
                }
            }
            if sources.len() == before {
                return Vec::new();
            }
        }
        sources
    }

    fn selections(&mut self, graph: &mut Graph<'_>, selections: &[Selection], members: &[PlaceId]) -> bool {
        if self.depth >= DEEPEST {
            return false;
        }
        self.depth += 1;
        let outcome = selections.iter().all(|selection| self.selection(graph, selection, members));
        self.depth -= 1;
        outcome
    }

    fn selection(&mut self, graph: &mut Graph<'_>, selection: &Selection, members: &[PlaceId]) -> bool {
        match selection {
            Selection::Field { name, children, .. } if children.is_empty() => {
                !self.sources(graph, members, *name, true).is_empty()
            }
            Selection::Field { name, children, .. } => {
                let mut below = FxHashSet::default();
                let sources = self.sources(graph, members, *name, false);
                for source in &sources {
                    if let Some(target) = graph.target(*source, *name) {
                        below.extend(self.members(graph, target));
                    }
                }
                let below: Vec<PlaceId> = below.into_iter().collect();
                !sources.is_empty() && self.selections(graph, children, &below)
            }
            Selection::Fragment { on: None, children } => self.selections(graph, children, members),
            Selection::Fragment { on: Some(on), children } => {
                let mut cast = FxHashSet::default();
                for member in members {
                    if let Some(place) = cast_place(graph, *member, *on) {
                        cast.extend(self.members(graph, place));
                    }
                }
                let cast: Vec<PlaceId> = cast.into_iter().collect();
                cast.is_empty() || self.selections(graph, children, &cast)
            }
        }
    }
}

/// A place under a type condition: itself, a runtime type of it, or nothing when it can't be that type.
fn cast_place(graph: &mut Graph<'_>, id: PlaceId, on: Symbol) -> Option<PlaceId> {
    let place = graph.place(id);
    if place.ty.name == on || place.ty.interface_object {
        return Some(id);
    }
    if place.ty.kind == Kind::Object {
        let is = place.ty.interfaces.contains(&on) || graph.runtime(place.subgraph.id, on).contains(&place.ty.name);
        return is.then_some(id);
    }
    if graph.runtime(place.subgraph.id, place.ty.name).contains(&on) {
        return graph.find(on, place.subgraph.id, place.provision);
    }
    let is_abstract = place.subgraph.types.get(&on).is_some_and(|ty| matches!(ty.kind, Kind::Interface | Kind::Union));
    if is_abstract { graph.find(on, place.subgraph.id, place.provision) } else { None }
}
