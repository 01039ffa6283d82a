//! Choosing: turns wanted fields at a place into one decision each: resolve here, or in which other subgraph.

use super::cost::{Cost, NEVER};
use super::{Place, Provided, Search, SetRef, Want};
use crate::error::PlanError;
use crate::ids::{NodeId, SubgraphId, TypeId, TypeSet};
use crate::supergraph::FieldJoin;
use smallvec::SmallVec;

/// Who resolves a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The fetch at hand.
    Local,
    /// A fetch of another subgraph, or again of this one.
    Hop {
        subgraph: SubgraphId,
        entity: TypeId,
        key: Option<NodeId>,
        /// The subgraph knows the object types, which are unknown here: decide there.
        delegate: bool,
    },
}

/// One way to resolve a field.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub target: Target,
    /// After how many steps it is there.
    pub level: u32,
    /// Fields that have to be fetched before.
    pub requires: Option<NodeId>,
    pub base: TypeId,
    pub provided: Provided,
}

/// What was decided for (some object types of) a want.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub want: usize,
    pub types: TypeSet,
    pub choice: Choice,
    /// The want's selections, or the part of them that this decision is about.
    pub child: Option<SetRef>,
    /// What it was chosen of, where that is to be explained.
    pub compared: Vec<Compared>,
}

/// A way to resolve a field that was compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    /// None where the field comes with the fetch at hand.
    pub subgraph: Option<SubgraphId>,
    pub waves: u32,
    pub requests: u32,
}

/// What decides between targets, least first: units not served, level, fields brought late, rank.
type Preference = (u32, u32, u32, (u32, u32));

struct Unit {
    want: usize,
    child: Option<SetRef>,
    types: TypeSet,
    choices: Vec<(Choice, Cost)>,
    compared: Vec<Compared>,
}

impl Unit {
    fn decide(&self, choice: &Choice) -> Decision {
        Decision {
            want: self.want,
            types: self.types.clone(),
            choice: choice.clone(),
            child: self.child,
            compared: self.compared.clone(),
        }
    }
}

