//! Plans every case of `tests/plan` and compares the plan's text with the written one; `UPDATE=1` rewrites it.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use std::fs;
use std::path::Path;
use terrane_plan::{PlanOptions, Supergraph, plan};

#[test]
fn plans_are_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plan");
    let machinery = fs::read_to_string(root.join("join.graphql")).unwrap();
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in folders {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(!read("rule.md").trim().is_empty(), "{} does not say its rule", folder.display());
        let supergraph = Supergraph::parse(&format!("{machinery}{}", read("supergraph.graphql"))).unwrap();
        let document = ExecutableDocument::parse_and_validate(
            supergraph.api_schema(),
            read("operation.graphql"),
            "operation.graphql",
        )
        .unwrap_or_else(|e| panic!("{}: {}", folder.display(), e.errors));
        let denied = |_: &str, field: &str| field == "secret";
        let explain = folder.join("explained.txt").is_file();
        let options = PlanOptions {
            labels: ["on".to_owned()].into(),
            denied: Some(&denied),
            explain,
            incremental: true,
            ..PlanOptions::default()
        };
        let planned = plan(&supergraph, &document, None, &options).unwrap();
        let mut text = planned.to_string();
        for request in &planned.requests {
            text.push_str(&format!(
                "{}: {}\n",
                supergraph.subgraphs()[request.subgraph.index()].name,
                request.operation
            ));
        }
        if explain && std::env::var_os("UPDATE").is_some() {
            fs::write(folder.join("explained.txt"), planned.explained()).unwrap();
        } else if explain && read("explained.txt") != planned.explained() {
            wrong.push(format!("{}, explained:\n{}", folder.display(), planned.explained()));
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(folder.join("plan.txt"), &text).unwrap();
        } else if read("plan.txt") != text {
            wrong.push(format!("{}:\n{text}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 rewrites the expected plans", wrong.join("\n"));
}
