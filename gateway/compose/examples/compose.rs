//! Composes the subgraphs of a JSON file and prints the supergraph, or the diagnostics.

use serde_json::Value;

fn main() {
    let path = std::env::args().nth(1).expect("usage: compose FILE.json [--api]");
    let text = std::fs::read_to_string(path).expect("the file is readable");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the file is a JSON list");
    let get = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let subgraphs: Vec<terrane_compose::Subgraph> = list
        .iter()
        .map(|item| terrane_compose::Subgraph { name: get(item, "name"), url: get(item, "url"), sdl: get(item, "sdl") })
        .collect();
    let mut out = String::new();
    match terrane_compose::compose(&subgraphs) {
        Ok(composition) => {
            out.push_str(if std::env::args().any(|arg| arg == "--api") { &composition.api_schema } else { &composition.supergraph });
        }
        Err(found) => out.push_str(&terrane_diagnostics::render_all(&found)),
    }
    std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes()).expect("stdout takes the text");
}
