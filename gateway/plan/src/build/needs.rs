//! Needs: turns further uses of a fetch under other conditions into further uses of what its representations are made of.

use super::draft::Part;
use super::inputs::add_input;
use super::{Builder, Deps};
use crate::condition::Condition;
use crate::error::PlanError;
use crate::ids::{FetchId, SlotId, TypeId, TypeSet};

/// What the representations of a fetch need of the objects at a position.
#[derive(Debug, Clone)]
pub(super) struct Need {
    /// The position, and its open fetch from which the parts are resolved.
    pub at: usize,
    pub base: usize,
    /// The slot that `@requires` the parts; none for those of a key, which every slot of the fetch needs.
    pub slot: Option<SlotId>,
    pub atoms: TypeSet,
    pub entity: TypeId,
    pub parts: Vec<Part>,
    /// When the parts are needed.
    pub condition: Condition,
}

impl Builder<'_> {
    /// Note a need whose parts are resolved under its condition, and make the representations hold them.
    pub(super) fn need(&mut self, fetch: FetchId, need: Need) {
        for atom in need.atoms.iter() {
            add_input(&mut self.fetches[fetch.index()].inputs, atom, need.entity, &need.parts);
        }
        let same = |known: &&mut Need| {
            (known.at, known.base, known.slot, known.entity) == (need.at, need.base, need.slot, need.entity)
                && known.atoms == need.atoms
                && known.parts.len() == need.parts.len()
                && known.parts.iter().zip(&need.parts).all(|(a, b)| a.slot == b.slot && a.set == b.set)
        };
        let needs = self.needs.entry(fetch).or_default();
        match needs.iter_mut().find(same) {
            Some(known) => drop(known.condition.or(&need.condition)),
            None => needs.push(need),
        }
    }

    /// A slot of a fetch is wanted under a further condition: so is what its representations need for it.
    ///
    /// # Errors
    /// Those of resolving; what is needed was resolved before, though.
    pub(super) fn widen(
        &mut self,
        fetch: FetchId,
        (at, slot): (usize, SlotId),
        condition: &Condition,
    ) -> Result<(), PlanError> {
        for i in 0..self.needs.get(&fetch).map_or(0, Vec::len) {
            let Some(need) = self.needs.get_mut(&fetch).and_then(|needs| needs.get_mut(i)) else { continue };
            let concerns = need.slot.is_none_or(|own| own == slot && need.at == at);
            if !concerns || !need.condition.or(condition) {
                continue;
            }
            let mut need = need.clone();
            set_condition(&mut need.parts, condition);
            let wanted = Self::part_wants(&need.parts, condition);
            let deps: Deps = self.resolve(need.at, need.base, wanted)?;
            let into = &mut self.fetches[fetch.index()];
            into.deps.extend(deps.into_iter().filter(|&dep| dep != fetch));
            for atom in need.atoms.iter() {
                add_input(&mut into.inputs, atom, need.entity, &need.parts);
            }
        }
        Ok(())
    }
}

fn set_condition(parts: &mut [Part], condition: &Condition) {
    for part in parts {
        part.condition = condition.clone();
        set_condition(part.below.as_deref_mut().unwrap_or_default(), condition);
    }
}
