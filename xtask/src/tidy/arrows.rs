//! Arrows: turns the crates' declared dependencies into breaches of the architecture's dependency rules.

use cargo_metadata::{DependencyKind, Metadata};
use std::collections::{BTreeMap, BTreeSet};

/// One of our crates, by its folder, with its normal (not development) dependencies.
#[derive(Debug, Clone)]
pub struct Member {
    /// Folder below the workspace root, e.g. `gateway/plan`; empty for the root package.
    pub folder: String,
    /// Names of its dependencies.
    pub dependencies: BTreeSet<String>,
}

/// Crates that do no IO: nothing of these may be among their direct dependencies.
const PURE: [&str; 10] = [
    "terrane-changes",
    "terrane-compose",
    "terrane-plan",
    "terrane-manifest",
    "terrane-policy",
    "terrane-query",
    "terrane-diagnostics",
    "terrane-sql",
    "terrane-diagram",
    "terrane-views",
];
const IO: [&str; 12] = [
    "tokio",
    "sqlx",
    "hyper",
    "hyper-util",
    "axum",
    "reqwest",
    "notify",
    "nix",
    "postgres-protocol",
    "terrane-postgres",
    "terrane-store",
    "terrane-driver",
];

/// Pairs that must never be: the left does not depend on the right.
const FORBIDDEN: [(&str, &str); 2] = [("terrane-plan", "terrane-compose"), ("terrane-compose", "terrane-plan")];

/// Read our crates from the metadata.
pub fn read(metadata: &Metadata) -> BTreeMap<String, Member> {
    let root = &metadata.workspace_root;
    let members = metadata.workspace_packages().into_iter().map(|package| {
        let folder = package.manifest_path.parent().and_then(|p| p.strip_prefix(root).ok());
        let dependencies =
            package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.clone()).collect();
        let folder = folder.map(ToString::to_string).unwrap_or_default();
        (package.name.to_string(), Member { folder, dependencies })
    });
    members.collect()
}

/// Every breach, in words.
pub fn check(members: &BTreeMap<String, Member>) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, member) in members {
        for dependency in &member.dependencies {
            if PURE.contains(&name.as_str()) && IO.contains(&dependency.as_str()) {
                breaches.push(format!("{name} does no IO, but depends on {dependency}"));
            }
            if FORBIDDEN.contains(&(name.as_str(), dependency.as_str())) {
                breaches.push(format!("{name} must not depend on {dependency}: they meet in the supergraph's text"));
            }
            let Some(target) = members.get(dependency) else { continue };
            breaches.extend(upward(name, member, dependency, target));
        }
    }
    breaches
}

/// The layers: the command over the two servers' folders over `crates/`; the two folders never meet.
fn upward(name: &str, member: &Member, dependency: &str, target: &Member) -> Option<String> {
    let layer = |folder: &str| folder.split('/').next().unwrap_or_default().to_owned();
    let (from, to) = (layer(&member.folder), layer(&target.folder));
    let wrong = match (from.as_str(), to.as_str()) {
        ("" | "xtask", _) => false,
        (_, "" | "xtask") => true,
        ("gateway", "runtime") | ("runtime", "gateway") => true,
        ("crates", "gateway" | "runtime") => true,
        _ => false,
    };
    wrong.then(|| format!("{name} ({}) must not depend on {dependency} ({})", member.folder, target.folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(entries: &[(&str, &str, &[&str])]) -> BTreeMap<String, Member> {
        let member = |(name, folder, dependencies): &(&str, &str, &[&str])| {
            let dependencies = dependencies.iter().map(|d| (*d).to_owned()).collect();
            ((*name).to_owned(), Member { folder: (*folder).to_owned(), dependencies })
        };
        entries.iter().map(member).collect()
    }

    #[test]
    fn a_breach_of_each_rule_is_found() {
        let found = check(&members(&[
            ("terrane-plan", "gateway/plan", &["tokio", "terrane-compose", "terrane-query"]),
            ("terrane-compose", "gateway/compose", &[]),
            ("terrane-query", "runtime/query", &["terrane-manifest", "terrane-plan"]),
            ("terrane-manifest", "runtime/manifest", &[]),
            ("terrane-sql", "crates/sql", &["terrane-manifest"]),
        ]));
        assert_eq!(found.len(), 5, "{found:#?}");
    }

    #[test]
    fn the_designed_arrows_hold() {
        let found = check(&members(&[
            ("terrane", "", &["terrane-gateway", "terrane-runtime", "tokio"]),
            ("terrane-gateway", "gateway/server", &["terrane-plan", "terrane-policy", "tokio"]),
            ("terrane-plan", "gateway/plan", &[]),
            ("terrane-policy", "crates/policy", &["casbin"]),
            ("terrane-runtime", "runtime/server", &["terrane-policy", "sqlx"]),
        ]));
        assert_eq!(found, Vec::<String>::new());
    }
}
