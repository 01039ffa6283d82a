//! Satisfiability: checks that every field of the API schema can be reached and answered from every place it is in.
//!
//! A *place* is a type in one subgraph, with what a `@provides` on the way there adds to it. [`reach`] says which other
//! places of the same entity a query planner can get to from a place, through keys; [`walk`] follows the API schema from
//! its roots with the set of places that a path can be at. Reachability is a least fixed point and each set is visited
//! once, so the work is bounded by the number of different sets, not by the number of paths.
//!
//! What progressive overrides do depends on [`labels`]. Each state of the walk assumes something about those labels only
//! that made a difference on the way and that may still make one: labels at different ends of a graph don't multiply.

mod explain;
mod graph;
mod labels;
mod reach;
mod walk;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;
use crate::supergraph::Supergraph;

/// Reports what can't be answered, with an operation that shows it.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    walk::walk(graph::Graph::new(supergraph, subgraphs, names), report);
}
