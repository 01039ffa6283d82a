//! Validation: turns parsed subgraphs into ones whose federation directives are sound and whose used fields are marked.

mod contexts;
mod costs;
mod defaults;
mod external;
mod field_sets;
mod interface_keys;
mod overrides;
mod placement;
mod references;

pub use contexts::split as split_context;
pub use overrides::check as check_overrides;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;

/// Checks a subgraph by itself. Fields that keys, `@provides` and `@requires` select are marked as such.
pub fn validate(subgraph: &mut Subgraph, names: &mut Names, report: &mut Report) {
    let marks = field_sets::check(subgraph, names, report);
    marks.apply(subgraph);
    contexts::check(subgraph, names, report);
    costs::check(subgraph, names, report);
    defaults::check(subgraph, names, report);
    placement::check(subgraph, names, report);
    references::check(subgraph, names, report);
    external::check(subgraph, names, report);
    interface_keys::check(subgraph, names, report);
}
