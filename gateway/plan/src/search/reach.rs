//! Reach: turns a place into the other subgraphs that can be entered from there by keys, and after how many steps.

use super::{Place, Provided, Search, SetRef};
use crate::ids::{NodeId, SubgraphId, TypeId, TypeSet};
use std::rc::Rc;

/// A subgraph that can be entered at an object.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub subgraph: SubgraphId,
    /// The type that the representation names.
    pub entity: TypeId,
    /// The key; none at root types, which every subgraph has.
    pub key: Option<NodeId>,
    /// How many fetches have to be done one after the other until the answer is there.
    pub level: u32,
}

impl Search<'_> {
    /// The place that an entry leads to, for an object of type `atom`.
    pub fn entered(entry: &Entry, atom: TypeId) -> Place {
        let mut place = Place::new(entry.subgraph, entry.entity, Provided::new());
        if entry.entity != atom {
            place.types = Some(TypeSet::one(atom));
        }
        place
    }

    /// Every subgraph that can be entered from `place` at objects of type `atom`, itself included. A fixpoint in the
    /// order of levels, so that each entry has its least level.
    pub fn reach(&mut self, atom: TypeId, place: &Place) -> Rc<Vec<Entry>> {
        let memo = (atom, place.clone());
        if let Some(known) = self.reaches.get(&memo) {
            return Rc::clone(known);
        }
        if !self.reaching.insert(memo.clone()) {
            return Rc::default();
        }
        let entries =
            Rc::new(if self.graph.is_root(atom) { self.root_entries(atom, place) } else { self.entries(atom, place) });
        self.reaching.remove(&memo);
        self.reaches.insert(memo, Rc::clone(&entries));
        entries
    }

    fn root_entries(&self, atom: TypeId, place: &Place) -> Vec<Entry> {
        (0..self.graph.subgraphs.len())
            .map(SubgraphId::new)
            .filter(|&s| self.graph.join(atom, s).is_some())
            .map(|s| Entry { subgraph: s, entity: atom, key: None, level: u32::from(place.subgraph.is_some()) })
            .collect()
    }

    fn entries(&mut self, atom: TypeId, place: &Place) -> Vec<Entry> {
        let mut start = place.clone();
        if place.local != atom && !place.subgraph.is_some_and(|s| self.graph.is_interface_object(place.local, s)) {
            start.local = atom;
            start.types = None;
        } else if place.local != atom {
            start.types = Some(TypeSet::one(atom));
        }
        let mut available = vec![(start, 0)];
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let mut found: Vec<Entry> = Vec::new();
            for s in 0..self.graph.subgraphs.len() {
                let subgraph = SubgraphId::new(s);
                let Some(join) = self.graph.join(atom, subgraph) else { continue };
                for key in join.keys.iter().filter(|key| key.resolvable) {
                    let same = |e: &Entry| e.subgraph == subgraph && e.entity == key.entity;
                    if entries.iter().any(same) {
                        continue;
                    }
                    let Some(level) = self.set_level(key.set, atom, &available) else { continue };
                    let entry = Entry { subgraph, entity: key.entity, key: Some(key.set), level: level + 1 };
                    match found.iter_mut().find(|e| same(e)) {
                        Some(other) if other.level <= entry.level => {}
                        Some(other) => *other = entry,
                        None => found.push(entry),
                    }
                }
            }
            let Some(least) = found.iter().map(|e| e.level).min() else { return entries };
            for entry in found.into_iter().filter(|e| e.level == least) {
                available.push((Self::entered(&entry, atom), entry.level));
                entries.push(entry);
            }
        }
    }

    /// After how many steps all fields of a field set can be had of the places available.
    fn set_level(&mut self, set: NodeId, atom: TypeId, available: &[(Place, u32)]) -> Option<u32> {
        let mut level = 0;
        self.steps += available.len();
        self.within_bounds().ok()?;
        for want in self.wants(SetRef::FieldSet(set)) {
            let Some(field) = &want.field else { continue };
            if self.graph.ty(want.on).possible.contains(atom) && !want.types.contains(atom) {
                continue;
            }
            let mut best: Option<u32> = None;
            for (place, at) in available {
                let Some(local) = self.local(field, atom, place) else { continue };
                let below = match (want.child, place.subgraph) {
                    (Some(child), Some(subgraph)) => {
                        self.cost(child, &Place::new(subgraph, local.base, local.provided)).waves
                    }
                    _ => 0,
                };
                let total = at + below;
                if below < super::cost::NEVER && best.is_none_or(|b| total < b) {
                    best = Some(total);
                }
            }
            level = level.max(best?);
        }
        Some(level)
    }
}
