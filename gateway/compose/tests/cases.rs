//! Runs the composition cases: turns each `tests/compose/RULE/NAME.graphql` into text and compares it with `NAME.out`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use terrane_compose::{Composer, Subgraph, compose};

#[test]
fn cases_come_out_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 200, "the cases are found");
    for path in cases {
        let actual = outcome(&read_case(&path));
        let expected = path.with_extension("out");
        if update {
            std::fs::write(&expected, &actual).expect("the outcome is writable");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_order_of_subgraphs_does_not_matter() {
    for path in cases() {
        let mut subgraphs = read_case(&path);
        let expected = outcome(&subgraphs);
        for _ in 1..subgraphs.len() {
            subgraphs.rotate_left(1);
            assert_eq!(outcome(&subgraphs), expected, "{} rotated", path.display());
        }
        subgraphs.reverse();
        assert_eq!(outcome(&subgraphs), expected, "{} reversed", path.display());
    }
}

#[test]
fn what_was_composed_before_does_not_matter() {
    let (mut forward, mut backward) = (Composer::default(), Composer::default());
    let cases = cases();
    for (path, other) in cases.iter().zip(cases.iter().rev()) {
        for (composer, path) in [(&mut forward, path), (&mut backward, other)] {
            let subgraphs = read_case(path);
            let again = composer.compose(&subgraphs);
            assert_eq!(again, compose(&subgraphs), "{}", path.display());
            assert_eq!(composer.compose(&subgraphs), again, "{} unchanged", path.display());
        }
    }
}

#[test]
fn what_is_rendered_is_valid_graphql() {
    for path in cases() {
        let Ok(composition) = compose(&read_case(&path)) else { continue };
        for text in [&composition.supergraph, &composition.api_schema] {
            let parsed = apollo_compiler::Schema::parse_and_validate(text.as_str(), "rendered.graphql");
            if let Err(failed) = parsed {
                panic!("{}: {}\n{text}", path.display(), failed.errors);
            }
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compose");
    let mut found = Vec::new();
    for rule in std::fs::read_dir(root).expect("the cases are there").flatten().filter(|entry| entry.path().is_dir()) {
        let files = std::fs::read_dir(rule.path()).expect("a rule is readable").flatten().map(|entry| entry.path());
        found.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "graphql")));
    }
    found.sort();
    found
}

fn read_case(path: &Path) -> Vec<Subgraph> {
    let text = std::fs::read_to_string(path).expect("a case is readable");
    let sections = text.split("#>> ").skip(1).map(|section| section.split_once('\n').expect("a section has lines"));
    sections
        .map(|(name, sdl)| Subgraph {
            name: name.trim().into(),
            url: format!("http://{}", name.trim()),
            sdl: sdl.into(),
        })
        .collect()
}

fn outcome(subgraphs: &[Subgraph]) -> String {
    match compose(subgraphs) {
        Err(found) => terrane_diagnostics::render_all(&found),
        Ok(composition) => {
            let mut out = without_definitions(&composition.supergraph);
            write!(out, "\n# API schema\n\n{}", composition.api_schema).expect("a String takes any text");
            if !composition.hints.is_empty() {
                write!(out, "\n# Hints\n\n{}", terrane_diagnostics::render_all(&composition.hints))
                    .expect("a String takes any text");
            }
            out
        }
    }
}

/// Leaves out what is the same in every supergraph.
fn without_definitions(supergraph: &str) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in supergraph.lines() {
        let starts = [
            "directive @join__",
            "directive @link(",
            "scalar join__",
            "scalar link__",
            "input join__",
            "enum link__Purpose",
        ];
        if starts.iter().any(|start| line.starts_with(start)) {
            skipping = !line.starts_with("directive") && !line.starts_with("scalar");
            continue;
        }
        if skipping {
            skipping = line != "}";
            continue;
        }
        if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
