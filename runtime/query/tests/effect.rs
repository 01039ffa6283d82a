//! Effects: for any two policies of a product, what is told to change is every decision that differs when each is asked for, role by
//! role, object by object, action by action; masks and rows included.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use terrane_manifest::{Mask, Product};
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};
use terrane_query::{Access, Decided, ROWS, Reading, effect, questions};

const ROLES: [&str; 6] = ["anonymous", "analyst", "auditor", "partner", "local", "reader"];

/// A product with masks and row filters of several roles.
fn product() -> &'static Product {
    static PRODUCT: OnceLock<Product> = OnceLock::new();
    PRODUCT.get_or_init(|| support::load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault")))
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

fn lines() -> impl Strategy<Value = Vec<Vec<String>>> {
    let fields = product().outputs().flat_map(|d| d.fields.iter().map(|f| d.policy_object(f)));
    let objects: Vec<String> =
        fields.chain(["people.*", "*", "port:*", "port:control", "port:audit"].map(str::to_owned)).collect();
    let role = || prop::sample::select(&ROLES[..]);
    let right = (role(), prop::sample::select(objects), prop::sample::select(&["read", "admin"][..]), any::<bool>());
    let line = prop_oneof![
        3 => right.prop_map(|(role, object, action, allow)| words(&["p", role, &object, action, if allow { "allow" } else { "deny" }])),
        1 => (role(), role()).prop_map(|(role, inherited)| words(&["g", role, inherited])),
    ];
    prop::collection::vec(line, 0..6)
}

fn with(lines: Vec<Vec<String>>) -> (Product, Policy) {
    let product = Product { policy: lines, ..product().clone() };
    let policy = Policy::new(DEFAULT_MODEL, &product.policy_lines()).unwrap();
    (product, policy)
}

/// What a role gets, asked one by one.
fn naive((product, policy): &(Product, Policy), role: &str) -> BTreeMap<(String, String), String> {
    let access = Access::compile(product, policy, &RoleSet::new([role]));
    let mut all = BTreeMap::new();
    for (object, action) in questions(product).into_iter().filter(|(_, action)| action != "mask") {
        let got = match access.reading(&object) {
            Reading::Masked(mask) if action == "read" => format!("{mask:?}"),
            _ if access.allows(&object, &action) => "allow".to_owned(),
            _ => "deny".to_owned(),
        };
        all.insert((object, action), got);
    }
    for dataset in product.outputs() {
        let seen = dataset.fields.iter().any(|f| access.reading(&dataset.policy_object(f)) != Reading::Denied);
        if seen {
            all.insert((dataset.name.clone(), ROWS.to_owned()), access.filters_rows(&dataset.name).to_string());
        }
    }
    all
}

fn shown(decided: &Decided) -> String {
    match decided {
        Decided::Mask(mask) => format!("{mask:?}"),
        Decided::Rows(filter) => filter.is_some().to_string(),
        other => other.words(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn an_effect_is_every_decision_that_differs(before in lines(), after in lines()) {
        let (before, after) = (with(before), with(after));
        let changes = effect((&before.0, &before.1), (&after.0, &after.1));
        let roles: BTreeSet<String> = before.0.role_names().into_iter().chain(after.0.role_names()).collect();
        let mut expected = BTreeSet::new();
        for role in &roles {
            let (old, new) = (naive(&before, role), naive(&after, role));
            for cell in old.keys().chain(new.keys()) {
                let (then, now) = (old.get(cell), new.get(cell));
                // rows are told of where something of them was seen, and is
                if let (Some(then), Some(now)) = (then, now) && then != now {
                    expected.insert((role.clone(), cell.clone(), then.clone(), now.clone()));
                }
            }
        }
        // two row filters that differ are one change, which the naive reading does not see
        let told: BTreeSet<_> = changes
            .iter()
            .map(|c| (c.role.clone(), (c.object.clone(), c.action.clone()), shown(&c.before), shown(&c.after)))
            .filter(|(.., then, now)| then != now)
            .collect();
        prop_assert_eq!(&told, &expected);
        prop_assert!(changes.is_sorted_by_key(|change| !change.widens()));
        for change in &changes {
            let widens = match (&change.before, &change.after) {
                (Decided::Rows(then), Decided::Rows(_)) => then.is_some(),
                (Decided::Mask(then), Decided::Mask(now)) => Mask::least([then, now]) == Some(now),
                (_, now) => *now == Decided::Allow || change.before == Decided::Deny,
            };
            prop_assert_eq!(change.widens(), widens, "{:?}", change);
        }
    }
}

#[test]
fn who_comes_to_see_other_rows_by_what_it_inherits_is_told() {
    let (filtered, all) = (
        with(vec![words(&["g", "visitor", "local"])]),
        with(vec![words(&["p", "visitor", "people.*", "read", "allow"])]),
    );
    let rows = |before: &(Product, Policy), after: &(Product, Policy)| {
        let changes = effect((&before.0, &before.1), (&after.0, &after.1));
        let change = changes.iter().find(|c| c.role == "visitor" && c.action == ROWS && c.object == "people");
        change.map(|c| (c.before.words(), c.after.words(), c.widens()))
    };
    let [some, every] = ["some rows", "all rows"].map(str::to_owned);
    assert_eq!(rows(&filtered, &all), Some((some.clone(), every.clone(), true)));
    assert_eq!(rows(&all, &filtered), Some((every, some, false)));
    assert_eq!(rows(&all, &all), None);
}
