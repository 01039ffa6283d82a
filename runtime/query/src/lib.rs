//! Query: turns contracts into a GraphQL schema, and operations on it into one SQL statement and the response it makes.
//!
//! [`DataSchema::build`] once per product; [`Access::compile`] once per policy and role set; [`prepare`] once per
//! operation text and role set. Per request: [`Prepared::plan`] (coerces variables, finds the plan of their shape),
//! [`Statement::bind`], execute, [`Statement::write`]. No IO here: the caller runs the statement and brings the rows.

mod access;
mod aggregate;
mod as_of;
mod bind;
mod catalog;
mod coerce;
mod collect;
mod compile;
mod cursor;
mod effect;
mod explain;
mod given;
mod layout;
mod params;
mod ports;
mod prepare;
mod row_filter;
mod scalar;
mod schema;
mod sdl;
mod shape;
mod statement;
mod write;

pub use access::{Access, Reading, access_matrix, questions};
pub use as_of::Missing;
pub use bind::Bind;
pub use coerce::Values;
pub use compile::{ChangesStatement, ExportRequest, ExportStatement};
pub use effect::{Change, Decided, ROWS, Verdict, asked, decisions, effect};
pub use params::{Bound, DEFAULT_PAGE, MAX_OBJECTS, MAX_PAGE, MAX_REPRESENTATIONS};
pub use ports::PortsOperation;
pub use prepare::{
    Followed, MAX_NESTING, MAX_ROOTS, MAX_TOKENS, OperationKind, Plan, Prepared, Slot, Source, position, prepare,
};
pub use schema::DataSchema;
pub use statement::{Fields, Statement};
pub use write::{RowSource, WriteError, cell_decimal, cell_items, cell_json, cell_text};
