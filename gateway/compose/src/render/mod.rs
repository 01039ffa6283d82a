//! Rendering: turns the merged schema into supergraph SDL with join directives and into the API schema clients see.

mod api;
mod definitions;
mod join;
mod print;

pub use api::api_schema;
pub use join::supergraph;
