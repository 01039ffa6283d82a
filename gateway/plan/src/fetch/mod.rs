//! Fetches: turns the draft into the plan: merges fetches, names response keys, groups requests into waves.

mod keys;
mod merge;
mod requests;
mod shape;

pub(crate) use requests::representations;

use crate::build::Draft;
use crate::operation::Normalised;
use crate::plan::{QueryPlan, Variable};
use crate::supergraph::Supergraph;
use apollo_compiler::executable::{Operation, VariableDefinition};

/// Make the plan of a draft.
pub(crate) fn finish(graph: &Supergraph, mut draft: Draft, normalised: Normalised, operation: &Operation) -> QueryPlan {
    merge::merge(graph, &mut draft);
    let mut fetches = shape::fetches(graph, &draft);
    for fetch in &mut fetches {
        keys::assign(&mut fetch.branches);
    }
    let requests = requests::group(graph, &draft, &mut fetches, operation);
    QueryPlan {
        kind: operation.operation_type,
        nodes: draft.nodes,
        root: normalised.root,
        deferred: normalised.deferred,
        fetches,
        requests,
        variables: variables(operation),
        steps: draft.steps,
        subgraphs: graph.subgraphs.iter().map(|s| s.name.clone()).collect(),
        types: graph.types.iter().map(|t| t.name.clone()).collect(),
    }
}

/// The variables that an operation defines.
fn variables(operation: &Operation) -> Vec<Variable> {
    let one = |v: &VariableDefinition| Variable {
        name: v.name.clone(),
        ty: (*v.ty).clone(),
        default: v.default_value.clone(),
    };
    operation.variables.iter().map(|v| one(v)).collect()
}
