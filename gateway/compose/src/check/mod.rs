//! Checks: turns a merged schema that does not hold together as a whole into diagnostics.

mod authorization;
mod inaccessible;
mod interfaces;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;
use crate::supergraph::Supergraph;

/// Runs all checks that need the whole merged schema.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    interfaces::check(supergraph, subgraphs, names, report);
    authorization::check(supergraph, subgraphs, names, report);
    inaccessible::check(supergraph, subgraphs, names, report);
}
