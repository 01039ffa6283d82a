//! Execution errors: turns what stopped a whole operation into a code and a message.

/// Why an operation did not run. What goes wrong while it runs is in the response instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    /// The variables do not fit the operation.
    #[error("{0}")]
    Variables(String),
    /// Something the executor does not support.
    #[error("{0}")]
    Unsupported(String),
    /// Introspection nests too deep.
    #[error("{0}")]
    Introspection(String),
}

impl ExecuteError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Variables(_) => "BAD_USER_INPUT",
            Self::Unsupported(_) => "UNSUPPORTED_OPERATION",
            Self::Introspection(_) => "INTROSPECTION_TOO_DEEP",
        }
    }
}
