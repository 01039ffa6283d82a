//! `terrane plan --product`: the SQL of an operation for a role, where its values come from, and Postgres' own plan.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use terrane_testkit::{Mesh, fresh_database, product_folder, state_directory};

fn plan(arguments: &[&str]) -> Output {
    let folder = product_folder("countries");
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrane"));
    command.args(["plan", "--product", folder.to_str().unwrap()]).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

const LIST: &str = "query L($codes: [String!], $n: Int) { a: countries(first: $n, filter: {continentCode: {in: [EU]}, \
                    code: {in: $codes}}) { nodes { name population } } product { id } }";

#[test]
fn statement_values_and_their_origins_are_shown_for_a_role() {
    let shown = text(&plan(&["--role", "analyst", "--variables", r#"{"codes": ["NO", "CH"], "n": 2}"#, LIST]));
    let expected = "a: the statement\nproduct: the standard ports\n\nSELECT t0.\"name\", t0.\"population\"\nFROM \
                    \"output\".\"countries\" AS t0\nWHERE t0.\"continent_code\" = ANY($1::text[]) AND t0.\"code\" = \
                    ANY($2::text[])\nORDER BY t0.\"code\"\nLIMIT $3::bigint\n\n$1 = [\"EU\"]    [\"EU\"] in the \
                    operation\n$2 = [\"NO\",\"CH\"]    variable $codes\n$3 = 2    size of page 1, and one \
                    row more where it is asked for\n";
    assert_eq!(shown, expected);
    // what nobody may read is not in it
    let anonymous = text(&plan(&["--json", "{ countries { nodes { name population } } }"]));
    let anonymous: Value = serde_json::from_str(&anonymous).unwrap();
    assert!(!anonymous["sql"].as_str().unwrap().contains("population"), "{anonymous}");
    assert_eq!(anonymous["roots"][0]["answeredBy"], "the statement");
    assert_eq!(anonymous["params"][0]["value"], 50);
    assert!(text(&plan(&["{ __typename }"])).contains("no statement"));
}

#[test]
fn what_a_client_would_be_told_is_told() {
    for (arguments, expected) in [
        (vec!["{ nothing }"], "GRAPHQL_VALIDATION_FAILED"),
        (vec!["{ countries(filter: {population: {gt: 1}}) { totalCount } }"], "FORBIDDEN"),
        (vec!["--variables", "[]", "{ __typename }"], "--variables is no JSON object"),
        (vec!["--analyze", "{ __typename }"], "--database-url or --state"),
        (vec!["--state", "/nowhere", "{ countries { totalCount } }"], "no mesh with an embedded Postgres"),
        (vec!["--database-url", "postgres://127.0.0.1:1/x", "{ countries { totalCount } }"], "does not explain"),
    ] {
        let refused = plan(&arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
    let none = Command::new(env!("CARGO_BIN_EXE_terrane")).args(["plan", "{ a }"]).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stderr).contains("--supergraph"), "{none:?}");
}

#[tokio::test]
async fn postgres_explains_the_same_statement() {
    let (url, scratch, folder) = (fresh_database().await, state_directory(), product_folder("countries"));
    let arguments = ["product", folder.to_str().unwrap(), "--listen", "127.0.0.1:{port}", "--database-url", &url];
    let mut product =
        Mesh::start(Path::new(env!("CARGO_BIN_EXE_terrane")), &arguments, &scratch.path().join("countries.log")).await;
    product.end("TERM");
    let operation = "{ country(code: \"NO\") { name } }";
    let planned = text(&plan(&["--database-url", &url, operation]));
    assert!(planned.contains("$1 = \"NO\"") && planned.contains("countries t0"), "{planned}");
    assert!(!planned.contains("actual time"), "it was not run");
    assert!(text(&plan(&["--database-url", &url, "--analyze", operation])).contains("actual time"));
}
