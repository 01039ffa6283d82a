//! `terrane policy`: expectations of the shipped products, the lines that decide, and what a change changes.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use terrane_testkit::{copy_folder, product_folder, repository, state_directory};

fn policy(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_terrane"))
        .arg("policy")
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap()
}

/// What is printed, where it succeeds.
fn printed(arguments: &[&str]) -> String {
    let output = policy(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is printed, and what is said, where it fails.
fn failed(arguments: &[&str]) -> (String, String) {
    let output = policy(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_shipped_products_are_as_expected_and_what_differs_is_named() {
    assert_eq!(printed(&["test"]), "");
    let folder = state_directory();
    let file = folder.path().join("expectations.csv");
    let text = "# a comment\nreader, countries, countries.population, read, allow\n\
                analyst, countries, countries.population, read, allow\nreader, countries, countries.nothing, read, deny\n";
    fs::write(&file, text).unwrap();
    let (differs, said) = failed(&["test", path(&file)]);
    let name = path(&file);
    assert_eq!(
        differs,
        format!(
            "{name}:2: reader read countries.population of countries: expected allow, found deny\n\
             {name}:4: nothing of the products is covered by this line\n"
        )
    );
    assert!(said.contains("2 expectations are not met"), "{said}");
    fs::write(&file, "reader, countries, countries.population, read, perhaps\n").unwrap();
    assert!(failed(&["test", path(&file)]).1.contains("line 1"));
    assert!(failed(&["test", "nowhere.csv"]).1.contains("nowhere.csv"));
}

#[test]
fn the_line_that_decides_is_named() {
    let explain = |arguments: &[&str]| printed(&[&["explain"], arguments].concat());
    assert_eq!(
        explain(&["countries", "countries.population", "--role", "analyst"]),
        "analyst may read countries.population of countries\n  by the line  p, analyst, countries.population, read, allow\n    \
         which is of contract countries-v1: role `analyst` reads up to internal, and the field is internal\n"
    );
    assert_eq!(
        explain(&["countries", "countries.population", "--role", "reader"]),
        "reader may not read countries.population of countries\n  by no line: what no line allows is denied\n  roles that may: \
         analyst, steward\n"
    );
    let denied = explain(&["countries", "countries.official_name", "--role", "analyst", "--role", "anonymous"]);
    assert!(denied.starts_with("analyst + anonymous may not read countries.official_name"), "{denied}");
    assert!(
        denied.contains("p, anonymous, countries.official_name, read, deny\n    which is of policy.csv"),
        "{denied}"
    );

    let folder = state_directory();
    let rules = folder.path().join("mesh.csv");
    fs::write(&rules, "p, everybody, Country.name, read, deny\n").unwrap();
    let denied = explain(&["countries", "countries.name", "--role", "analyst", "--policies", path(&rules)]);
    assert!(
        denied.contains("the gateway denies Country.name to them by the mesh's line  p, everybody, Country.name"),
        "{denied}"
    );

    assert!(failed(&["explain", "atlantis", "x.y"]).1.contains("there are: cities"));
    assert!(failed(&["explain", "countries", "countries.nothing"]).1.contains("nothing that can be asked"));
}

#[test]
fn what_a_change_of_policies_changes_is_listed_both_ways() {
    assert_eq!(printed(&["diff", "products", "products"]), "");
    let folder = state_directory();
    let changed = folder.path().join("countries");
    copy_folder(&product_folder("countries"), &changed).unwrap();
    let file = changed.join("policy.csv");
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("p, anonymous, countries.official_name, read, deny", "p, reader, countries.population, read, allow");
    fs::write(&file, text + "p, analyst, countries.capital, read, deny\n").unwrap();
    let lines = "- analyst  read countries.capital of countries  (allow → deny)\n\
                 + anonymous  read countries.official_name of countries  (deny → allow)\n\
                 + reader  read countries.population of countries  (deny → allow)\n";
    assert_eq!(printed(&["diff", "products/countries", path(&changed)]), lines);
    // a file in the place of the folder's own
    assert_eq!(printed(&["diff", "products/countries/policy.csv", path(&file)]), lines);
    let (differs, said) = failed(&["diff", "products/countries", path(&changed), "--deny-more"]);
    assert!(differs == lines && said.contains("2 things can be done"), "{said}");

    let rules = folder.path().join("mesh.csv");
    fs::write(&rules, "p, guest, Country.population, read, deny\ng, visitor, guest\n").unwrap();
    let mesh = printed(&["diff", "policies", path(&rules)]);
    assert!(mesh.contains("- guest  read Country.population of the mesh  (allow → deny)\n"), "{mesh}");
    assert!(
        mesh.contains("- visitor  read Country.population of the mesh")
            && !mesh.contains("reader  read Country.population"),
        "{mesh}"
    );
    assert!(failed(&["diff", "policies", "products"]).1.contains("compare equal things"));
}
