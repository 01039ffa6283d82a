//! Parsing: turns each subgraph's SDL into its IR, Federation 1 brought up to the rules of Federation 2.

mod directives;
mod document;
mod links;
mod lower;
mod prelude;
mod upgrade;

use crate::names::Names;
use crate::report::Report;
use crate::schema::Subgraph;

/// Parses all subgraphs, given in the order of their names. A subgraph with errors is left out of the result, and its
/// errors are in the report.
pub fn parse(inputs: &[&crate::Subgraph], names: &mut Names, report: &mut Report) -> Vec<Subgraph> {
    let mut preludes = prelude::Preludes::default();
    let mut parsed = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        report.add_source(&input.name, &input.sdl);
        let id = crate::schema::SubgraphId(u32::try_from(index).expect("there are fewer subgraphs than 4 billion"));
        let Some(document) = document::parse(id, input, report) else { continue };
        let features = links::read(id, &document, report);
        let Some(schema) = document::build(id, &document, &features, &mut preludes, report) else { continue };
        parsed.push(lower::lower(id, input, &document, &schema, features, names, report));
    }
    upgrade::upgrade(&mut parsed, names, report);
    parsed
}
