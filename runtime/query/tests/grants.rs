//! Grants: for any policy and any grants, the table of decisions is what a naive reading of the lines and of the grants that
//! have not ended comes to.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use terrane_manifest::Product;
use terrane_policy::{Caller, DEFAULT_MODEL, GrantLine, Grants, Policy, RoleSet};
use terrane_query::{Access, questions};

const ROLES: [&str; 4] = ["analyst", "clerk", "reader", "steward"];
const SUBJECTS: [&str; 2] = ["ada", "reader"];

fn product() -> &'static Product {
    static PRODUCT: OnceLock<Product> = OnceLock::new();
    PRODUCT.get_or_init(|| support::load("countries"))
}

fn fields() -> Vec<String> {
    let dataset = product().outputs().next().unwrap();
    dataset.fields.iter().map(|field| dataset.policy_object(field)).collect()
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

/// Lines of a product's policy.
fn lines() -> impl Strategy<Value = Vec<Vec<String>>> {
    let objects: Vec<String> = fields()
        .into_iter()
        .take(6)
        .chain(["countries.*", "*", "port:control", "port:access"].map(str::to_owned))
        .collect();
    let role = || prop::sample::select(&ROLES[..]);
    let allow = (role(), prop::sample::select(objects), prop::sample::select(&["read", "admin"][..]), any::<bool>());
    let line = prop_oneof![
        4 => allow.prop_map(|(role, object, action, allow)| words(&["p", role, &object, action, if allow { "allow" } else { "deny" }])),
        1 => (role(), role()).prop_map(|(role, inherited)| words(&["g", role, inherited])),
    ];
    prop::collection::vec(line, 0..8)
}

fn grants() -> impl Strategy<Value = Vec<GrantLine>> {
    let subject = || prop::sample::select(&SUBJECTS[..]);
    let of_role = (subject(), prop::sample::select(&ROLES[..])).prop_map(|(s, role)| (s, words(&["g", s, role])));
    let of_field = (subject(), prop::sample::select(fields()))
        .prop_map(|(s, field)| (s, words(&["p", s, &field, "read", "allow"])));
    let line = (prop_oneof![of_role, of_field], 0i64..10);
    let line = line.prop_map(|((subject, line), until)| GrantLine { subject: subject.to_owned(), line, until });
    prop::collection::vec(line, 0..6)
}

/// What a reader of the lines comes to: roles by every path, a deny before any allow, absent is deny.
fn naive(lines: &[Vec<String>], roles: &BTreeSet<String>, object: &str, action: &str) -> bool {
    let mut held = roles.clone();
    loop {
        let more: Vec<String> = lines
            .iter()
            .filter(|l| l[0] == "g" && held.contains(&l[1]))
            .map(|l| l[2].clone())
            .filter(|r| !held.contains(r))
            .collect();
        if more.is_empty() {
            break;
        }
        held.extend(more);
    }
    let covers = |named: &str| named.strip_suffix('*').map_or(named == object, |prefix| object.starts_with(prefix));
    let speaking: Vec<&Vec<String>> =
        lines.iter().filter(|l| l[0] == "p" && held.contains(&l[1]) && covers(&l[2]) && l[3] == action).collect();
    !speaking.is_empty() && speaking.iter().all(|l| l[4] == "allow")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn decisions_are_those_of_the_lines_and_of_grants_that_hold(
        lines in lines(),
        granted in grants(),
        roles in prop::collection::btree_set(prop::sample::select(&ROLES[..]), 0..3),
        signed_in in prop::bool::weighted(0.8),
        now in 0i64..10,
    ) {
        let mut product = product().clone();
        product.policy = lines;
        let all = product.policy_lines();
        let policy = Policy::new(DEFAULT_MODEL, &all).unwrap();
        let caller = Caller { subject: Some("ada".to_owned()), roles: RoleSet::new(roles.iter().copied()), signed_in, ..Caller::anonymous() };
        let held = Grants::new(1, granted.clone());
        let access = Access::compile(&product, &policy, &held.roles(&caller, now));

        let hers: Vec<&GrantLine> = granted.iter().filter(|g| signed_in && g.subject == "ada" && now < g.until).collect();
        let mut own: BTreeSet<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        own.extend(hers.iter().filter(|g| g.line[0] == "g").map(|g| g.line[2].clone()));
        // a granted field adds to a dataset of which something is seen without it
        let sees = fields().iter().any(|field| naive(&all, &own, field, "read") || naive(&all, &own, field, "mask"));
        let mut with = all;
        with.extend(hers.iter().filter(|g| g.line[0] == "p" && sees).map(|g| {
            // whatever the subject is called, it is no role
            let mut line = g.line.clone();
            line[1] = "subject ada".to_owned();
            line
        }));
        own.insert("subject ada".to_owned());
        for (object, action) in questions(&product) {
            let expected = naive(&with, &own, &object, &action);
            prop_assert_eq!(access.allows(&object, &action), expected, "{} {}", action, object);
        }
    }
}
