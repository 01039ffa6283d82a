//! Bumps: turns changes of contracts into the versions that they and the product must have (semver.org, 2.0.0).

use super::{ContractChange, contract_changes};
use crate::product::Product;
use crate::{DESCRIPTOR, Layer};
use terrane_diagnostics::{Diagnostic, Location};

/// The number of a version that rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// The third: nothing that anybody relies on has changed.
    Patch,
    /// The second: there is more.
    Minor,
    /// The first: something that was relied on is gone.
    Major,
}

impl Bump {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }

    /// The least version after `version` with this number risen. Before 1.0.0 the second number says what the first says
    /// later, and the third what the second says.
    fn after(self, version: [u32; 3]) -> [u32; 3] {
        let [major, minor, patch] = version;
        match (self, major) {
            (Self::Major, 0) => [0, minor + 1, 0],
            (Self::Minor, 0) | (Self::Patch, _) => [major, minor, patch + 1],
            (Self::Major, _) => [major + 1, 0, 0],
            (Self::Minor, _) => [major, minor + 1, 0],
        }
    }
}

/// Whether the versions of `new`'s contracts, and its own, say what has changed since `old`. Every diagnostic.
pub fn check_versions(old: &Product, new: &Product) -> Vec<Diagnostic> {
    let changes = contract_changes(old, new);
    let mut findings = Vec::new();
    for contract in &new.contracts {
        let Some(before) = old.contract(&contract.id) else { continue };
        let own: Vec<&ContractChange> = changes.iter().filter(|c| c.contract == contract.id).collect();
        let subject = format!("contract `{}`", contract.id);
        let place = Location::new(contract.file.as_str(), 1, 1);
        findings.extend(check(&subject, &before.version, &contract.version, &own, place));
    }
    let all: Vec<&ContractChange> = changes.iter().collect();
    let subject = format!("product `{}`", new.id);
    findings.extend(check(&subject, &old.version, &new.version, &all, Location::new(DESCRIPTOR, 1, 1)));
    findings
}

fn check(subject: &str, old: &str, new: &str, changes: &[&ContractChange], place: Location) -> Option<Diagnostic> {
    let needed = changes.iter().map(|c| c.bump).max().unwrap_or(Bump::Patch);
    let (Some(was), Some(is)) = (numbers(old), numbers(new)) else { return None };
    if is < was {
        let message = format!("the version of {subject} falls from {old} to {new}");
        return Some(Diagnostic::error("CONTRACT_VERSION", message).at(place).with_hint("versions only rise"));
    }
    if needed == Bump::Patch || is >= needed.after(was) {
        return None;
    }
    let [major, minor, patch] = needed.after(was);
    let list: Vec<&str> = changes.iter().filter(|c| c.bump == needed).map(|c| c.message.as_str()).collect();
    let what = match needed {
        Bump::Major if changes.iter().any(|c| c.bump == needed && c.layer == Layer::Output) => "breaks its consumers",
        Bump::Major => "breaks those who send to it",
        _ => "adds to what was promised",
    };
    let message = format!("{subject} goes from {old} to {new}, but what changed {what}: {}", list.join("; "));
    let hint = format!("give it version {major}.{minor}.{patch} or later, or take the change back");
    Some(Diagnostic::error("CONTRACT_VERSION", message).at(place).with_hint(hint))
}

/// The three numbers of a semantic version; what comes behind them orders nothing here.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let core = version.split(['-', '+']).next()?;
    let parts: Vec<u32> = core.split('.').map_while(|part| part.parse().ok()).collect();
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_as_semver_says() {
        assert_eq!(Bump::Major.after([1, 4, 2]), [2, 0, 0]);
        assert_eq!(Bump::Minor.after([1, 4, 2]), [1, 5, 0]);
        assert_eq!(Bump::Major.after([0, 4, 2]), [0, 5, 0]);
        assert_eq!(Bump::Minor.after([0, 4, 2]), [0, 4, 3]);
        assert_eq!(numbers("1.2.3-rc.1+5"), Some([1, 2, 3]));
        assert_eq!(numbers("1.2"), None);
    }
}
