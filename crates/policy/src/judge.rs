//! Judge: turns policy lines into answers, by asking casbin.

use crate::caller::RoleSet;
use crate::table::{DecisionTable, Questions};
use casbin::{Adapter, CoreApi, DefaultModel, Enforcer, MemoryAdapter, Model};
use futures_util::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name a role set has inside casbin; no role can be called so, because roles are no empty text.
const SUBJECT: &str = "";
const EFFECT: &str = "some(where (p_eft == allow)) && !some(where (p_eft == deny))";

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The model text is no casbin model, or not one with this project's request, policy and effect.
    #[error("the policy model cannot be used: {0}; compare with policies/model.conf")]
    Model(String),
    /// A line is neither `p, role, object, action, effect` nor `g, role, inherited`.
    #[error(
        "policy line {line} cannot be used: `{text}`; write `p, ROLE, OBJECT, ACTION, allow|deny` or `g, ROLE, INHERITED`"
    )]
    Line {
        /// Its index, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
}

impl PolicyError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(_) => "POLICY_MODEL",
            Self::Line { .. } => "POLICY_LINE",
        }
    }
}

/// A checked policy: model and lines; cheap to clone.
#[derive(Debug, Clone)]
pub struct Policy {
    text: Arc<Text>,
}

#[derive(Debug)]
struct Text {
    model: String,
    lines: Vec<Vec<String>>,
}

impl Policy {
    /// Check `model` (casbin's format) and `lines`, each `["p", role, object, action, effect]` or
    /// `["g", role, inherited]`. A role may name an object as `prefix*`.
    ///
    /// # Errors
    /// [`PolicyError`] for the first thing that casbin could not judge by.
    pub fn new(model: &str, lines: &[Vec<String>]) -> Result<Self, PolicyError> {
        for (index, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.iter().map(String::as_str).collect();
            let right = match words.as_slice() {
                ["p", role, object, action, "allow" | "deny"] => ![*role, *object, *action].contains(&""),
                ["g", role, inherited] => !role.is_empty() && !inherited.is_empty(),
                _ => false,
            };
            if !right {
                return Err(PolicyError::Line { line: index + 1, text: line.join(", ") });
            }
        }
        let policy = Self { text: Arc::new(Text { model: model.to_owned(), lines: lines.to_vec() }) };
        let enforcer = policy.enforcer(&RoleSet::new(["nobody"]))?;
        enforcer.enforce((SUBJECT, "object", "action")).map_err(|e| PolicyError::Model(e.to_string()))?;
        Ok(policy)
    }

    /// Split a CSV text of policy lines at its commas; empty lines and those that start with `#` are left out.
    pub fn split_lines(text: &str) -> Vec<Vec<String>> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split(',').map(|part| part.trim().to_owned()).collect())
            .collect()
    }

    /// Whether a caller with `roles` may do `action` to `object`. Asks casbin: use it to compile, not per request.
    pub fn allows(&self, roles: &RoleSet, object: &str, action: &str) -> bool {
        self.enforcer(roles).is_ok_and(|e| e.enforce((SUBJECT, object, action)).unwrap_or(false))
    }

    /// Answer all `questions` for `roles`.
    pub fn decide(&self, roles: &RoleSet, questions: &Arc<Questions>) -> DecisionTable {
        // `new` has shown that the model builds and judges; should it fail nevertheless, everything is denied
        let enforcer = self.enforcer(roles).ok();
        DecisionTable::build(questions, |object, action| {
            enforcer.as_ref().is_some_and(|e| e.enforce((SUBJECT, object, action)).unwrap_or(false))
        })
    }

    /// The same policy with `lines` after its own.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub fn with(&self, lines: impl IntoIterator<Item = Vec<String>>) -> Result<Self, PolicyError> {
        let all: Vec<Vec<String>> = self.lines().iter().cloned().chain(lines).collect();
        Self::new(&self.text.model, &all)
    }

    /// Its lines, in order.
    pub fn lines(&self) -> &[Vec<String>] {
        &self.text.lines
    }

    /// Whether this is `other` or a clone of it, and not only an equal one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// The lines that can concern `roles`, sorted: where two policies have the same, they decide the same for these roles.
    pub fn concerning(&self, roles: &RoleSet) -> Vec<&Vec<String>> {
        let reachable = self.reachable(roles);
        let mut lines: Vec<&Vec<String>> =
            self.lines().iter().filter(|line| reachable.contains(line[1].as_str())).collect();
        lines.sort();
        lines
    }

    /// An enforcer whose one subject has `roles`, loaded with the lines that can concern them: casbin evaluates every
    /// line for every question, so the others would only cost time.
    fn enforcer(&self, roles: &RoleSet) -> Result<Enforcer, PolicyError> {
        let model_error = |e: casbin::Error| PolicyError::Model(e.to_string());
        let reachable = self.reachable(roles);
        let mut adapter = MemoryAdapter::default();
        let membership = roles.iter().map(|role| vec!["g".to_owned(), SUBJECT.to_owned(), role.to_owned()]);
        let concerning = self.lines().iter().filter(|line| reachable.contains(line[1].as_str())).cloned();
        for line in membership.chain(concerning) {
            ready(adapter.add_policy(&line[0], &line[0], line[1..].to_vec())).map_err(model_error)?;
        }
        let model = ready(DefaultModel::from_str(&self.text.model)).map_err(model_error)?;
        let effect = model.get_model().get("e").and_then(|e| e.get("e")).map(|e| e.value.clone());
        if effect.as_deref() != Some(EFFECT) {
            // casbin panics on effects it does not know
            return Err(PolicyError::Model("its effect must let a deny win and deny what nothing allows".to_owned()));
        }
        for (section, tokens) in [("r", 3), ("p", 4)] {
            let found = model.get_model().get(section).and_then(|s| s.get(section)).map(|a| a.tokens.len());
            if found != Some(tokens) {
                return Err(PolicyError::Model(format!("section `{section}` must have {tokens} parts")));
            }
        }
        let mut enforcer = ready(Enforcer::new(model, adapter)).map_err(model_error)?;
        enforcer.add_function("covers", casbin::function_map::OperatorFunction::Arg2(covers));
        Ok(enforcer)
    }

    /// `roles` and all that they inherit.
    fn reachable(&self, roles: &RoleSet) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> =
            self.lines().iter().map(|line| line[1].as_str()).filter(|name| roles.contains(name)).collect();
        while let Some(role) = open.pop() {
            if found.insert(role) {
                let inherited = self.lines().iter().filter(|l| l[0] == "g" && l[1] == role).map(|l| l[2].as_str());
                open.extend(inherited);
            }
        }
        found
    }
}

