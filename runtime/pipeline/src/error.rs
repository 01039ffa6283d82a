//! Errors: turns what stopped a run into a code and a text for those who may see runs.

use terrane_ingest::IngestError;
use terrane_store::StoreError;

/// Why a run published nothing.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The records or the swap failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An input could not be had.
    #[error("input port `{port}`: {source}")]
    Pull {
        /// Which port.
        port: String,
        /// Why.
        source: IngestError,
    },
    /// A model's statement failed.
    #[error("model {file}: {message}")]
    Model {
        /// The model's file.
        file: String,
        /// Postgres's word.
        message: String,
    },
    /// What was put in at run time does not go with the product any more, or is refused.
    #[error("{message}")]
    Put {
        /// The code of what is wrong.
        code: &'static str,
        /// All that is wrong.
        message: String,
    },
    /// Rows of an input went or were changed whenever the models were built, so no version of one moment could be made.
    #[error(
        "rows of input `{table}` were replaced or deleted while the models were built, {attempts} times; nothing was \
         published: replace it less often, or run when no batch is coming in"
    )]
    InputsChanged {
        /// Which table.
        table: String,
        /// How often the models were built.
        attempts: u32,
    },
    /// The result is not what the contract promises.
    #[error("{message}")]
    Checks {
        /// The rules that are broken, or cannot be measured.
        rules: Vec<String>,
        /// What was expected and measured of each.
        message: String,
    },
    /// A constraint could not be added although the checks passed.
    #[error("dataset `{dataset}`: {message}")]
    Constraint {
        /// Which dataset.
        dataset: String,
        /// Postgres's word.
        message: String,
    },
}

impl PipelineError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Pull { .. } => "PULL_FAILED",
            Self::Model { .. } => "MODEL_FAILED",
            Self::Put { code, .. } => code,
            Self::InputsChanged { .. } => "INPUTS_CHANGED",
            Self::Checks { .. } => "CHECKS_FAILED",
            Self::Constraint { .. } => "CONSTRAINT_FAILED",
        }
    }

    /// What it is, in words that stay the same while the same thing is wrong: without numbers and samples of rows.
    pub fn cause(&self) -> String {
        let of = match self {
            Self::Store(_) => String::new(),
            Self::Pull { port, .. } => port.clone(),
            Self::Model { file, .. } => file.clone(),
            Self::Put { message, .. } => message.clone(),
            Self::InputsChanged { table, .. } => table.clone(),
            Self::Checks { rules, .. } => rules.join(", "),
            Self::Constraint { dataset, .. } => dataset.clone(),
        };
        format!("{}: {of}", self.code())
    }

    /// A statement of ours about `what` failed: the database is to blame, or what the statement says.
    pub fn of_statement(what: &'static str, error: sqlx::Error, otherwise: impl FnOnce(&sqlx::Error) -> Self) -> Self {
        let statement = matches!(&error, sqlx::Error::Database(inner) if !inner.code().is_some_and(|c| is_outage(&c)));
        if statement { otherwise(&error) } else { StoreError::database(what, error).into() }
    }

    /// Whether the same run may succeed later without anybody changing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Database { .. } | StoreError::InputBusy(_)),
            Self::InputsChanged { .. } => true,
            Self::Pull { source: IngestError::Store(error), .. } => matches!(error, StoreError::Database { .. }),
            Self::Pull { source, .. } => matches!(
                source,
                IngestError::File { .. }
                    | IngestError::Upstream { .. }
                    | IngestError::Source { .. }
                    | IngestError::Body(_)
                    | IngestError::Spool(_)
            ),
            Self::Model { .. } | Self::Put { .. } | Self::Checks { .. } | Self::Constraint { .. } => false,
        }
    }

    /// What is written into the run's record. Database texts about connections stay in the log.
    pub fn public_text(&self) -> String {
        match self {
            Self::Store(StoreError::Database { what, .. }) => {
                format!("{what}: the database did not answer; the log says more")
            }
            Self::Store(StoreError::Migration(_)) => "the database could not be migrated; the log says more".to_owned(),
            other => other.to_string(),
        }
    }
}

/// SQLSTATE classes of connections that broke, resources that are used up, an operator who stops the server, and the
/// system's own errors.
fn is_outage(code: &str) -> bool {
    ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
}
