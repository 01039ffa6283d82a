//! The catalog: turns the products' standard ports into one subgraph of the gateway, federated like any other.
//!
//! It asks each product with the caller's own identity, so it shows what that caller may see, and nothing else.

mod access;
mod around;
mod audit;
mod brief;
mod client;
mod control;
mod description;
mod find;
mod runs;
mod said;
mod schema;
mod timestamp;

pub use schema::source;
