//! Columns: turns the lineage of products into the drawing of where a product's columns come from, and who uses them, across
//! products.

use crate::Visit;
use crate::diagrams::diagram;
use crate::model::Diagram;
use crate::said::{InputPortInfo, LineageColumn, ProductInfo};
use crate::text::html_id;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use terrane_diagram::{Edge, Graph, Node, dot, mermaid};

/// Columns that are followed at most: more is no picture any more.
const MOST: usize = 400;

/// A column of a product's table: product, table, column. The table is the dataset's, or `input.TABLE` where its rows are of
/// no other product.
type Column = (String, String, String);

/// A product around another one, as far as columns are followed through it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// Its id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Where its data comes from.
    pub input_ports: Vec<InputPortInfo>,
    /// Columns of its models, and what the SQL makes them from.
    pub columns: Vec<LineageColumn>,
}

/// What is looked at of a product.
#[derive(Clone, Copy)]
struct Of<'a> {
    id: &'a str,
    name: &'a str,
    input_ports: &'a [InputPortInfo],
    columns: &'a [LineageColumn],
}

impl<'a> From<&'a Neighbour> for Of<'a> {
    fn from(of: &'a Neighbour) -> Self {
        Self { id: &of.id, name: &of.name, input_ports: &of.input_ports, columns: &of.columns }
    }
}

/// Where the columns of `info` come from and go to, with the products around it that the visitor may know about; none where
/// nothing is known.
pub fn columns(info: &ProductInfo, others: &[Neighbour], visit: &Visit<'_>) -> Option<Diagram> {
    let (graph, lines) = graph(info, others, visit.page_of)?;
    Some(diagram("Columns, across products", &graph, lines, visit))
}

/// The same for another tool: `mmd` (Mermaid) or `dot`; none for another ending.
pub fn draw_columns(info: &ProductInfo, others: &[Neighbour], ending: &str) -> Option<String> {
    let (graph, _) = graph(info, others, &|_| None)?;
    match ending {
        "mmd" => Some(mermaid(&graph)),
        "dot" => Some(dot(&graph)),
        _ => None,
    }
}

fn graph(
    info: &ProductInfo,
    others: &[Neighbour],
    page_of: &dyn Fn(&str) -> Option<String>,
) -> Option<(Graph, Vec<String>)> {
    let own = Of { id: &info.id, name: &info.name, input_ports: &info.input_ports, columns: &info.lineage.columns };
    let products = || others.iter().filter(|other| other.id != info.id).map(Of::from).chain([own]);
    let edges: BTreeSet<(Column, Column)> = products().flat_map(edges).collect();
    let own: Vec<Column> = edges.iter().map(|(_, to)| to).filter(|to| to.0 == info.id).cloned().collect();
    let kept = around(&own, &edges);
    if kept.is_empty() {
        return None;
    }
    let mut boxes: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (product, table, column) in kept.iter().flat_map(|(from, to)| [from, to]) {
        boxes.entry((product, table)).or_default().insert(column);
    }
    let names: BTreeMap<&str, &str> = products().map(|of| (of.id, of.name)).collect();
    let id = |product: &str, table: &str| format!("{product}/{table}");
    let node = |(&(product, table), columns): (&(&str, &str), &BTreeSet<&str>)| {
        let of = names.get(product).copied();
        let source = table.strip_prefix("input.");
        let anchor = format!("#dataset-{}", html_id(table));
        Node {
            id: id(product, table),
            label: source.unwrap_or(table).to_owned(),
            sub: match source {
                Some(_) => format!("input of {product}"),
                None => of.map_or_else(|| format!("product {product}"), str::to_owned),
            },
            lines: columns.iter().map(|column| (*column).to_owned()).collect(),
            own: product == info.id && source.is_none(),
            href: match (source, product == info.id) {
                (Some(_), _) => None,
                (None, true) => Some(anchor),
                (None, false) => page_of(product).map(|page| format!("{page}{anchor}")),
            },
        }
    };
    let line = |(product, table, column): &Column| {
        boxes.get(&(product.as_str(), table.as_str()))?.iter().position(|known| *known == column.as_str())
    };
    let edge = |(from, to): &(Column, Column)| Edge {
        from: id(&from.0, &from.1),
        to: id(&to.0, &to.1),
        label: Some(format!("{} → {}", from.2, to.2)),
        from_line: line(from),
        to_line: line(to),
        light: false,
    };
    let graph = Graph {
        id: "columns".to_owned(),
        label: format!("Columns of {}, across products", info.name),
        nodes: boxes.iter().map(node).collect(),
        edges: kept.iter().map(edge).collect(),
    };
    let mut made: BTreeMap<&Column, Vec<String>> = BTreeMap::new();
    for (from, to) in &kept {
        made.entry(to).or_default().push(written(from));
    }
    let lines = made.into_iter().map(|(to, from)| format!("{} comes from {}", written(to), from.join(", "))).collect();
    Some((graph, lines))
}

fn written((product, table, column): &Column) -> String {
    match table.strip_prefix("input.") {
        Some(table) => format!("{table}.{column} (input of {product})"),
        None => format!("{table}.{column} of {product}"),
    }
}

/// From which columns those of a product's outputs come: of another product's dataset where an input is one, else of the input.
fn edges(info: Of<'_>) -> Vec<(Column, Column)> {
    let source = |origin: &str| -> Option<Column> {
        let (table, column) = origin.strip_prefix("input.")?.rsplit_once('.')?;
        let port = info.input_ports.iter().find(|port| port.dataset == table && port.connector == "product");
        let read = port.and_then(|port| port.source.as_deref()?.split_once('.'));
        Some(match read {
            Some((product, dataset)) => (product.to_owned(), dataset.to_owned(), column.to_owned()),
            None => (info.id.to_owned(), format!("input.{table}"), column.to_owned()),
        })
    };
    let mut edges = Vec::new();
    for made in info.columns {
        let Some(table) = made.node.strip_prefix("output.") else { continue };
        let to = (info.id.to_owned(), table.to_owned(), made.column.clone());
        edges.extend(made.origins.iter().filter_map(|origin| Some((source(origin)?, to.clone()))));
    }
    edges
}

/// The edges that lead to the columns, over others, and those that lead on from them.
fn around(own: &[Column], edges: &BTreeSet<(Column, Column)>) -> BTreeSet<(Column, Column)> {
    let mut kept = BTreeSet::new();
    for backwards in [true, false] {
        let mut next: BTreeMap<&Column, Vec<&(Column, Column)>> = BTreeMap::new();
        for edge in edges {
            next.entry(if backwards { &edge.1 } else { &edge.0 }).or_default().push(edge);
        }
        let mut seen: BTreeSet<&Column> = own.iter().collect();
        let mut waiting: VecDeque<&Column> = seen.iter().copied().collect();
        while let Some(column) = waiting.pop_front() {
            for edge in next.get(column).into_iter().flatten() {
                if kept.len() >= MOST {
                    return kept;
                }
                kept.insert((*edge).clone());
                let end = if backwards { &edge.0 } else { &edge.1 };
                if seen.insert(end) {
                    waiting.push_back(end);
                }
            }
        }
    }
    kept
}