impl Search<'_> {
    /// Decide who resolves each want: no decision makes the whole longer than it must be, and within that as few
    /// subgraphs as possible are asked.
    ///
    /// # Errors
    /// [`PlanError::Unreachable`] when nobody can be brought to resolve one, [`PlanError::TooLarge`] when finding out
    /// took too many steps.
    pub fn decide(&mut self, wants: &[Want], place: &Place) -> Result<Vec<Decision>, PlanError> {
        self.within_bounds()?;
        let decided = self.decide_each(wants, place);
        // What was not found because the search had to end is not unreachable.
        self.within_bounds().and(decided)
    }

    fn decide_each(&mut self, wants: &[Want], place: &Place) -> Result<Vec<Decision>, PlanError> {
        let mut decisions = Vec::with_capacity(wants.len());
        let mut units: Vec<Unit> = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            let left = self.wanted_atoms(place, &want.types);
            if left.is_empty() {
                continue;
            }
            if let Some(choice) = self.all_local(want, &left, place) {
                decisions.push(Decision { want: index, types: left, choice, child: want.child, compared: Vec::new() });
                continue;
            }
            for atom in left.iter() {
                let choices = self.choices(want, atom, place);
                let mut priced = Vec::with_capacity(choices.len());
                for choice in &choices {
                    let below = self.below(want, place, choice);
                    if below.waves < NEVER {
                        priced.push((choice.clone(), below));
                    }
                }
                if priced.len() > 1 && self.is_risky(want, place) {
                    priced.retain(|(choice, _)| choice.target != Target::Local);
                }
                if priced.is_empty() {
                    let parts =
                        self.divide(want, &choices, place, NEVER - 1).ok_or_else(|| self.unreachable(want, atom))?;
                    decisions.extend(divided(index, atom, parts));
                    continue;
                }
                if let Some(parts) = self.divide_earlier(want, &choices, &priced, place) {
                    decisions.extend(divided(index, atom, parts));
                    continue;
                }
                let compared = if self.options.explain { compared(&priced) } else { Vec::new() };
                let types = TypeSet::one(atom);
                units.push(Unit { want: index, child: want.child, types, choices: priced, compared });
            }
        }
        let longest = units.iter().filter_map(|u| u.choices.iter().map(|(c, b)| c.level + b.waves).min()).max();
        let longest = longest.unwrap_or(0);
        for unit in &mut units {
            unit.choices.retain(|(choice, below)| choice.level + below.waves <= longest);
        }
        self.cover(units, place, &mut decisions);
        Ok(merge(decisions))
    }

    fn unreachable(&self, want: &Want, atom: TypeId) -> PlanError {
        let field = want.field.as_ref().map_or("__typename", |name| name.as_str());
        PlanError::Unreachable { field: format!("{}.{field}", self.graph.type_name(atom)) }
    }

    /// The choice that needs no comparison: everything can be had here without another request.
    fn all_local(&mut self, want: &Want, atoms: &TypeSet, place: &Place) -> Option<Choice> {
        self.steps += 1;
        let here = |base, provided| Choice { target: Target::Local, level: 0, requires: None, base, provided };
        let Some(field) = &want.field else {
            return (!self.is_unknown(place)).then(|| here(want.on, Provided::new()));
        };
        if self.is_risky(want, place) {
            return None;
        }
        let mut first = None;
        for atom in atoms.iter() {
            let local = self.local(field, atom, place)?;
            if let (Some(child), Some(subgraph)) = (want.child, place.subgraph)
                && self.cost(child, &Place::new(subgraph, local.base, local.provided.clone())).waves > 0
            {
                return None;
            }
            first.get_or_insert(local);
        }
        Some(first.map_or_else(|| here(want.on, Provided::new()), |l| here(l.base, l.provided)))
    }

    /// Whether a field is better not asked for where object types are unknown: it is wanted for some of them only, and
    /// where it fails for another one, its null would take the object with it.
    fn is_risky(&self, want: &Want, place: &Place) -> bool {
        let (Some(name), Some(subgraph), true) = (&want.field, place.subgraph, self.is_unknown(place)) else {
            return false;
        };
        if self.graph.ty(place.local).possible.is_subset(&want.types) {
            return false;
        }
        let field = self.graph.field_of(place.local, name).map(|field| self.graph.field(field));
        let non_null = |join: &FieldJoin| join.subgraph == subgraph && join.ty.is_non_null();
        let is_key = self.graph.join(place.local, subgraph).is_some_and(|join| {
            join.keys.iter().any(|key| self.graph.sets.node(key.set).slots.iter().any(|slot| slot.key == *name))
        });
        !is_key && field.is_some_and(|field| field.joins.iter().any(non_null))
    }

    /// Every way to resolve a want for one object type.
    pub(super) fn choices(&mut self, want: &Want, atom: TypeId, place: &Place) -> Vec<Choice> {
        let mut choices = Vec::new();
        self.steps += 1;
        if self.within_bounds().is_err() {
            return choices;
        }
        if let Some(local) = want.field.as_ref().and_then(|field| self.local(field, atom, place)) {
            choices.push(Choice {
                target: Target::Local,
                level: 0,
                requires: None,
                base: local.base,
                provided: local.provided,
            });
        }
        let entries = self.reach(atom, place);
        let unknown = self.is_unknown(place);
        if let Some(field) = want.field.as_ref().and_then(|field| self.graph.field_of(atom, field)) {
            let graph = self.graph;
            for join in graph.field(field).joins.iter().filter(|j| !j.external) {
                if !self.is_active(join) || (unknown && !graph.is_interface_object(atom, join.subgraph)) {
                    continue;
                }
                let entity = join.via.unwrap_or(atom);
                let Some(entry) = entries.iter().find(|e| e.subgraph == join.subgraph && e.entity == entity) else {
                    continue;
                };
                let plain = join.requires.is_none() && join.contexts.is_empty();
                if plain && place.subgraph == Some(join.subgraph) && place.local == entity {
                    continue;
                }
                let mut level = entry.level;
                if let Some(requires) = join.requires {
                    let mut from = place.clone();
                    from.types = (!unknown).then(|| TypeSet::one(atom));
                    let before = self.cost(SetRef::FieldSet(requires), &from).waves;
                    if before >= NEVER {
                        continue;
                    }
                    level = level.max(before + 1);
                }
                self.steps += 1;
                choices.push(Choice {
                    target: Target::Hop { subgraph: join.subgraph, entity, key: entry.key, delegate: false },
                    level,
                    requires: join.requires,
                    base: join.base,
                    provided: join.provides.into_iter().collect(),
                });
            }
        }
        if unknown {
            for entry in entries.iter().filter(|e| !self.graph.is_interface_object(e.entity, e.subgraph)) {
                choices.push(Choice {
                    target: Target::Hop {
                        subgraph: entry.subgraph,
                        entity: entry.entity,
                        key: entry.key,
                        delegate: true,
                    },
                    level: entry.level,
                    requires: None,
                    base: want.on,
                    provided: Provided::new(),
                });
            }
        }
        choices
    }

    /// Greedy set cover: take what costs no further request, then the subgraph that serves most of the rest, until all
    /// is decided.
    fn cover(&self, mut units: Vec<Unit>, place: &Place, decisions: &mut Vec<Decision>) {
        let mut chosen: Vec<Target> = decisions.iter().map(|d| d.choice.target).collect();
        for unit in &units {
            if let [(choice, _)] = &unit.choices[..]
                && !is_chosen(&chosen, choice)
            {
                chosen.push(choice.target);
            }
        }
        loop {
            units.retain(|unit| {
                let cheapest = unit.choices.iter().map(|(choice, below)| price(choice, below)).min();
                let free = unit
                    .choices
                    .iter()
                    .filter(|(choice, below)| {
                        (choice.target == Target::Local || is_chosen(&chosen, choice))
                            && Some(below.requests) <= cheapest
                    })
                    .min_by_key(|(choice, below)| {
                        (below.requests, choice.level + below.waves, below.remote, rank(choice, place))
                    });
                let Some((choice, _)) = free else { return true };
                decisions.push(unit.decide(choice));
                false
            });
            if units.is_empty() {
                return;
            }
            let target = best_target(&units, place);
            chosen.push(target);
            self.take(&mut units, target, place, decisions);
        }
    }

    /// Decide every unit for which `target` is not dearer than its other choices.
    fn take(&self, units: &mut Vec<Unit>, target: Target, place: &Place, decisions: &mut Vec<Decision>) {
        let before = units.len();
        for pass in 0..2 {
            units.retain(|unit| {
                let least = unit.choices.iter().map(|(c, b)| price(c, b)).min();
                let choice = unit
                    .choices
                    .iter()
                    .filter(|(c, b)| same_target(c.target, target) && (pass == 1 || Some(price(c, b)) <= least))
                    .min_by_key(|(c, b)| (b.requests, c.level + b.waves, b.remote, rank(c, place)));
                let Some((choice, _)) = choice else { return true };
                decisions.push(unit.decide(choice));
                false
            });
            if units.len() < before {
                return;
            }
        }
    }
}

