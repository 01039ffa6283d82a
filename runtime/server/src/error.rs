//! Errors: turns what stops a product from being served into what an operator reads.

use crate::audit::KeepError;
use terrane_auth::AuthError;
use terrane_diagnostics::{Diagnostic, render_all};
use terrane_driver::DriverError;
use terrane_pipeline::PipelineError;
use terrane_policy::PolicyError;
use terrane_store::StoreError;

/// Why a product cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The folder cannot be read.
    #[error("product folder {path}: {source}")]
    Folder {
        /// Which folder.
        path: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// The folder is no product.
    #[error("product folder {path} has errors:\n{}", render_all(.diagnostics))]
    Product {
        /// Which folder.
        path: String,
        /// All that is wrong.
        diagnostics: Vec<Diagnostic>,
    },
    /// The policy cannot be judged by.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database's URL, or a replica's, cannot be used.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A run cannot be recorded.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Requests could not be put on record.
    #[error("the audit log cannot be kept: {0}; `--audit-spool` names a folder for it that can be written")]
    Audit(String),
    /// The settings of authentication cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<KeepError> for RuntimeError {
    fn from(error: KeepError) -> Self {
        Self::Audit(error.to_string())
    }
}
