//! Cost: turns a selection set at a place into how many steps and requests its best plan takes.

use super::{Choice, Decision, Place, Provided, Search, SetRef, Target, Want};
use crate::ids::SubgraphId;

/// The number of steps of what can't be resolved.
pub(crate) const NEVER: u32 = 1 << 20;

/// What a plan takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Cost {
    /// Requests one after the other, beyond the one at hand.
    pub waves: u32,
    /// Requests in all, beyond the one at hand.
    pub requests: u32,
    /// Fields that come by those requests: among equals, what brings more along is better.
    pub remote: u32,
    /// Of the waves and requests, those that are needed whatever the types of the objects turn out to be.
    pub sure: (u32, u32),
}

impl Cost {
    /// The cost of what can't be resolved.
    pub const INFINITE: Self = Self { waves: NEVER, requests: NEVER, remote: NEVER, sure: (NEVER, NEVER) };
}

impl Search<'_> {
    /// What the fields of `set` take at `place`.
    pub fn cost(&mut self, set: SetRef, place: &Place) -> Cost {
        let memo = (set, place.clone());
        if let Some(&known) = self.costs.get(&memo) {
            return known;
        }
        if !self.costing.insert(memo.clone()) {
            return Cost::INFINITE;
        }
        let wants = self.wants(set);
        let cost = self.cost_of_wants(&wants, place);
        self.costing.remove(&memo);
        self.costs.insert(memo, cost);
        cost
    }

    /// Whether all of `set` can be resolved from `place`.
    pub fn can_resolve(&mut self, set: SetRef, place: &Place) -> bool {
        self.cost(set, place).waves < NEVER
    }

    pub(super) fn cost_of_wants(&mut self, wants: &[Want], place: &Place) -> Cost {
        match self.decide(wants, place) {
            Ok(decisions) => self.total(wants, place, &decisions),
            Err(_) => Cost::INFINITE,
        }
    }

    fn total(&mut self, wants: &[Want], place: &Place, decisions: &[Decision]) -> Cost {
        let mut total = Cost::default();
        let mut targets: Vec<(SubgraphId, u32, bool)> = Vec::new();
        let atoms = self.atoms(place);
        for decision in decisions {
            let sure = atoms.is_subset(&decision.types);
            let want = Want { child: decision.child, ..wants[decision.want].clone() };
            let below = self.below(&want, place, &decision.choice);
            let level = decision.choice.level;
            total.waves = total.waves.max((level + below.waves).min(NEVER));
            total.requests = (total.requests + below.requests).min(NEVER);
            total.remote = (total.remote + below.remote).min(NEVER);
            if let Target::Hop { subgraph, .. } = decision.choice.target {
                let fields = decision.child.map_or(1, |child| self.size(child));
                total.remote = (total.remote + u32::try_from(fields).unwrap_or(NEVER)).min(NEVER);
                match targets.iter_mut().find(|(s, ..)| *s == subgraph) {
                    Some((_, deepest, any)) => (*deepest, *any) = (level.max(*deepest), *any || sure),
                    None => targets.push((subgraph, level, sure)),
                }
            }
            if sure {
                total.sure.0 = total.sure.0.max((level + below.sure.0).min(NEVER));
                total.sure.1 = (total.sure.1 + below.sure.1).min(NEVER);
            }
        }
        let requests = |(_, level, _): &(SubgraphId, u32, bool)| *level.max(&1);
        total.requests += targets.iter().map(requests).sum::<u32>();
        total.sure.1 += targets.iter().filter(|(_, _, sure)| *sure).map(requests).sum::<u32>();
        total
    }

    /// What the selections below a choice take.
    pub(super) fn below(&mut self, want: &Want, place: &Place, choice: &Choice) -> Cost {
        if let Target::Hop { subgraph, delegate: true, entity, .. } = choice.target {
            let there = Place::new(subgraph, entity, Provided::new());
            return self.cost_of_wants(std::slice::from_ref(want), &there);
        }
        match (want.child, self.place_below(place, choice)) {
            (Some(child), Some(below)) => self.cost(child, &below),
            _ => Cost::default(),
        }
    }

    /// The place of a choice's objects; none where that is for a delegate to decide.
    pub(super) fn place_below(&self, place: &Place, choice: &Choice) -> Option<Place> {
        let subgraph = match choice.target {
            Target::Hop { delegate: true, .. } => return None,
            Target::Hop { subgraph, .. } => subgraph,
            Target::Local => place.subgraph?,
        };
        Some(Place::new(subgraph, choice.base, choice.provided.clone()))
    }
}
