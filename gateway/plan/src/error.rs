//! Planning errors: turns what made a supergraph or an operation unplannable into a code and a message.

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The supergraph text is not GraphQL, or not of the join specification.
    #[error("the supergraph can't be read: {0}")]
    Supergraph(String),
    /// The document has no such operation.
    #[error("{0}")]
    Operation(String),
    /// A field that no subgraph can be brought to answer.
    #[error("no subgraph can resolve `{field}` at this place; the supergraph is not satisfiable for it")]
    Unreachable {
        /// `Type.field`.
        field: String,
    },
    /// The operation needs more work than the limits allow.
    #[error("the operation is too large to plan: more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Something the planner does not support.
    #[error("{0}")]
    Unsupported(String),
}

impl PlanError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Supergraph(_) => "INVALID_SUPERGRAPH",
            Self::Operation(_) => "OPERATION_RESOLUTION_FAILURE",
            Self::Unreachable { .. } => "UNREACHABLE_FIELD",
            Self::TooLarge { .. } => "OPERATION_TOO_LARGE",
            Self::Unsupported(_) => "UNSUPPORTED_OPERATION",
        }
    }
}
