//! Pipeline: turns SQL models and input rows into checked, published versions of the output layer.
//!
//! A run pulls the inputs, builds every model beside what is published (`abstraction_next`, `output_next`), checks the
//! result against the contracts, and publishes it in one transaction. Until then nobody sees any of it; a failed check
//! publishes nothing and says which rows broke which rule.

mod amended;
mod apply;
mod attempt;
mod build;
mod check;
mod constraints;
mod content;
mod error;
mod explain;
mod model_check;
mod model_tests;
mod models;
mod moment;
mod noticed;
mod openlineage;
mod plan;
mod planned;
mod put;
mod recheck;
mod rewrite;
mod run;

pub use apply::{Applied, InPlace};
pub use check::seconds as level_seconds;
pub use content::{content_hash, model_texts};
pub use error::PipelineError;
pub use explain::PlannedStage;
pub use model_check::ModelCheck;
pub use model_tests::{TestOutcome, run_model_tests};
pub use noticed::{BAD_ROWS, SOURCE_SCHEMA};
pub use plan::{Action, ModelStep};
pub use recheck::ScheduledRule;
pub use run::{Pipeline, RunRequest};
