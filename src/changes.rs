//! Changes: turns an earlier supergraph, a new one and logged operations into a report of what breaks clients.

use crate::compose::in_colour;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use terrane_changes::{Change, Operation, Severity, compare, weigh};
use terrane_plan::Supergraph;

/// Compare the API schemas of the supergraph in the file `old` and of `new`, and print what changed.
///
/// # Errors
/// When something breaks clients, or an input can't be read.
pub fn check(old: &Path, new: &str, operations: Option<&Path>, json: bool) -> Result<()> {
    let sdl = std::fs::read_to_string(old).with_context(|| format!("supergraph {}", old.display()))?;
    let before = Supergraph::parse(&sdl).with_context(|| format!("supergraph {}", old.display()))?;
    let after = Supergraph::parse(new).context("the new supergraph")?;
    let mut changes = compare(before.api_schema(), after.api_schema());
    let mut refused = Vec::new();
    if let Some(path) = operations {
        let operations = read_operations(path)?;
        refused = weigh(&mut changes, before.api_schema(), &operations);
        if refused.len() == operations.len() {
            bail!("none of the operations of {} is valid against {}", path.display(), old.display());
        }
    }
    let text = if json { as_json(&changes, &refused)? } else { as_text(&changes, &refused) };
    std::io::stdout().write_all(text.as_bytes()).context("write the report")?;
    match count(&changes, Severity::Breaking) {
        0 => Ok(()),
        1 => bail!("1 change breaks clients of {}", old.display()),
        n => bail!("{n} changes break clients of {}", old.display()),
    }
}

fn count(changes: &[Change], severity: Severity) -> usize {
    changes.iter().filter(|change| change.severity == severity).count()
}