/// Whether a policy's object names the asked one: exactly, or as a prefix before its `*`.
#[allow(clippy::needless_pass_by_value)] // casbin's signature
fn covers(asked: casbin::rhai::Dynamic, named: casbin::rhai::Dynamic) -> casbin::rhai::Dynamic {
    is_covered(&asked.to_string(), &named.to_string()).into()
}

/// Whether the object `named` by a line is the `asked` one: exactly, or as a prefix before its `*`.
pub(crate) fn is_covered(asked: &str, named: &str) -> bool {
    match named.strip_suffix('*') {
        Some(prefix) => asked.starts_with(prefix),
        None => asked == named,
    }
}

/// The result of a future that never waits: casbin's adapter is in memory.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing in memory waits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_MODEL;

    fn policy(text: &str) -> Policy {
        Policy::new(DEFAULT_MODEL, &Policy::split_lines(text)).unwrap()
    }

    #[test]
    fn absent_means_deny_and_deny_wins() {
        let policy = policy(
            "p, reader, countries.*, read, allow\n# comment\n\np, guest, countries.name, read, deny\n\
             p, analyst, countries.population, write, allow\ng, analyst, reader",
        );
        let ask = |roles: &[&str], object: &str, action: &str| {
            policy.allows(&RoleSet::new(roles.iter().copied()), object, action)
        };
        assert!(ask(&["reader"], "countries.name", "read"));
        assert!(!ask(&["reader"], "countries.name", "write"));
        assert!(!ask(&["reader"], "countriesx.name", "read"));
        assert!(ask(&["analyst"], "countries.name", "read"), "inherited");
        assert!(ask(&["analyst"], "countries.population", "write"));
        assert!(!ask(&["reader", "guest"], "countries.name", "read"), "a deny of one role wins");
        assert!(ask(&["reader", "guest"], "countries.code", "read"));
        assert!(!ask(&[], "countries.name", "read"));
        assert!(!ask(&["nobody"], "countries.name", "read"));
        assert!(!ask(&["reader"], "länder", "read"));
    }

    #[test]
    fn a_model_that_allows_by_default_is_refused() {
        let open = DEFAULT_MODEL.replace("some(where (p.eft == allow)) && !some", "!some");
        assert!(matches!(Policy::new(&open, &[]), Err(PolicyError::Model(_))));
        assert!(matches!(Policy::new("", &[]), Err(PolicyError::Model(_))));
        let broken = DEFAULT_MODEL.replace("covers(", "unknown(");
        let lines = Policy::split_lines("p, nobody, object, action, allow");
        assert!(matches!(Policy::new(&broken, &lines), Err(PolicyError::Model(_))));
    }

    #[test]
    fn lines_are_checked() {
        for text in ["p, a, b, read", "p, a, b, read, maybe", "g, a", "x, a, b", "p, , b, read, allow"] {
            assert!(
                matches!(
                    Policy::new(DEFAULT_MODEL, &Policy::split_lines(text)),
                    Err(PolicyError::Line { line: 1, .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn inheritance_may_have_cycles() {
        let policy = policy("g, a, b\ng, b, a\np, b, x, read, allow");
        assert!(policy.allows(&RoleSet::new(["a"]), "x", "read"));
    }
}
