//! Errors: turns what is wrong with a source or body into where it is and what to do.

use terrane_store::StoreError;

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
    #[error("`{0}` is no format that this port takes; send text/csv or application/x-ndjson")]
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
    /// No address is configured for a product that an input port reads.
    #[error(
        "product `{0}` is not known here; start it in the same mesh, or name it with --upstream {0}=http://HOST:PORT/graphql"
    )]
    UnknownUpstream(String),
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
            Self::Malformed { .. } => "BAD_ROW",
            Self::UnknownColumn { .. } => "UNKNOWN_COLUMN",
            Self::UnknownFormat(_) => "UNSUPPORTED_FORMAT",
            Self::File { .. } => "SOURCE_FILE",
            Self::Body(_) => "BODY_INCOMPLETE",
            Self::UnknownUpstream(_) => "UNKNOWN_UPSTREAM",
            Self::Upstream { .. } => "UPSTREAM_FAILED",
            Self::NotPulled(_) => "NOT_PULLED",
        }
    }

    /// Whether the sender's data or request is wrong, so that the sender may see the text.
    pub fn is_client(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. }
                | Self::UnknownColumn { .. }
                | Self::UnknownFormat(_)
                | Self::Body(_)
                | Self::Store(StoreError::BadRow(_))
        )
    }
}
