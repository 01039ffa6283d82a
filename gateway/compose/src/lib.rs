//! Composition: turns subgraph SDLs into a supergraph and an API schema, or into all the diagnostics. No IO.
//!
//! ```text
//! SDL ─parse─▶ schema::Subgraph ─validate─▶ the same, marked ─merge─▶ supergraph::Supergraph ─check─▶ ─satisfiability─▶
//!     ─render─▶ supergraph SDL, API schema SDL
//! ```
//!
//! Written against the Apollo Federation specification (subgraph directives up to v2.13) and the join specification
//! v0.3 to v0.5. The result does not depend on the order of the subgraphs.

mod check;
mod composer;
mod graphs;
mod merge;
mod names;
mod parse;
mod render;
mod report;
mod satisfiability;
mod schema;
mod supergraph;
mod validate;

pub use composer::Composer;

use terrane_diagnostics::Diagnostic;

/// A subgraph to compose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subgraph {
    /// Its unique name.
    pub name: String,
    /// Its routing address; written into the supergraph as it is.
    pub url: String,
    /// Its schema in Federation 1 or 2 SDL.
    pub sdl: String,
}

/// What composition makes of subgraphs that fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// The supergraph SDL with join directives, for a planner.
    pub supergraph: String,
    /// The schema that clients see.
    pub api_schema: String,
    /// Warnings: what composes, but deserves a look.
    pub hints: Vec<Diagnostic>,
}

/// Composes subgraphs into one graph.
///
/// # Errors
/// All diagnostics, errors first, when there is at least one error. Later phases run only on what earlier phases
/// accepted: first each subgraph by itself, then all of them merged, then whether every query can be answered.
/// [`Composer`] does the same, faster when most subgraphs are those of the time before.
pub fn compose(subgraphs: &[Subgraph]) -> Result<Composition, Vec<Diagnostic>> {
    Composer::default().compose(subgraphs)
}
