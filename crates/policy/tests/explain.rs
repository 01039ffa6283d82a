//! Explanations: what is said to decide is what casbin decides by, for any lines and roles.
#![allow(clippy::unwrap_used)] // a test may panic

use proptest::prelude::*;
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};

const ROLES: [&str; 4] = ["a", "b", "c", "d"];
const OBJECTS: [&str; 6] = ["x.one", "x.two", "x.*", "y.one", "*", "port:control"];

fn line() -> impl Strategy<Value = Vec<String>> {
    let role = || prop::sample::select(&ROLES[..]);
    let object = prop::sample::select(&OBJECTS[..]);
    let action = prop::sample::select(&["read", "write", "*"][..]);
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    prop_oneof![
        3 => (role(), object, action, prop::sample::select(&["allow", "deny"][..]))
            .prop_map(move |(role, object, action, effect)| words(&["p", role, object, action, effect])),
        1 => (role(), role()).prop_map(move |(role, inherited)| words(&["g", role, inherited])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_explanation_is_the_decision(
        lines in prop::collection::vec(line(), 0..10),
        roles in prop::collection::btree_set(prop::sample::select(&ROLES[..]), 0..3),
    ) {
        let policy = Policy::new(DEFAULT_MODEL, &lines).unwrap();
        let roles = RoleSet::new(roles);
        for object in ["x.one", "x.two", "y.one", "port:control", "z"] {
            for action in ["read", "write"] {
                let explained = policy.explain(&roles, object, action);
                prop_assert_eq!(explained.allowed, policy.allows(&roles, object, action));
                for deciding in &explained.deciding {
                    let effect = if explained.allowed { "allow" } else { "deny" };
                    prop_assert_eq!(&lines[deciding.line][4], effect);
                    prop_assert!(roles.contains(&deciding.by[0]));
                    prop_assert_eq!(deciding.by.last().unwrap(), &lines[deciding.line][1]);
                }
            }
        }
    }
}
