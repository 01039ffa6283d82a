//! Planning: turns a supergraph and a valid operation into a fetch plan. No IO.
//!
//! The phases, in order: [`Supergraph::parse`] reads who resolves what; `operation` resolves fragments; `search` decides
//! who resolves each field; `build` drafts the fetches and what they need; `fetch` merges them into requests; `print`
//! shows the result.

mod build;
mod condition;
mod defer;
mod error;
mod fetch;
mod ids;
mod operation;
mod options;
mod plan;
mod print;
mod search;
mod selection;
mod supergraph;

pub use condition::{All, Condition, Literal};
pub use defer::{Defer, Deferred, Group};
pub use error::PlanError;
pub use ids::{DeferId, FetchId, FieldId, GroupId, NodeId, SelectionId, SlotId, SubgraphId, TypeId, TypeSet};
pub use options::{Denied, PlanOptions};
pub use plan::{
    Candidate, ContextInput, ContextSource, Decided, Fetch, FetchField, FetchSelection, Input, Part, QueryPlan,
    Repetition, Request, Step, Variable,
};
pub use selection::{Arguments, Node, Selections, Slot, Source, list_depth};
pub use supergraph::{
    Costs, Description, Element, EnumValue, Governance, Kind, ListSize, Requirement, Subgraph, Supergraph,
};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::validation::Valid;

/// Plan one operation of a document that is valid against the supergraph's API schema.
///
/// # Errors
/// [`PlanError::Operation`] when there is no such operation, [`PlanError::TooLarge`] beyond the limits of `options`,
/// [`PlanError::Unreachable`] when the supergraph is not satisfiable for it.
pub fn plan(
    supergraph: &Supergraph,
    document: &Valid<ExecutableDocument>,
    operation_name: Option<&str>,
    options: &PlanOptions<'_>,
) -> Result<QueryPlan, PlanError> {
    let client = document.operations.get(operation_name).map_err(|e| PlanError::Operation(e.message().to_string()))?;
    let normalised = operation::normalise(supergraph, document, client, options)?;
    let draft = build::build(supergraph, &normalised, client.operation_type, options)?;
    Ok(fetch::finish(supergraph, draft, normalised, client))
}
