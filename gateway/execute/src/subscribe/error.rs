//! Errors of event sources: turns what ended a stream of events into a code and a message for clients.

use crate::transport::TransportError;
use std::time::Duration;

/// Why a stream of events ended before its time. The text is for logs: it may name hosts.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// Nobody there.
    #[error("the subgraph can't be reached: {0}")]
    Unreachable(String),
    /// It is not asked for a while.
    #[error("the subgraph is not asked for a while, because calls of it have failed")]
    CircuitOpen,
    /// No stream in time.
    #[error("the subgraph opened no stream within {0:?}")]
    Timeout(Duration),
    /// Not the status of a stream.
    #[error("the subgraph answered with HTTP status {0}")]
    Status(u16),
    /// Not the protocol.
    #[error("the subgraph's stream is not of the expected form: {0}")]
    Invalid(String),
    /// An event is longer than allowed.
    #[error("an event of the subgraph is longer than {0} bytes")]
    TooLarge(usize),
    /// The stream broke, and could not be opened again.
    #[error("the subgraph's stream broke: {0}")]
    Interrupted(String),
    /// Events come faster than the consumer takes them.
    #[error("{0} events wait already")]
    TooSlow(usize),
}

impl SourceError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "SUBGRAPH_UNREACHABLE",
            Self::CircuitOpen => "SUBGRAPH_CIRCUIT_OPEN",
            Self::Timeout(_) => "SUBGRAPH_TIMEOUT",
            Self::Status(_) => "SUBGRAPH_HTTP_ERROR",
            Self::Invalid(_) => "SUBGRAPH_INVALID_RESPONSE",
            Self::TooLarge(_) => "SUBGRAPH_RESPONSE_TOO_LARGE",
            Self::Interrupted(_) => "SUBSCRIPTION_INTERRUPTED",
            Self::TooSlow(_) => "SUBSCRIPTION_TOO_SLOW",
        }
    }

    /// What clients may read of it.
    pub fn public_message(&self, subgraph: &str) -> String {
        match self {
            Self::Unreachable(_) => format!("subgraph `{subgraph}` can't be reached"),
            Self::CircuitOpen => format!("subgraph `{subgraph}` is not well and is not asked for a while"),
            Self::Timeout(_) => format!("subgraph `{subgraph}` did not open a stream in time"),
            Self::Status(status) => format!("subgraph `{subgraph}` answered with HTTP status {status}"),
            Self::Invalid(_) => format!("the stream of subgraph `{subgraph}` is not of the expected form"),
            Self::TooLarge(_) => format!("an event of subgraph `{subgraph}` is too large"),
            Self::Interrupted(_) => {
                format!("the stream of subgraph `{subgraph}` broke and could not be opened again; subscribe again")
            }
            Self::TooSlow(most) => {
                format!("events come faster than they are taken, and {most} wait already; subscribe again")
            }
        }
    }

    /// Whether trying again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::CircuitOpen | Self::Timeout(_) | Self::Interrupted(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Invalid(_) | Self::TooLarge(_) | Self::TooSlow(_) => false,
        }
    }

    /// Whether the subgraph is unwell, as far as opening a stream can tell.
    pub(super) fn is_unwell(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Timeout(_) | Self::Status(502..=504))
    }
}

impl From<TransportError> for SourceError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Unreachable(why) => Self::Unreachable(why),
            TransportError::Timeout(after) => Self::Timeout(after),
            TransportError::TooLarge(limit) => Self::TooLarge(limit),
            TransportError::CircuitOpen => Self::CircuitOpen,
            TransportError::Overloaded => Self::Unreachable(error.to_string()),
        }
    }
}
