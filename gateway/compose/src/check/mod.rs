//! Checks: turns a merged schema that does not hold together as a whole into diagnostics.

mod authorization;
mod inaccessible;
mod interface_objects;
mod interfaces;
mod runtime_types;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;
use crate::supergraph::Supergraph;

/// Runs all checks that need the whole merged schema. After contradictions in merging, only those run whose findings
/// can't be a consequence of them.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let is_merged = !report.has_errors();
    interface_objects::check(subgraphs, names, report);
    interfaces::check_keys(supergraph, subgraphs, names, report);
    if is_merged {
        interfaces::check(supergraph, subgraphs, names, report);
        runtime_types::check(supergraph, subgraphs, names, report);
        authorization::check(supergraph, subgraphs, names, report);
        inaccessible::check(supergraph, subgraphs, names, report);
    }
}
