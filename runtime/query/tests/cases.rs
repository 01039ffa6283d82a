//! Cases: `tests/query/CASE/` with an operation, a role and variables; turned into SQL and JSON and compared with what
//! is written beside them. `UPDATE=1 cargo test -p terrane-query` rewrites them.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use support::{access, indent, load, publish, run, schema};

fn compare(path: &Path, actual: &str, failures: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected != actual {
        failures.push(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()));
    }
}

#[tokio::test]
async fn every_case_gives_its_sql_and_its_json() {
    let url = terrane_testkit::fresh_database().await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let mut products = BTreeMap::new();
    for name in ["cities", "continents", "countries", "earthquakes", "geography"] {
        let product = load(name);
        publish(&pool, &product).await;
        products.insert(name, (schema(&product), product));
    }
    let lab = support::lab::product();
    support::lab::fill(&pool, &lab).await;
    products.insert("lab", (schema(&lab), lab));
    let mut failures = Vec::new();
    let mut count = 0;
    let root = terrane_testkit::repository().join("tests/query");
    let mut folders: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let operation = read("operation.graphql").unwrap_or_else(|| panic!("{} has no operation", folder.display()));
        let roles = read("role").unwrap_or_else(|| "anonymous".to_owned());
        let roles: Vec<&str> = roles.split_whitespace().collect();
        let json = |name: &str| -> Map<String, Value> {
            read(name).map(|t| serde_json::from_str(&t).unwrap()).unwrap_or_default()
        };
        let name = read("product").unwrap_or_else(|| "countries".to_owned());
        let (schema, product) = &products[name.trim()];
        let access = access(product, &roles);
        let (sql, response) =
            run(Some(&pool), schema, &access, &operation, &json("variables.json"), &json("claims.json")).await;
        compare(&folder.join("expected.sql"), &sql, &mut failures);
        compare(&folder.join("expected.json"), &indent(&response.unwrap()), &mut failures);
        count += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 20, "only {count} cases were found");
}

#[tokio::test]
async fn the_products_own_examples_are_answered() {
    let url = terrane_testkit::fresh_database().await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let mut count = 0;
    for name in ["cities", "continents", "countries", "earthquakes", "geography"] {
        let product = load(name);
        publish(&pool, &product).await;
        let schema = schema(&product);
        for (path, text) in product.tests.iter().filter(|(p, _)| p.ends_with(".json")) {
            let mut parts = path.trim_end_matches(".json").rsplitn(2, '.');
            let (role, stem) = (parts.next().unwrap(), parts.next().unwrap());
            let operation = &product.tests[&format!("{stem}.graphql")];
            let (_, response) =
                run(Some(&pool), &schema, &access(&product, &[role]), operation, &Map::new(), &Map::new()).await;
            let expected: Value = serde_json::from_str(text).unwrap();
            let response: Value = serde_json::from_str(&response.unwrap()).unwrap();
            assert_eq!(response["data"], expected["data"], "{name}/{path}");
            count += 1;
        }
    }
    assert!(count > 5);
}

#[test]
fn the_schema_of_each_product_is_committed() {
    let mut failures = Vec::new();
    for name in ["cities", "continents", "countries", "earthquakes", "geography"] {
        let folder = terrane_testkit::repository().join("schema/data");
        compare(&folder.join(format!("{name}.graphql")), schema(&load(name)).sdl(), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn who_may_read_what_is_committed() {
    let mut text = String::new();
    for name in ["cities", "continents", "countries", "earthquakes", "geography"] {
        let product = load(name);
        let policy = terrane_policy::Policy::new(terrane_policy::DEFAULT_MODEL, &product.policy_lines()).unwrap();
        text += &format!("# {name}\n{}\n", terrane_query::access_matrix(&product, &policy));
    }
    let mut failures = Vec::new();
    compare(&terrane_testkit::repository().join("policies/matrix.txt"), &text, &mut failures);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
