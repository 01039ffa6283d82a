//! Errors: turns what is wrong with a source or body into where it is and what to do.

use std::sync::Arc;
use terrane_store::{Reject, StoreError};

/// Why a batch was not taken in. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The records or the rows could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The body or file is not of its format.
    #[error("row {row}: {reason}")]
    Malformed {
        /// Which row, from 1; a header is row 0.
        row: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows are not as the contract says, and more of them than it allows.
    #[error("{}", describe(*rows, *more, rejects))]
    BadRows {
        /// How many.
        rows: u64,
        /// Whether there may be more, which were not looked at.
        more: bool,
        /// What is wrong with them.
        rejects: Arc<[Reject]>,
    },
    /// A source lacks a column that the contract requires.
    #[error("there is no column for field `{column}`, which the contract of dataset `{dataset}` requires")]
    MissingColumn {
        /// The field.
        column: String,
        /// The dataset.
        dataset: String,
    },
    /// A header names a column that the contract does not have.
    #[error("column `{column}` is not in the contract of dataset `{dataset}`; it has: {known}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// The dataset.
        dataset: String,
        /// What would be right.
        known: String,
    },
    /// A format that is not taken.
    #[error(
        "`{0}` is no format that this port takes; send CSV, TSV, JSON, NDJSON, Parquet, Arrow IPC, Avro or XLSX, as it is or in gzip or zstd"
    )]
    UnknownFormat(String),
    /// The source file cannot be read.
    #[error("file `{path}`: {source}")]
    File {
        /// Path relative to the product folder.
        path: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// The body ended with an error.
    #[error("the body could not be read to its end: {0}")]
    Body(std::io::Error),
    /// A body could not be kept until it is read.
    #[error("the body could not be written to a temporary file: {0}")]
    Spool(std::io::Error),
    /// No address is configured for a product that an input port reads.
    #[error(
        "product `{0}` is not known here; start it in the same mesh, or name it with --upstream {0}=http://HOST:PORT/graphql"
    )]
    UnknownUpstream(String),
    /// A source did not give what it should.
    #[error("input port `{port}`: {reason}")]
    Source {
        /// Which port.
        port: String,
        /// What it did; without secrets.
        reason: String,
    },
    /// A connector needs a variable of the environment.
    #[error("the environment has no `{0}`, which a connector needs")]
    MissingVariable(String),
    /// The other product did not answer as a product does.
    #[error("product `{product}`: {reason}")]
    Upstream {
        /// Which product.
        product: String,
        /// What it did.
        reason: String,
    },
    /// The port has no source to pull from.
    #[error("input port `{0}` is pushed to, not pulled from")]
    NotPulled(String),
}

impl IngestError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Malformed { .. } | Self::BadRows { .. } => "BAD_ROW",
            Self::MissingColumn { .. } => "MISSING_COLUMN",
            Self::UnknownColumn { .. } => "UNKNOWN_COLUMN",
            Self::UnknownFormat(_) => "UNSUPPORTED_FORMAT",
            Self::File { .. } => "SOURCE_FILE",
            Self::Body(_) => "BODY_INCOMPLETE",
            Self::Spool(_) => "SPOOL_FAILED",
            Self::UnknownUpstream(_) => "UNKNOWN_UPSTREAM",
            Self::Upstream { .. } => "UPSTREAM_FAILED",
            Self::Source { .. } => "SOURCE_FAILED",
            Self::MissingVariable(_) => "MISSING_VARIABLE",
            Self::NotPulled(_) => "NOT_PULLED",
        }
    }

    /// Whether the sender's data or request is wrong, so that the sender may see the text.
    pub fn is_client(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. }
                | Self::BadRows { .. }
                | Self::MissingColumn { .. }
                | Self::UnknownColumn { .. }
                | Self::UnknownFormat(_)
                | Self::Body(_)
                | Self::Store(StoreError::BadRow { .. })
        )
    }
}

/// Examples of bad rows that an error's text tells.
const EXAMPLES: usize = 3;

/// Places and reasons, without values: the text goes to records that more may read than the data.
fn describe(rows: u64, more: bool, rejects: &[Reject]) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    let mut text = format!("{}{rows} bad {noun}", if more { "at least " } else { "" });
    for reject in rejects.iter().take(EXAMPLES) {
        let field = reject.field.as_ref().map(|f| format!(", field `{f}`")).unwrap_or_default();
        let part = reject.part.as_ref().map(|part| format!("{part}, ")).unwrap_or_default();
        text.push_str(&format!("; {part}row {}{field}: {}", reject.row, reject.reason));
    }
    text
}
