//! Printing: turns plans and the operations they send into text.

mod json;
pub(crate) mod operation;
mod tree;
