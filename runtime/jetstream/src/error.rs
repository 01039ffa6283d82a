//! Errors: turns failures of the broker and the database into what an operator reads.

use terrane_store::StoreError;

/// Why a stream is not read or written. Internal: clients never see these texts.
#[derive(Debug, thiserror::Error)]
pub enum JetStreamError {
    /// The broker can't be reached, or does not do what it is asked.
    #[error("{what}: {reason}")]
    Broker {
        /// What was being done.
        what: &'static str,
        /// The client's word.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What should be read has ended.
    #[error("the stream of messages has ended")]
    Ended,
}

impl JetStreamError {
    /// For `map_err`.
    pub(crate) fn on<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Broker { what, reason: error.to_string() }
    }
}
