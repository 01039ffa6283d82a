//! Errors: turns what went wrong into the entries of a response's `errors` (GraphQL spec, section 7.1.2).

use serde::Serialize;
use serde_json::{Map, Value};

/// One step of a response path: a response key or a list index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum PathSegment {
    /// A response key (alias or field name).
    Key(String),
    /// A list index, from 0.
    Index(usize),
}

/// A place in the operation's text. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// An error a client may see. Internal errors never become one with their own text: see [`GraphqlError::internal`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphqlError {
    /// What is wrong and what to do, in lower case.
    pub message: String,
    /// Places in the operation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// The response position it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<PathSegment>,
    /// `code` and whatever else helps a machine.
    pub extensions: Map<String, Value>,
}

impl GraphqlError {
    /// An error with `extensions.code` set to `code`.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let mut extensions = Map::new();
        extensions.insert("code".to_owned(), Value::String(code.to_owned()));
        Self { message: message.into(), locations: Vec::new(), path: Vec::new(), extensions }
    }

    /// The one face of every internal error: the cause goes to the log under `request_id`, never to the client.
    pub fn internal(request_id: &str) -> Self {
        let mut error =
            Self::new("INTERNAL_SERVER_ERROR", "internal error; the operator finds its cause by request id");
        error.extensions.insert("requestId".to_owned(), Value::String(request_id.to_owned()));
        error
    }

    /// The same at `path`.
    #[must_use]
    pub fn at_path(mut self, path: Vec<PathSegment>) -> Self {
        self.path = path;
        self
    }

    /// The same with one more place in the operation.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.locations.push(Location { line, column });
        self
    }

    /// `extensions.code`, or the empty text.
    pub fn code(&self) -> &str {
        self.extensions.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The body of a response that has only errors: `{"errors":[…]}`, without `data`, as for an operation that did not run.
pub fn request_error_body(errors: &[GraphqlError]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        errors: &'a [GraphqlError],
    }
    serde_json::to_vec(&Body { errors }).expect("errors are plain JSON values")
}
