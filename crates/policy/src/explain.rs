//! Explaining: turns a question to a policy into the lines that decide it, by reading them one by one.
//!
//! casbin is the judge; this says why. That the two agree on every policy is a property that a test checks.

use crate::caller::RoleSet;
use crate::judge::{Policy, is_covered};
use std::collections::BTreeMap;

/// Why a role set may do something, or may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it may.
    pub allowed: bool,
    /// The lines that decide, by their place among the policy's: the denials where there are any, else what allows; empty
    /// where no line speaks of it.
    pub deciding: Vec<Deciding>,
}

/// A line that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deciding {
    /// Its place among the policy's lines, from 0.
    pub line: usize,
    /// How the role set comes to the line's role: one of its roles, what that inherits, and so on to the line's role.
    pub by: Vec<String>,
}

impl Policy {
    /// Why `roles` may do `action` to `object`, or may not.
    pub fn explain(&self, roles: &RoleSet, object: &str, action: &str) -> Explanation {
        let paths = self.paths(roles);
        let (mut denials, mut allowances) = (Vec::new(), Vec::new());
        for (place, line) in self.lines().iter().enumerate() {
            let [kind, role, named, act, effect] = line.as_slice() else { continue };
            let speaks = kind == "p" && (act == action || act == "*") && is_covered(object, named);
            let Some(path) = paths.get(role.as_str()).filter(|_| speaks) else { continue };
            let deciding = Deciding { line: place, by: path.iter().map(|role| (*role).to_owned()).collect() };
            match effect.as_str() {
                "deny" => denials.push(deciding),
                _ => allowances.push(deciding),
            }
        }
        match denials.is_empty() {
            true => Explanation { allowed: !allowances.is_empty(), deciding: allowances },
            false => Explanation { allowed: false, deciding: denials },
        }
    }

    /// By role that is held, directly or by inheritance: the shortest way to it.
    fn paths<'p>(&'p self, roles: &'p RoleSet) -> BTreeMap<&'p str, Vec<&'p str>> {
        let mut paths: BTreeMap<&str, Vec<&str>> = roles.iter().map(|role| (role, vec![role])).collect();
        let mut open: std::collections::VecDeque<&str> = roles.iter().collect();
        while let Some(role) = open.pop_front() {
            let path = paths[role].clone();
            for line in self.lines().iter().filter(|line| line[0] == "g" && line[1] == role) {
                if !paths.contains_key(line[2].as_str()) {
                    paths.insert(&line[2], path.iter().copied().chain([line[2].as_str()]).collect());
                    open.push_back(&line[2]);
                }
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_MODEL;

    #[test]
    fn the_lines_that_decide_are_named_with_the_way_to_them() {
        let text = "p, reader, d.*, read, allow\np, guest, d.secret, read, deny\ng, analyst, reader\ng, chief, analyst";
        let policy = Policy::new(DEFAULT_MODEL, &Policy::split_lines(text)).unwrap();
        let ask = |roles: &[&str], object: &str| policy.explain(&RoleSet::new(roles.iter().copied()), object, "read");
        let by = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let chief = ask(&["chief"], "d.secret");
        assert!(chief.allowed);
        assert_eq!(chief.deciding, [Deciding { line: 0, by: by(&["chief", "analyst", "reader"]) }]);
        let both = ask(&["chief", "guest"], "d.secret");
        assert_eq!((both.allowed, both.deciding), (false, vec![Deciding { line: 1, by: by(&["guest"]) }]));
        assert_eq!(ask(&["guest"], "d.open"), Explanation { allowed: false, deciding: Vec::new() });
    }
}
