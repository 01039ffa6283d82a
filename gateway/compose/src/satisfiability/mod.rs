//! Satisfiability: checks that every field of the API schema can be reached and answered from every place it is in.
//!
//! A *place* is a type in one subgraph, with what a `@provides` on the way there adds to it. [`reach`] says which other
//! places of the same entity a query planner can get to from a place, through keys; [`walk`] follows the API schema from
//! its roots with the set of places that a path can be at. Reachability is a least fixed point and each set is visited
//! once, so the work is bounded by the number of different sets, not by the number of paths.

mod explain;
mod graph;
mod reach;
mod walk;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;
use crate::supergraph::Supergraph;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Up to this number of override labels, all combinations of them are checked.
const MOST_COMBINED_LABELS: usize = 3;

/// Reports what can't be answered, with an operation that shows it.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    for labels in label_choices(subgraphs) {
        let graph = graph::Graph::new(supergraph, subgraphs, names, labels);
        walk::walk(graph, report);
    }
}

/// For each run, which progressive overrides are in effect.
fn label_choices(subgraphs: &[Subgraph]) -> Vec<FxHashMap<Arc<str>, bool>> {
    let fields = subgraphs.iter().flat_map(|subgraph| subgraph.types.values()).flat_map(|ty| ty.fields.values());
    let labels: BTreeSet<Arc<str>> = fields.filter_map(|field| field.overrides.as_ref()?.label.clone()).collect();
    if labels.len() <= MOST_COMBINED_LABELS {
        let choice = |bits: usize| {
            labels.iter().enumerate().map(|(index, label)| (label.clone(), bits >> index & 1 == 1)).collect()
        };
        return (0..1 << labels.len()).map(choice).collect();
    }
    [false, true].map(|on| labels.iter().map(|label| (label.clone(), on)).collect()).into()
}
