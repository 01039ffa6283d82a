//! Errors: what keeps a statement from being answered.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorResponseBody;
use std::io;

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The connection URL is wrong.
    #[error("the database URL cannot be used: {0}")]
    Url(String),
    /// The server cannot be reached, or the connection broke and so did the next one.
    #[error("the database cannot be reached: {0}")]
    Connection(#[from] io::Error),
    /// The server does not let us in.
    #[error("the database refuses the connection: {0}")]
    Refused(String),
    /// The server answered with an error.
    #[error("the database answered with {code}: {message}")]
    Database {
        /// SQLSTATE.
        code: String,
        /// Its message; for logs only.
        message: String,
    },
    /// Too many statements wait already, or this one waited too long.
    #[error("too many statements wait for the database")]
    Busy,
    /// The statement took longer than it may.
    #[error("the statement ran into its time limit")]
    Timeout,
    /// The rows take more memory than they may.
    #[error("the rows take more than {0} bytes")]
    TooLarge(usize),
    /// The reader was closed.
    #[error("the reader is closed")]
    Closed,
}

/// SQLSTATE `query_canceled`: the statement's time limit, or a cancel request.
const CANCELED: &str = "57014";

impl DriverError {
    /// An error that the server sent.
    pub(crate) fn of(body: &ErrorResponseBody) -> Self {
        let (mut code, mut message) = (String::new(), String::new());
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            match field.type_() {
                b'C' => code = String::from_utf8_lossy(field.value_bytes()).into_owned(),
                b'M' => message = String::from_utf8_lossy(field.value_bytes()).into_owned(),
                _ => {}
            }
        }
        if code == CANCELED { Self::Timeout } else { Self::Database { code, message } }
    }

    /// Whether the statement must be prepared anew: its tables' columns are of other types than when it was, or the
    /// server does not know it.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Database { code, .. } if code == "0A000" || code == "26000")
    }

    /// Whether the server is going away: another connection may do better.
    pub(crate) fn is_shutdown(&self) -> bool {
        matches!(self, Self::Database { code, .. } if code.starts_with("57P")) || matches!(self, Self::Connection(_))
    }
}
