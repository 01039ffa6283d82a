//! Reading: turns the body of a subgraph's answer into values of the store, by the shape that the plan expects.

mod answer;
mod errors;
mod json;

pub(crate) use answer::{Answer, Target, fail_target, read, read_kept};
