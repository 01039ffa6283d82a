//! Pipeline: turns SQL models and input rows into checked, published versions of the output layer.
//!
//! A run pulls the inputs, builds every model beside what is published (`abstraction_next`, `output_next`), checks the
//! result against the contracts, and publishes it in one transaction. Until then nobody sees any of it; a failed check
//! publishes nothing and says which rows broke which rule.

mod attempt;
mod build;
mod check;
mod constraints;
mod content;
mod error;
mod openlineage;
mod rewrite;
mod run;

pub use content::{content_hash, model_texts};
pub use error::PipelineError;
pub use run::{Pipeline, RunRequest};
