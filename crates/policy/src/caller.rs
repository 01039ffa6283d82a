//! Callers: turns the claims of a token into a subject and a set of roles.

use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The role of a caller that did not sign in.
pub const ANONYMOUS: &str = "anonymous";

/// Role names, sorted and without duplicates; cheap to clone, and a good cache key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleSet {
    names: Arc<[String]>,
}

impl Default for RoleSet {
    fn default() -> Self {
        Self { names: Arc::new([]) }
    }
}

impl RoleSet {
    /// The set of `names`; empty names are left out.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(Into::into).filter(|n: &String| !n.is_empty()).collect();
        names.sort();
        names.dedup();
        Self { names: names.into() }
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|n| n.as_str().cmp(name)).is_ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl fmt::Display for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join("+"))
    }
}

/// Who asks: verified by whoever made this value.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The `sub` claim; none for [`Caller::anonymous`].
    pub subject: Option<String>,
    /// What it may be.
    pub roles: RoleSet,
    /// What its token was issued for (`@requiresScopes`), in the form of a set.
    pub scopes: RoleSet,
    /// Whether it has proved who it is.
    pub signed_in: bool,
    /// All claims, for row filters.
    pub claims: Map<String, Value>,
}

impl Caller {
    /// A caller that did not sign in: role `anonymous`, no claims.
    pub fn anonymous() -> Self {
        let scopes = RoleSet::default();
        Self { subject: None, roles: RoleSet::new([ANONYMOUS]), scopes, signed_in: false, claims: Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_sets_do_not_depend_on_order() {
        let set = RoleSet::new(["b", "a", "b", ""]);
        assert_eq!(set, RoleSet::new(["a", "b"]));
        assert_eq!(set.to_string(), "a+b");
        assert!(set.contains("a") && !set.contains("c"));
        assert!(Caller::anonymous().roles.contains(ANONYMOUS));
    }
}
