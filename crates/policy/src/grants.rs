//! Grants: turns policy lines that name a subject and end at a time into the role set that a caller has now.
//!
//! A grant is a casbin line: `g, SUBJECT, ROLE` or `p, SUBJECT, DATASET.FIELD, read, allow`. What a caller's lines come to is
//! part of its role set: a granted role by its name, a granted field as [`GRANTED`] and its policy object. So whatever is
//! kept by role set is right before, while and after a grant holds, and nothing has to be thrown away when it ends.

use crate::caller::{Caller, RoleSet};
use rustc_hash::FxHashMap;

/// What stands in a role set before the policy object of a field that was granted. No token brings such a role.
pub const GRANTED: &str = "granted:";

/// A line for one subject, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantLine {
    /// Whom it names.
    pub subject: String,
    /// `["g", SUBJECT, ROLE]` or `["p", SUBJECT, OBJECT, "read", "allow"]`; others give nothing.
    pub line: Vec<String>,
    /// Milliseconds since 1970 from which on it holds no longer.
    pub until: i64,
}

/// The grants of a product, as they were last read.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    revision: i64,
    /// By subject: what is added to its roles, and until when.
    added: FxHashMap<String, Vec<(String, i64)>>,
    /// When lines end, in order.
    ends: Vec<i64>,
}

impl Grants {
    /// The grants of `lines`. `revision` is another one whenever the lines are.
    pub fn new(revision: i64, lines: impl IntoIterator<Item = GrantLine>) -> Self {
        let mut grants = Self { revision, ..Self::default() };
        for GrantLine { subject, line, until } in lines {
            let words: Vec<&str> = line.iter().map(String::as_str).collect();
            let role = match words.as_slice() {
                ["g", whom, role] if *whom == subject && !role.starts_with(GRANTED) => (*role).to_owned(),
                ["p", whom, object, "read", "allow"] if *whom == subject => format!("{GRANTED}{object}"),
                _ => continue,
            };
            grants.added.entry(subject).or_default().push((role, until));
            grants.ends.push(until);
        }
        grants.ends.sort_unstable();
        grants
    }

    /// What this was read as.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// A word for who has which grants at `now` (milliseconds since 1970): the same as long as nothing of that changed.
    pub fn state(&self, now: i64) -> String {
        let ended = self.ends.partition_point(|until| *until <= now);
        format!("{}.{ended}", self.revision)
    }

    /// The roles of `caller` at `now` (milliseconds since 1970): those of its token, and what it was granted. A grant is its
    /// subject's: a caller that has not signed in has none.
    pub fn roles(&self, caller: &Caller, now: i64) -> RoleSet {
        let own = own_roles(&caller.roles);
        let holds = |(role, until): &(String, i64)| (now < *until).then(|| role.clone());
        let added: Vec<String> = self.of(caller).iter().filter_map(holds).collect();
        if added.is_empty() {
            return own;
        }
        RoleSet::new(own.iter().map(str::to_owned).chain(added))
    }

    /// When the first of the grants that `caller` has at `now` ends; none where it has none. Milliseconds since 1970.
    pub fn next_end(&self, caller: &Caller, now: i64) -> Option<i64> {
        self.of(caller).iter().map(|(_, until)| *until).filter(|until| now < *until).min()
    }

    fn of(&self, caller: &Caller) -> &[(String, i64)] {
        let subject = caller.subject.as_deref().filter(|_| caller.signed_in);
        subject.and_then(|subject| self.added.get(subject)).map_or(&[], Vec::as_slice)
    }
}

/// The roles of a token, without those that only a grant gives.
pub fn own_roles(roles: &RoleSet) -> RoleSet {
    if roles.iter().any(|role| role.starts_with(GRANTED)) {
        return RoleSet::new(roles.iter().filter(|role| !role.starts_with(GRANTED)));
    }
    roles.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(subject: &str, roles: &[&str]) -> Caller {
        let roles = RoleSet::new(roles.iter().copied());
        Caller { subject: Some(subject.to_owned()), roles, signed_in: true, ..Caller::anonymous() }
    }

    fn line(subject: &str, words: &[&str], until: i64) -> GrantLine {
        let line = words.iter().map(|word| (*word).to_owned()).collect();
        GrantLine { subject: subject.to_owned(), line, until }
    }

    #[test]
    fn a_grant_is_its_subjects_until_it_ends() {
        let grants = Grants::new(
            7,
            [
                line("ada", &["g", "ada", "analyst"], 100),
                line("ada", &["p", "ada", "cities.population", "read", "allow"], 50),
                line("ada", &["p", "ada", "cities.population", "write", "allow"], 50),
                line("ada", &["g", "bob", "steward"], 100),
            ],
        );
        let roles = |caller: &Caller, now| grants.roles(caller, now).to_string();
        let ada = caller("ada", &["reader"]);
        assert_eq!(roles(&ada, 49), "analyst+granted:cities.population+reader");
        assert_eq!((roles(&ada, 50), roles(&ada, 100)), ("analyst+reader".to_owned(), "reader".to_owned()));
        assert_eq!(roles(&caller("bob", &["reader"]), 0), "reader");
        let ends = [0, 50, 100].map(|now| grants.next_end(&ada, now));
        assert_eq!(ends, [Some(50), Some(100), None]);
        assert_eq!([0, 50, 100].map(|now| grants.state(now)), ["7.0", "7.1", "7.2"]);
    }

    #[test]
    fn who_has_not_signed_in_has_no_grant_and_no_token_brings_one() {
        let grants = Grants::new(1, [line("ada", &["g", "ada", "analyst"], 100)]);
        let unproved = Caller { signed_in: false, ..caller("ada", &["anonymous"]) };
        assert_eq!(grants.roles(&unproved, 0).to_string(), "anonymous");
        let forged = caller("eve", &["granted:cities.population", "reader"]);
        assert_eq!(grants.roles(&forged, 0).to_string(), "reader");
    }
}
