//! Contexts: turns `@fromContext` arguments of a field into what is fetched of the objects above it.

use super::draft::{ContextInput, ContextSource};
use super::{Builder, Deps, Wanted};
use crate::error::PlanError;
use crate::ids::TypeId;
use crate::search::{Decision, Target};
use crate::supergraph::ContextArgument;
use apollo_compiler::Name;

impl Builder<'_> {
    /// Decisions about several object types become one per type where a type's field takes arguments from a context:
    /// each may take others.
    pub(super) fn apart_by_context(&self, wanted: &[Wanted], at: usize, decisions: Vec<Decision>) -> Vec<Decision> {
        let mut apart = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let want = &wanted[decision.want];
            if decision.types.len() == 1
                || decision.types.iter().all(|atom| self.context_arguments(at, &decision, want, atom).is_empty())
            {
                apart.push(decision);
                continue;
            }
            let one = |atom| Decision { types: crate::ids::TypeSet::one(atom), ..decision.clone() };
            apart.extend(decision.types.iter().map(one));
        }
        apart
    }

    /// The arguments that the decided field takes from objects above.
    fn context_arguments(&self, at: usize, decision: &Decision, want: &Wanted, atom: TypeId) -> &[ContextArgument] {
        let Target::Hop { subgraph, delegate: false, .. } = decision.choice.target else { return &[] };
        let slot = &self.nodes.node(self.positions[at].node).slots[want.slot.index()];
        let name = slot.field().map(|field| self.graph.field_name(field));
        let Some(field) = name.and_then(|name| self.graph.field_of(atom, name)) else { return &[] };
        let joins = &self.graph.field(field).joins;
        let join = joins.iter().find(|j| j.subgraph == subgraph && !j.external && self.search.is_active(j));
        join.map_or(&[], |join| &join.contexts)
    }

    /// Fetch what the decided field takes from objects above, and say where it is: in each object above, from the
    /// nearest on, whose type sets the context. Returns it with the fetches that bring it.
    ///
    /// # Errors
    /// [`PlanError::Unreachable`] when nothing above sets a context.
    pub(super) fn context_inputs(
        &mut self,
        at: usize,
        decision: &Decision,
        want: &Wanted,
    ) -> Result<(Vec<ContextInput>, Deps), PlanError> {
        let (mut inputs, mut deps) = (Vec::new(), Deps::new());
        let Some(atom) = decision.types.iter().next() else { return Ok((inputs, deps)) };
        for argument in self.context_arguments(at, decision, want, atom).to_vec() {
            let mut sources = Vec::new();
            let mut below = at;
            while let Some(above) = self.positions[below].parent {
                let depth = self.positions[above].path.len();
                let node = self.positions[above].node;
                let step = &self.positions[at].path[depth];
                let mut left = step.types.clone().unwrap_or_else(|| self.nodes.node(node).possible.clone());
                for &(setter, set) in &argument.sets {
                    let types = self.graph.ty(setter).possible.and(&left);
                    if types.is_empty() {
                        continue;
                    }
                    left = left.minus(&types);
                    let parts = self.parts(node, set, &types, (false, None), &want.condition);
                    deps.extend(self.resolve(above, 0, Self::part_wants(&parts, &want.condition))?);
                    sources.push(ContextSource { up: self.positions[at].path.len() - depth, types, parts });
                }
                if left.is_empty() {
                    break;
                }
                below = above;
            }
            if sources.is_empty() {
                let slot = &self.nodes.node(self.positions[at].node).slots[want.slot.index()];
                return Err(PlanError::Unreachable { field: format!("{}.{}", self.graph.type_name(atom), slot.key) });
            }
            let variable =
                Name::new(&format!("contextual_{}", inputs.len())).expect("a prefix and a number are a name");
            inputs.push(ContextInput { name: argument.name, variable, ty: argument.ty, sources });
        }
        Ok((inputs, deps))
    }
}
