//! Diagnostics: turns what a compiler found wrong (code, place, hint) into text for a terminal and JSON for a machine.
//!
//! Every compiler of this project (composition, manifest, query) collects *all* that it found and returns it as one
//! list. A [`Diagnostic`] is a value without behaviour; [`render`], [`pretty`] and its `Serialize` are the only ways out.

mod pretty;
mod render;

pub use pretty::pretty;
pub use render::{render, render_all};

use serde::Serialize;

/// How bad it is: an error stops the phase that found it, a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops the phase that found it.
    Error,
    /// Worth changing, but the result stands.
    Warning,
}

/// A place in a named source text. Lines and columns count from 1; columns count Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// Name of the source: a subgraph's name or a file's path relative to the product folder.
    pub source: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Location {
    /// A place in `source`.
    pub fn new(source: impl Into<String>, line: u32, column: u32) -> Self {
        Self { source: source.into(), line, column }
    }
}

/// One finding. `code` is stable and documented in `docs/errors.md`; `message` says what is wrong and where in terms
/// of the user's own names; `hint` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Diagnostic {
    /// Stable code in upper snake case, e.g. `INVALID_FIELD_SHARING`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where, most important place first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
}

impl Diagnostic {
    /// An error with `code` and `message`.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), hint: None, locations: Vec::new() }
    }

    /// A warning with `code` and `message`.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.locations.push(location);
        self
    }
}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
