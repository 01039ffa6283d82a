//! Exports: turns a graph into the text of Mermaid flowcharts and of Graphviz' DOT, every text in it quoted.

use crate::{Graph, Node};
use std::collections::HashMap;
use std::fmt::Write as _;

const TEXT: &str = "writing to text does not fail";

/// A Mermaid flowchart.
pub fn mermaid(graph: &Graph) -> String {
    let index = index(graph);
    let mut out = String::from("flowchart LR\n");
    for (at, node) in first_of_each(graph, &index) {
        let own = if node.own { ":::own" } else { "" };
        let label = text_of(node, "<br>", &|text| entities(text));
        writeln!(out, "  n{at}[\"{label}\"]{own}").expect(TEXT);
    }
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (index.get(edge.from.as_str()), index.get(edge.to.as_str())) else { continue };
        let arrow = if edge.light { "-.->" } else { "-->" };
        match &edge.label {
            Some(label) => writeln!(out, "  n{from} {arrow}|\"{}\"| n{to}", entities(label)),
            None => writeln!(out, "  n{from} {arrow} n{to}"),
        }
        .expect(TEXT);
    }
    if graph.nodes.iter().any(|n| n.own) {
        out.push_str("  classDef own stroke-width:3px\n");
    }
    out
}

/// A digraph in Graphviz' DOT language.
pub fn dot(graph: &Graph) -> String {
    let index = index(graph);
    let mut out = format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&graph.label));
    for (at, node) in first_of_each(graph, &index) {
        let own = if node.own { ", penwidth=2" } else { "" };
        writeln!(out, "  n{at} [label=\"{}\"{own}];", text_of(node, "\\n", &quoted)).expect(TEXT);
    }
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (index.get(edge.from.as_str()), index.get(edge.to.as_str())) else { continue };
        match (&edge.label, edge.light) {
            (Some(label), false) => writeln!(out, "  n{from} -> n{to} [label=\"{}\"];", quoted(label)),
            (Some(label), true) => writeln!(out, "  n{from} -> n{to} [label=\"{}\", style=dashed];", quoted(label)),
            (None, false) => writeln!(out, "  n{from} -> n{to};"),
            (None, true) => writeln!(out, "  n{from} -> n{to} [style=dashed];"),
        }
        .expect(TEXT);
    }
    out.push_str("}\n");
    out
}

fn index(graph: &Graph) -> HashMap<&str, usize> {
    let mut index = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        index.entry(node.id.as_str()).or_insert(at);
    }
    index
}

fn first_of_each<'a>(graph: &'a Graph, index: &HashMap<&str, usize>) -> Vec<(usize, &'a Node)> {
    graph.nodes.iter().enumerate().filter(|(at, node)| index.get(node.id.as_str()) == Some(at)).collect()
}

fn text_of(node: &Node, between: &str, write: &dyn Fn(&str) -> String) -> String {
    let parts = [node.label.as_str(), node.sub.as_str()].into_iter().chain(node.lines.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).map(write).collect::<Vec<_>>().join(between)
}

/// Mermaid's entity codes for whatever could end a text or start markup.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_alphanumeric() || " ._-:/,()".contains(letter) => out.push(letter),
            letter if letter.is_control() => out.push(' '),
            letter => write!(out, "#{};", u32::from(letter)).expect(TEXT),
        }
    }
    out
}

/// The inside of a DOT string: escapes are `\"` and `\\`.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('\\', "\\\\").replace('"', "\\\"")
}
