//! Deferring: turns what is delivered later into fetches of its own.

use super::{Below, Builder, Wanted};
use crate::error::PlanError;
use crate::ids::{GroupId, TypeId, TypeSet};
use crate::search::{Choice, Decision, Place, Target};
use crate::selection::Source;

impl Builder<'_> {
    /// Of what the client selected at a position, what is delivered with what is resolved now. The rest has its turn later.
    pub(super) fn now(&mut self, at: usize, wanted: Vec<Wanted>) -> Vec<Wanted> {
        let node = self.positions[at].node;
        let mut now = Vec::with_capacity(wanted.len());
        for want in wanted {
            let group = self.nodes.node(node).slots[want.slot.index()].group;
            if group == self.group {
                now.push(want);
                continue;
            }
            match self.later.iter_mut().find(|(known, position, _)| (*known, *position) == (group, at)) {
                Some((_, _, waiting)) => waiting.push(want),
                None => self.later.push_back((group, at, vec![want])),
            }
        }
        now
    }

    /// Resolve what is delivered later, one group after the other.
    ///
    /// # Errors
    /// Those of resolving.
    pub(super) fn deferred(&mut self) -> Result<(), PlanError> {
        while let Some((group, at, wanted)) = self.later.pop_front() {
            self.group = group;
            self.resolve(at, 0, wanted)?;
        }
        self.group = GroupId(0);
        Ok(())
    }

    /// What could be had of a fetch that is delivered earlier is asked for once more by the key, where there is one: or
    /// what is delivered earlier would wait for it.
    pub(super) fn apart(
        &mut self,
        at: usize,
        base: usize,
        wanted: &[Wanted],
        decisions: Vec<Decision>,
    ) -> Vec<Decision> {
        let open = &self.positions[at].opens[base];
        let Some(fetch) = open.fetch else { return decisions };
        if self.fetches[fetch.index()].group == self.group || self.search.is_unknown(&open.place) {
            return decisions;
        }
        let place = open.place.clone();
        let mut apart = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let want = &wanted[decision.want];
            let slot = &self.nodes.node(self.positions[at].node).slots[want.slot.index()];
            let (Target::Local, Below::Client(_), Source::Field(field)) =
                (decision.choice.target, &want.below, slot.source)
            else {
                apart.push(decision);
                continue;
            };
            let name = self.graph.field_name(field).clone();
            let again: Option<Vec<Choice>> =
                decision.types.iter().map(|atom| self.again(&place, atom, &name)).collect();
            match again.filter(|choices| !choices.is_empty()) {
                None => apart.push(decision),
                Some(choices) => {
                    let types: Vec<TypeId> = decision.types.iter().collect();
                    apart.extend(types.into_iter().zip(choices).map(|(atom, choice)| Decision {
                        types: TypeSet::one(atom),
                        choice,
                        ..decision.clone()
                    }));
                }
            }
        }
        apart
    }

    /// How to ask the subgraph of a place once more for a field of objects of a type.
    fn again(&mut self, place: &Place, atom: TypeId, name: &str) -> Option<Choice> {
        let subgraph = place.subgraph?;
        let entries = self.search.reach(atom, place);
        let entry = entries.iter().find(|e| e.subgraph == subgraph && e.entity == atom)?;
        let field = self.graph.field_of(atom, name)?;
        let joins = &self.graph.field(field).joins;
        let join = joins.iter().find(|j| j.subgraph == subgraph && j.via.is_none() && self.search.is_active(j))?;
        if join.external || join.requires.is_some() || !join.contexts.is_empty() {
            return None;
        }
        Some(Choice {
            target: Target::Hop { subgraph, entity: atom, key: entry.key, delegate: false },
            level: entry.level.max(1),
            requires: None,
            base: join.base,
            provided: join.provides.into_iter().collect(),
        })
    }
}
