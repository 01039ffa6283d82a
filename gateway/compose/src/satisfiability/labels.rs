//! Labels: turns the labels of progressive overrides into conditions, assumptions, and where a label still matters.

use crate::names::Symbol;
use crate::schema::{Field, Subgraph};
use crate::supergraph::Supergraph;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A label by number, in the order of their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId(u32);

/// What must hold for a subgraph to answer a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The label.
    pub label: LabelId,
    /// Whether it must be on or off.
    pub on: bool,
}

/// What is assumed about some labels, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Assumptions(Arc<[(LabelId, bool)]>);

impl Assumptions {
    /// What is assumed about a label.
    pub fn get(&self, label: LabelId) -> Option<bool> {
        let at = self.0.binary_search_by_key(&label, |(other, _)| *other).ok()?;
        Some(self.0[at].1)
    }

    /// The same and one more.
    pub fn with(&self, label: LabelId, on: bool) -> Self {
        let mut all: Vec<(LabelId, bool)> = self.0.iter().filter(|(other, _)| *other != label).copied().collect();
        all.push((label, on));
        all.sort_unstable();
        Self(all.into())
    }

    /// The same and those of `others`.
    pub fn and(&self, others: &Self) -> Self {
        others
            .iter()
            .filter(|(label, _)| self.get(*label).is_none())
            .fold(self.clone(), |all, (label, on)| all.with(label, on))
    }

    /// Those about labels that `keep` accepts.
    pub fn only(&self, keep: impl Fn(LabelId) -> bool) -> Self {
        if self.0.iter().all(|(label, _)| keep(*label)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(label, _)| keep(*label)).copied().collect())
    }

    /// Whether all of it is assumed in `other`, too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && self.0.iter().all(|(label, on)| other.get(*label) == Some(*on))
    }

    /// Whether nothing is assumed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (LabelId, bool)> {
        self.0.iter().copied()
    }
}

/// The labels of a graph.
#[derive(Debug, Default)]
pub struct Labels {
    texts: Vec<Arc<str>>,
    ids: FxHashMap<Arc<str>, LabelId>,
    /// For each label, the types from which a field with it can be come to.
    matters: Vec<FxHashSet<Symbol>>,
}

/// With more labels than this, each is taken to matter everywhere.
const MOST_TRACKED: usize = 256;

impl Labels {
    /// The labels of all subgraphs.
    pub fn new(supergraph: &Supergraph, subgraphs: &[Subgraph]) -> Self {
        let label = |field: &Field| field.overrides.as_ref()?.label.clone();
        let types = || subgraphs.iter().flat_map(|subgraph| subgraph.types.values());
        let texts: BTreeSet<Arc<str>> = types().flat_map(|ty| ty.fields.values()).filter_map(label).collect();
        if texts.is_empty() {
            return Self::default();
        }
        let texts: Vec<Arc<str>> = texts.into_iter().collect();
        let ids: FxHashMap<Arc<str>, LabelId> = texts.iter().cloned().zip((0..).map(LabelId)).collect();
        let mut matters = vec![FxHashSet::default(); if texts.len() > MOST_TRACKED { 0 } else { texts.len() }];
        let before = predecessors(supergraph, subgraphs);
        for ty in types() {
            for label in ty.fields.values().filter_map(label) {
                let Some(seen) = matters.get_mut(ids[&label].0 as usize) else { continue };
                let mut open = vec![ty.name];
                while let Some(next) = open.pop() {
                    if seen.insert(next) {
                        open.extend(before.get(&next).into_iter().flatten());
                    }
                }
            }
        }
        Self { texts, ids, matters }
    }

    /// The number of a label.
    pub fn id(&self, text: &str) -> Option<LabelId> {
        self.ids.get(text).copied()
    }

    /// The text of a label.
    pub fn text(&self, label: LabelId) -> &str {
        &self.texts[label.0 as usize]
    }

    /// Whether anything that a path from a type on can come to depends on a label.
    pub fn matters(&self, label: LabelId, ty: Symbol) -> bool {
        self.matters.get(label.0 as usize).is_none_or(|types| types.contains(&ty))
    }
}

/// For each type, those from which a field, a type condition or the key of an interface leads to it.
fn predecessors(supergraph: &Supergraph, subgraphs: &[Subgraph]) -> FxHashMap<Symbol, FxHashSet<Symbol>> {
    let mut before: FxHashMap<Symbol, FxHashSet<Symbol>> = FxHashMap::default();
    let mut add = |from: Symbol, to: Symbol| {
        before.entry(to).or_default().insert(from);
    };
    let merged = supergraph.types.values().map(|ty| (ty.name, &ty.interfaces, &ty.members));
    let own = subgraphs.iter().flat_map(|subgraph| subgraph.types.values());
    for (name, interfaces, members) in merged.chain(own.clone().map(|ty| (ty.name, &ty.interfaces, &ty.members))) {
        for interface in interfaces {
            add(name, *interface);
            add(*interface, name);
        }
        for member in members {
            add(name, *member);
            add(*member, name);
        }
    }
    for ty in supergraph.types.values() {
        ty.fields.values().for_each(|field| add(ty.name, field.ty.base));
    }
    for ty in own {
        ty.fields.values().for_each(|field| add(ty.name, field.ty.base));
    }
    before
}
