//! What a change of a contract is, and which version it needs.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;
use terrane_manifest::{Bump, Product, check_versions, contract_changes, load, reread};

const OUTPUT: &str = "contracts/ledger.odcs.yaml";
const INPUT: &str = "contracts/source.odcs.yaml";
const DESCRIPTOR: &str = "dataproduct.odps.yaml";

fn files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/killed/product");
    let names = [DESCRIPTOR, INPUT, OUTPUT, "models/output/entries.sql", "models/output/totals.sql", "policy.csv"];
    names.iter().map(|name| ((*name).to_owned(), std::fs::read_to_string(root.join(name)).unwrap())).collect()
}

fn edited(edits: &[(&str, &str, &str)]) -> Product {
    let mut files = files();
    for (file, from, to) in edits {
        let text = files.get_mut(*file).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1);
    }
    reread(&files).unwrap()
}

fn old() -> Product {
    load(&files()).unwrap_or_else(|d| panic!("{d:#?}")).product
}

/// Codes and bumps of an edit.
fn changes(file: &str, from: &str, to: &str) -> Vec<(&'static str, Bump)> {
    contract_changes(&old(), &edited(&[(file, from, to)])).into_iter().map(|c| (c.code, c.bump)).collect()
}

/// Expect what an edit changes.
fn of(file: &str, from: &str, to: &str, expected: &[(&str, Bump)]) {
    assert_eq!(changes(file, from, to), expected, "{from} -> {to}");
}

const SIZE: &str = "{id: total_size, name: size, logicalType: integer, physicalType: integer, required: true,";

#[test]
fn a_promise_is_broken_by_what_is_taken_away_and_a_demand_by_what_is_added() {
    use Bump::{Major, Minor};
    of(OUTPUT, "name: size,", "name: count,", &[("FIELD_REMOVED", Major), ("FIELD_ADDED", Minor)]);
    of(OUTPUT, SIZE, &SIZE.replace("physicalType: integer", "physicalType: bigint"), &[("FIELD_RETYPED", Major)]);
    of(OUTPUT, SIZE, &SIZE.replace(" required: true,", ""), &[("FIELD_OPTIONAL", Major)]);
    of(
        OUTPUT,
        "primaryKey: true, primaryKeyPosition: 1, required: true, unique: true, classification: public, description: Batch",
        "required: true, classification: public, description: Batch",
        &[("KEY_CHANGED", Major)],
    );
    of(OUTPUT, "description: Entries of the batch", "description: How many there are", &[]);
    of(OUTPUT, "value: Total,", "value: Sum,", &[("GRAPHQL_NAMES_CHANGED", Major)]);
    of(INPUT, "physicalType: text, required: true", "physicalType: text", &[("FIELD_OPTIONAL", Minor)]);
    let number = "      - {id: id, name: id,";
    let more = |required: &str| {
        format!(
            "      - {{id: note, name: note, logicalType: string, physicalType: text, {required}description: Note}}\n{number}"
        )
    };
    of(INPUT, number, &more(""), &[("FIELD_ADDED", Minor)]);
    of(INPUT, number, &more("required: true, "), &[("REQUIRED_FIELD_ADDED", Major)]);
    of(INPUT, "id: ledger-source", "id: other-source", &[("CONTRACT_REMOVED", Major), ("CONTRACT_ADDED", Minor)]);
}

#[test]
fn versions_rise_by_the_greatest_change_of_their_contract_and_the_products_by_that_of_all() {
    let size = (OUTPUT, "name: size,", "name: count,");
    let contract = |version| (OUTPUT, "version: 1.0.0", version);
    let product = |version| (DESCRIPTOR, "name: Ledger\nversion: 1.0.0", version);
    let wrong = |edits: &[(&str, &str, &str)]| {
        let found = check_versions(&old(), &edited(edits));
        found.into_iter().map(|d| (d.message, d.hint.unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(wrong(&[]), []);
    let found = wrong(&[size]);
    assert_eq!(found.len(), 2, "contract and product: {found:#?}");
    assert!(found[0].0.contains("breaks its consumers: field `totals.size` is gone"), "{found:#?}");
    assert!(found[0].1.contains("2.0.0"), "{found:#?}");
    assert_eq!(wrong(&[size, contract("version: 1.9.0")]).len(), 2, "a minor version is not enough");
    let found = wrong(&[size, contract("version: 2.0.0")]);
    assert!(found.len() == 1 && found[0].0.starts_with("product `ledger`"), "{found:#?}");
    assert_eq!(wrong(&[size, contract("version: 2.0.0"), product("name: Ledger\nversion: 2.0.0")]), []);
    let found = wrong(&[contract("version: 0.9.0")]);
    assert!(found.len() == 1 && found[0].0.contains("falls from 1.0.0 to 0.9.0"), "{found:#?}");
}
