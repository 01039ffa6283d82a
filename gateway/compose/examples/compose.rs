//! Composes the subgraphs of a JSON file: the supergraph (or `--api` schema) to stdout, diagnostics to stderr.

use serde_json::Value;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = std::env::args().nth(1).expect("usage: compose FILE.json [--api]");
    let text = std::fs::read_to_string(path).expect("the file is readable");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the file is a JSON list");
    let get = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let subgraphs: Vec<terrane_compose::Subgraph> = list
        .iter()
        .map(|item| terrane_compose::Subgraph { name: get(item, "name"), url: get(item, "url"), sdl: get(item, "sdl") })
        .collect();
    let started = std::time::Instant::now();
    let outcome = terrane_compose::compose(&subgraphs);
    let took = started.elapsed();
    let (found, code) = match outcome {
        Ok(composition) => {
            let wanted = if std::env::args().any(|arg| arg == "--api") {
                composition.api_schema
            } else {
                composition.supergraph
            };
            std::io::stdout().write_all(wanted.as_bytes()).expect("stdout takes the text");
            (composition.hints, ExitCode::SUCCESS)
        }
        Err(found) => (found, ExitCode::FAILURE),
    };
    let mut stderr = std::io::stderr();
    stderr.write_all(terrane_diagnostics::render_all(&found).as_bytes()).expect("stderr takes the text");
    writeln!(stderr, "composed in {took:?}").expect("stderr takes the text");
    code
}
