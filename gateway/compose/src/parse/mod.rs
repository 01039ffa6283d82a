//! Parsing: turns each subgraph's SDL into its IR, Federation 1 brought up to the rules of Federation 2.

mod directives;
mod document;
mod links;
mod lower;
mod prelude;
mod upgrade;

pub use prelude::Preludes;
pub use upgrade::{Bases, check_bases};

use crate::names::Names;
use crate::report::Report;
use crate::schema::{Subgraph, SubgraphId};

/// Parses one subgraph, whose text is the first source of the report; its errors are in the report. Also answers the types that it defines or only extends.
pub fn parse(
    input: &crate::Subgraph,
    preludes: &mut Preludes,
    names: &mut Names,
    report: &mut Report,
) -> Option<(Subgraph, Bases)> {
    // It is the only one in this report; whoever composes it gives it its number.
    let id = SubgraphId(0);
    let document = document::parse(id, input, report)?;
    let features = links::read(id, &document, report);
    let schema = document::build(id, &document, &features, preludes, report)?;
    let mut subgraph = lower::lower(id, input, &document, &schema, features, names, report);
    let bases = upgrade::upgrade(&mut subgraph);
    Some((subgraph, bases))
}
