//! The product that operations are fuzzed over: turns its folder's files into a schema and two accesses.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};
use terrane_query::{Access, DataSchema};

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../runtime/query/tests/products/vault/", $path)))),*]
    };
}

const FILES: [(&str, &str); 9] = files![
    "dataproduct.odps.yaml",
    "policy.csv",
    "contracts/raw.odcs.yaml",
    "contracts/people.odcs.yaml",
    "contracts/ledger.odcs.yaml",
    "models/output/people.sql",
    "models/output/teams.sql",
    "models/output/entries.sql",
    "models/output/accounts.sql",
];
const PORTS: &str =
    "type Query { product: ProductInfo } type ProductInfo { name: String! version(of: String): String }";

/// The schema, one that may see everything, and one to whom fields are denied and masked.
pub struct Vault {
    pub schema: Arc<DataSchema>,
    pub accesses: [Arc<Access>; 2],
}

pub static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let files: BTreeMap<String, String> = FILES.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    let product = terrane_manifest::load(&files).expect("the test product is right").product;
    let policy = Policy::new(DEFAULT_MODEL, &product.policy_lines()).expect("its policy is right");
    let access = |role: &str| Arc::new(Access::compile(&product, &policy, &RoleSet::new([role])));
    let schema = DataSchema::build(&product, PORTS).expect("its schema is right").with_mask_salt(&"s".repeat(32));
    Vault { schema: Arc::new(schema), accesses: [access("steward"), access("partner")] }
});
