//! Mesh policy: turns the mesh-wide casbin lines into the fields that a role set may not select.
//!
//! The mesh's rules only take away: a product decides for itself, whoever calls it. So a field is denied here only by a
//! line that denies it for one of the caller's roles; `p, ROLE, Type.field, read, deny`, or `Type.*`.

use moka::sync::Cache;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use terrane_policy::{DEFAULT_MODEL, Policy, PolicyError, Questions, RoleSet};

/// Role sets whose decisions are kept.
const KEPT: u64 = 1_000;

/// The role that every caller has in the mesh's rules.
pub const EVERYBODY: &str = "everybody";

/// Fields that a role set may not select, as `(type, field)`.
pub type DeniedFields = FxHashSet<(String, String)>;

/// The mesh's rules over the fields of one graph.
pub struct MeshPolicy {
    policy: Option<Policy>,
    questions: Arc<Questions>,
    fields: Vec<(String, String)>,
    compiled: Cache<RoleSet, Arc<DeniedFields>>,
}

impl MeshPolicy {
    /// Rules from casbin `lines` (none: nothing is denied), for the object fields of an API schema.
    ///
    /// # Errors
    /// [`PolicyError`] for a line that is none.
    pub fn new(lines: Option<&str>, fields: Vec<(String, String)>) -> Result<Self, PolicyError> {
        let Some(text) = lines else {
            return Ok(Self { policy: None, questions: Questions::new([]), fields, compiled: Cache::new(KEPT) });
        };
        let mut all = Policy::split_lines(text);
        // what the mesh says nothing about is the product's to decide
        all.push(["p", EVERYBODY, "*", "read", "allow"].map(str::to_owned).to_vec());
        let policy = Policy::new(DEFAULT_MODEL, &all)?;
        let objects = fields.iter().map(|(of, field)| (format!("{of}.{field}"), "read".to_owned()));
        let questions = Questions::new(objects);
        Ok(Self { policy: Some(policy), questions, fields, compiled: Cache::new(KEPT) })
    }

    /// The fields that `roles` may not select; decided when a role set is first seen.
    pub fn denied(&self, roles: &RoleSet) -> Arc<DeniedFields> {
        self.compiled.get_with_by_ref(roles, || Arc::new(self.decide(roles)))
    }

    fn decide(&self, roles: &RoleSet) -> DeniedFields {
        let Some(policy) = &self.policy else { return DeniedFields::default() };
        let mut names: Vec<String> = roles.iter().map(str::to_owned).collect();
        names.push(EVERYBODY.to_owned());
        let table = policy.decide(&RoleSet::new(names), &self.questions);
        self.fields.iter().filter(|(of, field)| !table.allows(&format!("{of}.{field}"), "read")).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(lines: Option<&str>, roles: &[&str]) -> Vec<String> {
        let fields = [("Country", "code"), ("Country", "population"), ("Continent", "code")];
        let fields = fields.map(|(of, field)| (of.to_owned(), field.to_owned())).to_vec();
        let policy = MeshPolicy::new(lines, fields).unwrap();
        let mut found: Vec<String> = policy
            .denied(&RoleSet::new(roles.iter().copied()))
            .iter()
            .map(|(of, field)| format!("{of}.{field}"))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn only_what_a_line_denies_is_denied() {
        let lines =
            Some("p, anonymous, Country.population, read, deny\np, guest, Country.*, read, deny\ng, visitor, guest");
        assert_eq!(denied(None, &["anonymous"]), Vec::<String>::new());
        assert_eq!(denied(lines, &["analyst"]), Vec::<String>::new());
        assert_eq!(denied(lines, &["anonymous"]), ["Country.population"]);
        assert_eq!(denied(lines, &["visitor", "analyst"]), ["Country.code", "Country.population"]);
        assert_eq!(denied(Some("p, everybody, Continent.code, read, deny"), &[]), ["Continent.code"]);
    }
}