fn as_json(changes: &[Change], refused: &[(String, String)]) -> Result<String> {
    let not_counted: Vec<serde_json::Value> =
        refused.iter().map(|(name, reason)| serde_json::json!({ "operation": name, "reason": reason })).collect();
    let report = serde_json::json!({
        "breaking": count(changes, Severity::Breaking),
        "dangerous": count(changes, Severity::Dangerous),
        "safe": count(changes, Severity::Safe),
        "changes": changes,
        "notCounted": not_counted,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn as_text(changes: &[Change], refused: &[(String, String)]) -> String {
    let colours = in_colour(&std::io::stdout());
    let mut text = String::new();
    for change in changes {
        let (word, colour) = match change.severity {
            Severity::Breaking => ("breaking", "1;31"),
            Severity::Dangerous => ("dangerous", "1;33"),
            Severity::Safe => ("safe", "32"),
        };
        let head = format!("{word}[{}]", change.code);
        let head = if colours { format!("\u{1b}[{colour}m{head}\u{1b}[0m") } else { head };
        line(&mut text, &format!("{head}: {}", change.message));
        if !change.used_by.is_empty() {
            let more = change.used_by.len().saturating_sub(5);
            let shown = change.used_by.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            line(&mut text, &format!("  = used by: {shown}{rest}"));
        }
        if let (Some(hint), true) = (change.hint, change.severity != Severity::Safe) {
            line(&mut text, &format!("  = hint: {hint}"));
        }
    }
    for (name, reason) in refused {
        let first = reason.lines().next().unwrap_or_default();
        line(&mut text, &format!("not counted: {name} is not valid against the earlier supergraph: {first}"));
    }
    let n = |severity| count(changes, severity);
    let counts = (n(Severity::Breaking), n(Severity::Dangerous), n(Severity::Safe));
    line(&mut text, &format!("{} breaking, {} dangerous, {} safe", counts.0, counts.1, counts.2));
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a String takes any text");
}

/// One entry of a log of operations.
#[derive(Deserialize)]
struct Logged {
    query: String,
}

/// A JSON file of operations: a list of requests, or texts by their id as persisted operations are.
#[derive(Deserialize)]
#[serde(untagged)]
enum Persisted {
    List(Vec<Logged>),
    ById(BTreeMap<String, String>),
}

/// Operations of a file, or of every such file in a folder and those below it: `.graphql` and `.gql` documents, `.json`
/// lists of `{"query"}` or texts by id, and `.ndjson` or `.jsonl` logs of `{"query"}`. Equal texts count once.
fn read_operations(path: &Path) -> Result<Vec<Operation>> {
    let mut files = Vec::new();
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(|| format!("operations {}", path.display()))? {
                let entry = entry?;
                // A link to a folder above would never end.
                if entry.file_type()?.is_dir() || is_operations(&entry.path()) {
                    left.push(entry.path());
                }
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    let mut operations = Vec::new();
    let mut known = BTreeSet::new();
    for file in &files {
        let found = read_file(file).with_context(|| format!("operations {}", file.display()))?;
        operations.extend(found.into_iter().filter(|operation| known.insert(operation.text.clone())));
    }
    if operations.is_empty() {
        bail!("no operations in {}: expected .graphql, .gql, .json, .ndjson or .jsonl files", path.display());
    }
    Ok(operations)
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn is_operations(path: &Path) -> bool {
    matches!(extension(path), "graphql" | "gql" | "json" | "ndjson" | "jsonl")
}

fn read_file(path: &Path) -> Result<Vec<Operation>> {
    let text = std::fs::read_to_string(path)?;
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named = |name: String, text: String| Operation { name, text };
    Ok(match extension(path) {
        "json" => match serde_json::from_str(&text).context("expected a list of {\"query\"} or texts by id")? {
            Persisted::List(list) => {
                list.into_iter().enumerate().map(|(i, one)| named(format!("{file}#{}", i + 1), one.query)).collect()
            }
            Persisted::ById(texts) => texts.into_iter().map(|(id, text)| named(id, text)).collect(),
        },
        "ndjson" | "jsonl" => {
            let mut operations = Vec::new();
            for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let one: Logged = serde_json::from_str(line).with_context(|| format!("line {}", i + 1))?;
                operations.push(named(format!("{file}:{}", i + 1), one.query));
            }
            operations
        }
        _ => vec![named(file, text)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        read_operations(path).unwrap().into_iter().map(|operation| operation.name).collect()
    }

    #[test]
    fn operations_are_read_of_every_kind_of_file_and_equal_ones_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("more")).unwrap();
        write("a.graphql", "{ a }");
        write("b.json", r#"[{"query":"{ b }","variables":{}},{"query":"{ a }"}]"#);
        write("c.json", r#"{"id1":"{ c }"}"#);
        write("d.ndjson", "{\"query\":\"{ d }\"}\n\n{\"query\":\"{ e }\"}\n");
        write("more/f.gql", "{ f }");
        write("notes.txt", "not an operation");
        assert_eq!(names(folder.path()), ["a.graphql", "b.json#1", "id1", "d.ndjson:1", "d.ndjson:3", "f.gql"]);
        assert_eq!(names(&folder.path().join("d.ndjson")), ["d.ndjson:1", "d.ndjson:3"]);
    }

    #[test]
    fn a_broken_log_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        assert!(read_operations(folder.path()).is_err(), "no operations at all");
        std::fs::write(&path, "{\"query\":\"{ a }\"}\nnonsense\n").unwrap();
        let error = format!("{:#}", read_operations(&path).unwrap_err());
        assert!(error.contains("log.jsonl") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn only_what_breaks_clients_fails() {
        let machinery = include_str!("../tests/plan/join.graphql");
        let graph = |fields: &str| format!("{machinery} type Query @join__type(graph: A) {{ {fields} }}");
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old.graphql");
        let log = folder.path().join("log.graphql");
        std::fs::write(&old, graph("a: Int b: Int")).unwrap();
        std::fs::write(&log, "{ a }").unwrap();
        assert!(check(&old, &graph("a: Int b: Int c: Int"), None, true).is_ok());
        assert!(check(&old, &graph("a: Int"), None, true).is_err());
        assert!(check(&old, &graph("a: Int"), Some(&log), true).is_ok());
        assert!(check(&old, &graph("b: Int"), Some(&log), true).is_err());
        assert!(check(&old, "nonsense", None, true).is_err());
    }
}
