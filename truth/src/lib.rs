//! Truth: turns seeds into random graphs, splits them into subgraphs, and compares the federated answers of random
//! operations with those of the graph in one piece.
//!
//! ```text
//! seed ─generate─▶ World ─print─▶ monolith schema ─evaluate─▶ the true response ─┐
//!                    │  └──print─▶ subgraph SDLs ─compose, plan, execute──────────┴─▶ check ─▶ shrink ─▶ a report
//!                    └─operation─▶ Operation
//! ```

pub mod check;
mod evaluate;
mod generate;
mod operation;
mod print;
mod random;
mod resolve;
mod shrink;
mod types;
mod value;
mod world;

pub use check::{Bench, Failure};
pub use generate::world;
pub use operation::{Operation, operation};
pub use shrink::shrink;
pub use world::World;