/// The decisions for the parts of a want.
fn divided(want: usize, atom: TypeId, parts: Vec<(Choice, SetRef)>) -> impl Iterator<Item = Decision> {
    parts.into_iter().map(move |(choice, child)| Decision {
        want,
        types: TypeSet::one(atom),
        choice,
        child: Some(child),
        compared: Vec::new(),
    })
}

/// The target that serves most units at their least price; among equals the earliest, and the one that brings most.
fn best_target(units: &[Unit], place: &Place) -> Target {
    // One entry per subgraph: what counts is small even where units are thousands.
    let mut candidates: Vec<(Preference, Target)> = Vec::new();
    for unit in units {
        let least = unit.choices.iter().map(|(c, b)| price(c, b)).min();
        let mut served: SmallVec<[usize; 4]> = SmallVec::new();
        for (choice, below) in &unit.choices {
            let own = (choice.level, below.remote, rank(choice, place));
            let known = candidates.iter().position(|(_, target)| same_target(*target, choice.target));
            let at = known.unwrap_or_else(|| {
                candidates.push(((u32::MAX, own.0, own.1, own.2), choice.target));
                candidates.len() - 1
            });
            let ((unserved, ..), _) = &mut candidates[at];
            if Some(price(choice, below)) <= least && !served.contains(&at) {
                served.push(at);
                *unserved -= 1;
            }
            let (preference, target) = &mut candidates[at];
            if own < (preference.1, preference.2, preference.3) {
                (preference.1, preference.2, preference.3) = own;
                *target = choice.target;
            }
        }
    }
    candidates.into_iter().min_by_key(|(preference, _)| *preference).expect("a unit has at least one choice").1
}

/// What the ways to resolve a field take, the fewest requests first.
fn compared(priced: &[(Choice, Cost)]) -> Vec<Compared> {
    let one = |(choice, below): &(Choice, Cost)| Compared {
        subgraph: match choice.target {
            Target::Local => None,
            Target::Hop { subgraph, .. } => Some(subgraph),
        },
        waves: choice.level.max(u32::from(choice.target != Target::Local)) + below.waves,
        requests: price(choice, below),
    };
    let mut all: Vec<Compared> = priced.iter().map(one).collect();
    all.sort_by_key(|c| (c.requests, c.waves, c.subgraph));
    all.dedup();
    all
}

fn price(choice: &Choice, below: &Cost) -> u32 {
    own_requests(choice) + below.requests
}

/// The requests of a choice itself.
pub(super) fn own_requests(choice: &Choice) -> u32 {
    if choice.target == Target::Local { 0 } else { choice.level.max(1) }
}

fn same_target(a: Target, b: Target) -> bool {
    match (a, b) {
        (Target::Local, Target::Local) => true,
        (Target::Hop { subgraph: a, .. }, Target::Hop { subgraph: b, .. }) => a == b,
        _ => false,
    }
}

fn is_chosen(chosen: &[Target], choice: &Choice) -> bool {
    chosen.iter().any(|&target| same_target(target, choice.target))
}

/// Ties: here before elsewhere, then the first subgraph.
fn rank(choice: &Choice, place: &Place) -> (u32, u32) {
    match choice.target {
        Target::Local => (0, 0),
        Target::Hop { subgraph, .. } if Some(subgraph) == place.subgraph => (1, subgraph.0),
        Target::Hop { subgraph, .. } => (2, subgraph.0),
    }
}

/// Decisions for the same want and choice are one, for the union of their types.
fn merge(decisions: Vec<Decision>) -> Vec<Decision> {
    let mut merged: Vec<Decision> = Vec::with_capacity(decisions.len());
    for decision in decisions {
        let same = merged.iter_mut().find(|other| {
            let (a, b) = (&other.choice, &decision.choice);
            other.want == decision.want
                && other.child == decision.child
                && a.target == b.target
                && a.requires == b.requires
                && (a.base == b.base || a.target != Target::Local)
                && a.provided == b.provided
        });
        match same {
            Some(other) => other.types = other.types.or(&decision.types),
            None => merged.push(decision),
        }
    }
    merged.sort_by_key(|d| (d.choice.level, d.want));
    merged
}
