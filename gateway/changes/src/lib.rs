//! Changes: turns two API schemas, and the operations that clients send, into what breaks whom. No IO.
//!
//! [`compare`] lists every difference that a client may notice; [`weigh`] lets those be safe that touch nothing which a
//! known operation uses.

mod inputs;
mod schema;
mod usage;

pub use usage::{Operation, weigh};

use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use serde::Serialize;

/// How bad a change is for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Valid operations become invalid, or their answers get another form.
    Breaking,
    /// Operations stay valid, but clients may meet what they did not expect.
    Dangerous,
    /// No client notices.
    Safe,
}

/// One difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Stable code in upper snake case; where it has a counterpart there, the name that graphql-js gives it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Schema coordinate: `Type`, `Type.field`, `Type.field(argument:)`, `Enum.VALUE` or `@directive`.
    pub path: String,
    /// What changed.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// Operations that it touches, where operations were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
    /// Coordinates of which an operation that notices the change uses at least one.
    #[serde(skip)]
    pub(crate) touches: Vec<String>,
}

impl Change {
    fn new(code: &'static str, severity: Severity, path: impl Into<String>, message: impl Into<String>) -> Self {
        let path = path.into();
        let touches = vec![path.clone()];
        Self { code, severity, path, message: message.into(), hint: None, used_by: Vec::new(), touches }
    }

    fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    fn noticed_by(mut self, coordinate: impl Into<String>) -> Self {
        self.touches.push(coordinate.into());
        self
    }
}

/// What changed from `old` to `new`, worst first, then by path. Descriptions don't count.
pub fn compare(old: &Valid<Schema>, new: &Valid<Schema>) -> Vec<Change> {
    let mut changes = Vec::new();
    schema::compare(old, new, &mut changes);
    changes.sort_by(|a, b| (a.severity, &a.path, a.code).cmp(&(b.severity, &b.path, b.code)));
    changes
}
