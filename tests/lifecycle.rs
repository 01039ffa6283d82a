//! Starting and stopping: nothing is left behind, a killed mesh recovers and says so, a second one is refused.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::json;
use std::path::Path;
use std::time::Duration;
use terrane_testkit::{Mesh, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

fn arguments<'a>(products: &'a str, state: &'a str) -> Vec<&'a str> {
    vec!["--port", "{port}", "--products", products, "--state", state]
}

/// Processes whose command line or working directory is in `state`; zombies do not count.
fn processes_of(state: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
        if matches!(stat.rsplit(')').next().and_then(|r| r.split_whitespace().next()), Some("Z" | "X")) {
            continue;
        }
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let directory = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        if command.contains(state) || directory.starts_with(state) {
            found.push(command);
        }
    }
    found
}

#[tokio::test]
async fn ends_without_a_trace_recovers_after_a_kill_and_refuses_a_second_owner() {
    let state = state_directory();
    let products = repository().join("products");
    let (products, state_text) = (products.to_str().unwrap(), state.path().to_str().unwrap());
    let log = state.path().join("mesh.log");
    let query = "{ country(code: \"NO\") { name } }";
    let norway = json!({"data": {"country": {"name": "Norway"}}});

    let mut mesh = Mesh::start(Path::new(BINARY), &arguments(products, state_text), &log).await;
    assert_eq!(mesh.client().graphql(query, json!({})).await, norway);
    assert!(
        mesh.output().contains("version 1 published") && mesh.output().contains("export TOKEN="),
        "{}",
        mesh.output()
    );
    let second_log = state.path().join("second.log");
    let mut second = Mesh::spawn(Path::new(BINARY), &arguments(products, state_text), &second_log);
    assert!(!second.end_by_itself());
    assert!(second.output().contains("in use by another running terrane"), "{}", second.output());
    assert!(mesh.end("INT"), "{}", mesh.output());
    assert_eq!(processes_of(state_text), Vec::<String>::new());

    // everything is there at the next start, which builds nothing anew
    let mut mesh = Mesh::start(Path::new(BINARY), &arguments(products, state_text), &log).await;
    assert!(!mesh.output().contains("published") && !mesh.output().contains("recovered"), "{}", mesh.output());
    assert_eq!(mesh.client().graphql(query, json!({})).await, norway);
    mesh.end("KILL");

    let mut mesh = Mesh::spawn(Path::new(BINARY), &arguments(products, state_text), &log);
    mesh.await_ready(Duration::from_secs(240)).await;
    assert!(mesh.output().contains("recovered"), "{}", mesh.output());
    assert_eq!(mesh.client().graphql(query, json!({})).await, norway);
    assert!(mesh.end("TERM"), "{}", mesh.output());
    assert_eq!(processes_of(state_text), Vec::<String>::new());
}
