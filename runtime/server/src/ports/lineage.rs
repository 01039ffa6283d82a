//! Lineage: turns input ports, models and output ports into the graph of what is made from what.

use async_graphql::SimpleObject;
use terrane_manifest::{Connector, Product};

/// A table, source or port in a lineage graph.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageNode {
    /// `LAYER.TABLE`, `source:…` or `port:…`.
    pub id: String,
    /// Name for people.
    pub label: String,
    /// `source`, `input`, `abstraction`, `output` or `port`.
    pub kind: String,
    /// The other product it belongs to, for sources that are one.
    pub product: Option<String>,
}

/// That one is made from another.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageEdge {
    /// What is read.
    pub from: String,
    /// What is made from it.
    pub to: String,
}

/// Nodes and edges of a product, in a stable order.
pub fn lineage(product: &Product) -> (Vec<LineageNode>, Vec<LineageEdge>) {
    let mut nodes = Vec::new();
    let mut edges = Vec::new();
    let mut node = |id: &str, label: &str, kind: &str, of: Option<&str>| {
        let (id, label, kind) = (id.to_owned(), label.to_owned(), kind.to_owned());
        nodes.push(LineageNode { id, label, kind, product: of.map(str::to_owned) });
    };
    let mut edge = |from: &str, to: &str| edges.push(LineageEdge { from: from.to_owned(), to: to.to_owned() });
    for dataset in product.inputs() {
        node(&format!("input.{}", dataset.table), &dataset.name, "input", None);
    }
    for port in &product.input_ports {
        let Some(dataset) = product.inputs().find(|d| d.name == port.dataset) else { continue };
        let (id, label, of) = match &port.connector {
            Connector::File { path, .. } => (format!("source:{path}"), path.clone(), None),
            Connector::Product { product, dataset } => {
                (format!("source:{product}.{dataset}"), format!("{product}: {dataset}"), Some(product.as_str()))
            }
            Connector::Push | Connector::JetStream { .. } => (format!("source:{}", port.name), port.name.clone(), None),
        };
        node(&id, &label, "source", of);
        edge(&id, &format!("input.{}", dataset.table));
    }
    for model in &product.models {
        let id = format!("{}.{}", model.layer.name(), model.name);
        node(&id, &model.name, model.layer.name(), None);
        for read in &model.depends_on {
            edge(&format!("{}.{}", read.layer.name(), read.table), &id);
        }
    }
    for port in &product.output_ports {
        let id = format!("port:{}", port.name);
        node(&id, &port.name, "port", None);
        for dataset in product.outputs().filter(|d| d.contract == port.contract) {
            edge(&format!("output.{}", dataset.table), &id);
        }
    }
    nodes.sort();
    nodes.dedup();
    edges.sort();
    edges.dedup();
    (nodes, edges)
}
