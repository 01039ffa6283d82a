//! Entering: turns a decision to ask another subgraph into a fetch of it, an earlier one where that serves.

use super::draft::{ContextInput, DraftFetch, DraftSelection, Input, Part};
use super::inputs::{conflicts, overreach};
use super::{Builder, Deps, Need, Open, Wanted};
use crate::condition::Condition;
use crate::error::PlanError;
use crate::ids::{FetchId, SelectionId, SubgraphId, TypeId, TypeSet};
use crate::search::{Decision, Place, Provided, Target};
use crate::supergraph::Kind;

/// An entry to make: where to, and with what.
struct Entering<'p> {
    subgraph: SubgraphId,
    entity: TypeId,
    atoms: &'p TypeSet,
    parts: Vec<Part>,
    deps: Deps,
    delegate: bool,
    contexts: Vec<ContextInput>,
}

impl Builder<'_> {
    /// Open the decision's subgraph at a position: first fetch what its representations need, then use a fetch that is
    /// already there or make one. Returns the index of the open fetch at the position.
    pub(super) fn enter(
        &mut self,
        at: usize,
        base: usize,
        decision: &Decision,
        want: &Wanted,
        (contexts, above): (Vec<ContextInput>, Deps),
    ) -> Result<usize, PlanError> {
        let Target::Hop { subgraph, entity, key, delegate } = decision.choice.target else { return Ok(base) };
        let (from, condition) = (self.positions[at].opens[base].fetch, &want.condition);
        let Some(key) = key else {
            let same = |open: &Open| {
                open.place.subgraph == Some(subgraph)
                    && open.fetch.is_some_and(|fetch| self.fetches[fetch.index()].group == self.group)
            };
            let known = self.positions[at].opens.iter().skip(1).position(same);
            return match known {
                Some(known) => Ok(known + 1),
                None => self.enter_root(at, subgraph, entity, from.into_iter().collect()),
            };
        };
        let node = self.positions[at].node;
        let place = self.positions[at].opens[base].place.clone();
        // Types that are unknown here stand for every object type of the node.
        let types = if self.search.is_unknown(&place) {
            self.graph.ty(place.local).possible.clone()
        } else {
            decision.types.clone()
        };
        let mut parts = self.parts(node, key, &types, (true, None), condition);
        let mut deps = self.resolve(at, base, Self::part_wants(&parts, condition))?;
        let mut needed = vec![parts.clone()];
        if let Some(requires) = decision.choice.requires {
            let more = self.parts(node, requires, &types, (false, Some(want.slot)), condition);
            deps.extend(self.resolve(at, base, Self::part_wants(&more, condition))?);
            needed.push(more.clone());
            parts.extend(more);
        }
        // Where another subgraph had to tell the object types, nobody knows before which representations there are.
        let told = base > 0 && self.graph.is_abstract(place.local) && self.graph.kind(entity) == Kind::Object;
        if let Some(from) = from.filter(|_| told)
            && self.fetches[from.index()].told.or(condition)
        {
            self.widen(from, (at, want.slot), condition)?;
        }
        deps.extend(above);
        deps.extend(&self.positions[at].told_by);
        deps.extend(from.filter(|_| told || deps.is_empty()));
        let entering = Entering { subgraph, entity, atoms: &decision.types, parts, deps, delegate, contexts };
        let fetch = match self.usable_fetch(at, &entering) {
            Some(fetch) => fetch,
            None => self.new_fetch(at, &entering)?,
        };
        for (parts, slot) in needed.into_iter().zip([None, Some(want.slot)]) {
            let (atoms, condition) = (decision.types.clone(), condition.clone());
            self.need(fetch, Need { at, base, slot, atoms, entity, parts, condition });
        }
        self.fetches[fetch.index()].deps.extend(entering.deps.iter().filter(|&&dep| dep != fetch));
        Ok(self.branch(at, fetch, &entering))
    }

    /// A fetch at the position that may take the entry without becoming later and without needing itself.
    fn usable_fetch(&self, at: usize, entering: &Entering<'_>) -> Option<FetchId> {
        let level = entering.deps.iter().map(|dep| self.fetches[dep.index()].level + 1).max().unwrap_or(0);
        let input = |atom| Input { atom, entity: entering.entity, parts: Vec::new() };
        let entered: Vec<Input> = entering.atoms.iter().map(input).collect();
        let opens = self.positions[at].opens.iter().skip(1);
        opens.filter_map(|open| open.fetch).find(|fetch| {
            let known = &self.fetches[fetch.index()];
            known.is_entity
                && known.subgraph == entering.subgraph
                && known.group == self.group
                && known.contexts == entering.contexts
                && level <= known.level
                && !entering.deps.contains(fetch)
                && !overreach(self.graph, known.subgraph, &known.inputs, &entered)
                && entering.atoms.iter().all(|atom| {
                    !conflicts(&known.inputs, atom, &entering.parts)
                        && !known.inputs.iter().any(|input| input.atom == atom && input.entity != entering.entity)
                })
        })
    }

    fn new_fetch(&mut self, at: usize, entering: &Entering<'_>) -> Result<FetchId, PlanError> {
        let level = entering.deps.iter().map(|dep| self.fetches[dep.index()].level + 1).max().unwrap_or(0);
        let keys: Vec<&str> = entering.parts.iter().map(|part| part.name.as_str()).collect();
        let reason = format!(
            "`{}` is entered in `{}` by {}",
            self.graph.type_name(entering.entity),
            self.graph.subgraphs[entering.subgraph.index()].name,
            keys.join(", ")
        );
        self.add_fetch(DraftFetch {
            subgraph: entering.subgraph,
            node: self.positions[at].node,
            paths: vec![self.positions[at].path.clone()],
            branches: Vec::new(),
            inputs: Vec::new(),
            is_entity: true,
            told: Condition::default(),
            deps: Deps::new(),
            level,
            group: self.group,
            reason,
            contexts: entering.contexts.clone(),
            decided: Vec::new(),
        })
    }

    fn add_fetch(&mut self, fetch: DraftFetch) -> Result<FetchId, PlanError> {
        if self.fetches.len() >= self.max_fetches {
            return Err(PlanError::TooLarge { what: "fetches", limit: self.max_fetches });
        }
        self.fetches.push(fetch);
        Ok(FetchId::new(self.fetches.len() - 1))
    }

    /// The open fetch of a branch, opened when it is not.
    fn branch(&mut self, at: usize, fetch: FetchId, entering: &Entering<'_>) -> usize {
        let entity = entering.entity;
        let opens = &mut self.positions[at].opens;
        let known = opens.iter().skip(1).position(|open| open.fetch == Some(fetch) && open.place.local == entity);
        let concrete = !entering.delegate && !entering.atoms.contains(entity);
        if let Some(known) = known {
            let place = &mut opens[known + 1].place;
            if let (Some(types), true) = (&mut place.types, concrete) {
                *types = types.or(entering.atoms);
            }
            return known + 1;
        }
        let selection = self.new_selection(at, entering.subgraph, entity);
        self.fetches[fetch.index()].branches.push((entity, selection));
        let mut place = Place::new(entering.subgraph, entity, Provided::new());
        place.types = concrete.then(|| entering.atoms.clone());
        let opens = &mut self.positions[at].opens;
        opens.push(Open { place, fetch: Some(fetch), selection: Some(selection) });
        opens.len() - 1
    }

    fn new_selection(&mut self, at: usize, subgraph: SubgraphId, local: TypeId) -> SelectionId {
        let node = self.positions[at].node;
        self.selections.push(DraftSelection { subgraph, node, local, fields: Vec::new() });
        SelectionId::new(self.selections.len() - 1)
    }

    /// Ask a subgraph for fields of a root type.
    pub(super) fn enter_root(
        &mut self,
        at: usize,
        subgraph: SubgraphId,
        root: TypeId,
        deps: Deps,
    ) -> Result<usize, PlanError> {
        let selection = self.new_selection(at, subgraph, root);
        let level = deps.iter().map(|dep| self.fetches[dep.index()].level + 1).max().unwrap_or(0);
        let fetch = self.add_fetch(DraftFetch {
            subgraph,
            node: self.positions[at].node,
            paths: vec![self.positions[at].path.clone()],
            branches: vec![(root, selection)],
            inputs: Vec::new(),
            is_entity: false,
            told: Condition::default(),
            deps,
            level,
            group: self.group,
            reason: format!("root fields of `{}`", self.graph.subgraphs[subgraph.index()].name),
            contexts: Vec::new(),
            decided: Vec::new(),
        })?;
        let place = Place::new(subgraph, root, Provided::new());
        let opens = &mut self.positions[at].opens;
        opens.push(Open { place, fetch: Some(fetch), selection: Some(selection) });
        Ok(opens.len() - 1)
    }
}
