//! Compares the two schemas of every case of `tests/changes` and the report with the written one; `UPDATE=1` rewrites it.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::Schema;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use terrane_changes::{Operation, compare, weigh};

#[test]
fn changes_are_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/changes");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in folders {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(!read("rule.md").trim().is_empty(), "{} does not say its rule", folder.display());
        let schema =
            |name: &str| Schema::parse_and_validate(read(name), name).unwrap_or_else(|e| panic!("{}", e.errors));
        let (old, new) = (schema("old.graphql"), schema("new.graphql"));
        assert_eq!(compare(&old, &old), [], "nothing changes from a schema to itself");
        let mut changes = compare(&old, &new);
        let mut text = String::new();
        if folder.join("operations.graphql").is_file() {
            let operations: Vec<Operation> = read("operations.graphql")
                .split("# ---\n")
                .enumerate()
                .map(|(i, text)| Operation { name: format!("operation {}", i + 1), text: text.to_owned() })
                .collect();
            for (name, _) in weigh(&mut changes, &old, &operations) {
                writeln!(text, "not counted: {name}").unwrap();
            }
        }
        for change in &changes {
            let severity = format!("{:?}", change.severity).to_lowercase();
            write!(text, "{severity} {} {}: {}", change.code, change.path, change.message).unwrap();
            let used =
                if change.used_by.is_empty() { String::new() } else { format!(" ({})", change.used_by.join(", ")) };
            writeln!(text, "{used}").unwrap();
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(folder.join("changes.txt"), &text).unwrap();
        } else if read("changes.txt") != text {
            wrong.push(format!("{}:\n{text}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 rewrites the expected reports", wrong.join("\n"));
}
