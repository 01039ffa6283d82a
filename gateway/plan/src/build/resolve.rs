//! Resolving: turns slots wanted at a position into selections of the fetches that resolve them.

use super::{Below, Builder, Deps, Emitted, Wanted};
use crate::error::PlanError;
use crate::ids::TypeSet;
use crate::search::{Decision, Target, Want};
use crate::selection::Source;

/// Requirements that need each other deeper than this are not resolved: such a graph is cyclic.
const MAX_DEPTH: usize = 200;

impl Builder<'_> {
    /// Fetch `wanted` at a position, from the open fetch `base` on. Returns the fetches that bring it.
    pub(super) fn resolve(&mut self, at: usize, base: usize, wanted: Vec<Wanted>) -> Result<Deps, PlanError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PlanError::TooLarge { what: "nested requirements and selections", limit: MAX_DEPTH });
        }
        let mut deps = Deps::new();
        let mut fresh = Vec::new();
        for mut want in wanted {
            self.reuse(at, &mut want, &mut deps)?;
            if !want.types.is_empty() {
                fresh.push(want);
            }
        }
        if !fresh.is_empty() {
            self.resolve_fresh(at, base, &fresh, &mut deps)?;
        }
        self.depth -= 1;
        Ok(deps)
    }

    /// What is already selected at the position is selected under the further condition and for the further selections
    /// below it, and is done.
    fn reuse(&mut self, at: usize, want: &mut Wanted, deps: &mut Deps) -> Result<(), PlanError> {
        for i in 0..self.positions[at].emitted.len() {
            let emitted = self.positions[at].emitted[i].clone();
            let both = emitted.types.and(&want.types);
            if emitted.slot != want.slot || both.is_empty() || !self.serves(at, &emitted, want) {
                continue;
            }
            want.types = want.types.minus(&both);
            let again = Wanted { types: both, ..want.clone() };
            if self.search.is_unknown(&self.positions[at].opens[emitted.open].place) {
                deps.extend(self.tell_types(at, 0, &again)?);
            }
            deps.extend(self.touch(at, &emitted, &again)?);
        }
        Ok(())
    }

    /// Whether all that is wanted below a slot can be resolved from where it was selected.
    fn serves(&mut self, at: usize, emitted: &Emitted, want: &Wanted) -> bool {
        let (Below::Client(set) | Below::Part(_, set)) = &want.below;
        let Some(set) = *set else { return true };
        let Some(selection) = self.positions[at].opens[emitted.open].selection else { return true };
        let position = self.selections[selection.index()].fields[emitted.field].position;
        let place = self.positions[position].opens[0].place.clone();
        self.search.can_resolve(set, &place)
    }

    fn resolve_fresh(&mut self, at: usize, base: usize, wanted: &[Wanted], deps: &mut Deps) -> Result<(), PlanError> {
        let place = self.positions[at].opens[base].place.clone();
        let wants: Vec<Want> = wanted.iter().map(|want| self.describe(at, want)).collect();
        let decisions = self.search.decide(&wants, &place)?;
        let decisions = self.apart(at, base, wanted, decisions);
        for decision in decisions.iter().filter(|d| d.choice.target == Target::Local) {
            let want = &wanted[decision.want].narrowed(decision.child);
            let (types, told_by) = if self.search.is_unknown(&place) {
                (want.types.clone(), self.tell_types(at, base, want)?)
            } else {
                (decision.types.clone(), Deps::new())
            };
            deps.extend(&told_by);
            deps.extend(self.emit(at, base, want, &types, &told_by)?);
        }
        let mut hops: Vec<Decision> = decisions.into_iter().filter(|d| d.choice.target != Target::Local).collect();
        // What needs no other fields goes first: its fetches are the earliest, and later ones may join them.
        hops.sort_by_key(|d| (d.choice.requires.is_some(), d.choice.level));
        for decision in self.apart_by_context(wanted, at, hops) {
            let mut want = wanted[decision.want].narrowed(decision.child);
            let Target::Hop { delegate, .. } = decision.choice.target else { continue };
            let (contexts, above) = self.context_inputs(at, &decision, &want)?;
            want.contexts = contexts.iter().map(|c| (c.name.clone(), c.variable.clone())).collect();
            let want = &want;
            let open = self.enter(at, base, &decision, want, (contexts, above))?;
            self.explain(at, open, &decision, want);
            if delegate {
                deps.extend(self.resolve(at, open, vec![want.clone()])?);
                continue;
            }
            let unknown = self.search.is_unknown(&place);
            let types = if unknown { want.types.clone() } else { decision.types.clone() };
            let told_by = if unknown { self.tell_types(at, base, want)? } else { Deps::new() };
            deps.extend(&told_by);
            deps.extend(self.emit(at, open, want, &types, &told_by)?);
        }
        Ok(())
    }

    /// Note for the fetch what it was chosen of.
    fn explain(&mut self, at: usize, open: usize, decision: &Decision, want: &Wanted) {
        let Some(fetch) = self.positions[at].opens[open].fetch.filter(|_| !decision.compared.is_empty()) else {
            return;
        };
        let node = self.nodes.node(self.positions[at].node);
        let slot = &node.slots[want.slot.index()];
        let name = slot.field().map_or(&slot.key, |field| self.graph.field_name(field));
        let field = format!("{}.{name}", self.graph.type_name(node.ty));
        let decided = &mut self.fetches[fetch.index()].decided;
        if decided.iter().all(|(known, _)| *known != field) {
            decided.push((field, decision.compared.clone()));
        }
    }

    /// Where a subgraph sees an interface object, what is wanted for some object types only needs another subgraph that
    /// knows them. Returns the fetches that tell.
    fn tell_types(&mut self, at: usize, base: usize, want: &Wanted) -> Result<Deps, PlanError> {
        let possible = self.graph.ty(self.positions[at].opens[base].place.local).possible.clone();
        if possible.is_subset(&want.types) {
            return Ok(Deps::new());
        }
        let want = Wanted {
            slot: self.typename_slot(self.positions[at].node),
            types: possible,
            condition: want.condition.clone(),
            below: Below::Client(None),
            contexts: Vec::new(),
        };
        self.resolve(at, base, vec![want])
    }

    /// A wanted slot in the words of the search.
    pub(super) fn describe(&self, at: usize, want: &Wanted) -> Want {
        let node = self.positions[at].node;
        let slot = &self.nodes.node(node).slots[want.slot.index()];
        let child = match &want.below {
            Below::Client(set) | Below::Part(_, set) => *set,
        };
        let field = match slot.source {
            Source::Field(field) => Some(self.graph.field_name(field).clone()),
            Source::Typename | Source::Introspection => None,
        };
        Want { field, on: slot.on, types: want.types.clone(), child }
    }

    /// Whether `types` are all that a place may have.
    pub(super) fn covers(&self, types: &TypeSet, atoms: &TypeSet) -> bool {
        atoms.is_subset(types)
    }
}
