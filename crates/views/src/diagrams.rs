//! Diagrams: turns lineage and data dictionary into drawings, their exports, and the same in sentences.

use crate::Visit;
use crate::model::{Diagram, Export};
use crate::said::{DatasetInfo, LineageNode, ProductInfo};
use crate::text::html_id;
use crate::types::FieldTypes;
use terrane_diagram::{Edge, Graph, Node, dot, mermaid, svg};

/// Fields of a dataset that its box lists at most.
const FIELDS: usize = 24;

pub(crate) fn diagrams(info: &ProductInfo, types: &FieldTypes, visit: &Visit<'_>) -> Vec<Diagram> {
    let lineage = lineage(info, visit.page_of);
    let model = model(info, types, visit.page_of);
    let mut found = Vec::new();
    if !lineage.nodes.is_empty() {
        found.push(diagram("Lineage", &lineage, lines_of_lineage(info), visit));
    }
    if !model.nodes.is_empty() {
        found.push(diagram("Data model", &model, lines_of_model(info), visit));
    }
    found
}

/// The lineage of a product for another tool: `mmd` (Mermaid) or `dot`; none for another ending.
pub fn draw_lineage(info: &ProductInfo, ending: &str) -> Option<String> {
    draw(&lineage(info, &|_| None), ending)
}

/// The data model of a product for another tool: `mmd` (Mermaid) or `dot`; none for another ending.
pub fn draw_model(info: &ProductInfo, ending: &str) -> Option<String> {
    draw(&model(info, &FieldTypes::read(&info.sdl), &|_| None), ending)
}

fn draw(graph: &Graph, ending: &str) -> Option<String> {
    match ending {
        "mmd" => Some(mermaid(graph)),
        "dot" => Some(dot(graph)),
        _ => None,
    }
}

pub(crate) fn diagram(title: &str, graph: &Graph, lines: Vec<String>, visit: &Visit<'_>) -> Diagram {
    let export = |(label, ending): (&str, &str)| Export {
        label: label.to_owned(),
        href: format!("{}{}.{ending}", visit.exports, graph.id),
    };
    Diagram {
        id: graph.id.clone(),
        title: title.to_owned(),
        svg: svg(graph),
        exports: [("Mermaid", "mmd"), ("DOT", "dot")].map(export).into(),
        lines,
    }
}

fn lineage(info: &ProductInfo, page_of: &dyn Fn(&str) -> Option<String>) -> Graph {
    let node = |node: &LineageNode| Node {
        id: node.id.clone(),
        label: node.label.clone(),
        sub: what_it_is(node),
        lines: Vec::new(),
        own: matches!(node.kind.as_str(), "output" | "port"),
        href: match (&node.product, node.kind.as_str()) {
            (Some(product), _) => page_of(product),
            (None, "output") => info
                .datasets
                .iter()
                .find(|d| node.id == format!("output.{}", d.name))
                .map(|d| format!("#dataset-{}", html_id(&d.name))),
            _ => None,
        },
    };
    let edge = |from: &String, to: &String| Edge { from: from.clone(), to: to.clone(), ..Edge::default() };
    Graph {
        id: "lineage".to_owned(),
        label: format!("Lineage of {}", info.name),
        nodes: info.lineage.nodes.iter().map(node).collect(),
        edges: info.lineage.edges.iter().map(|e| edge(&e.from, &e.to)).collect(),
    }
}

fn what_it_is(node: &LineageNode) -> String {
    match (&node.product, node.kind.as_str()) {
        (Some(product), _) => format!("product {product}"),
        (None, "input" | "abstraction" | "output") => format!("{} layer", node.kind),
        (None, kind) => kind.to_owned(),
    }
}

fn lines_of_lineage(info: &ProductInfo) -> Vec<String> {
    let mut lines = Vec::new();
    for node in &info.lineage.nodes {
        let sources: Vec<&str> =
            info.lineage.edges.iter().filter(|e| e.to == node.id).map(|e| e.from.as_str()).collect();
        if !sources.is_empty() {
            lines.push(format!("{} is made of {}", node.id, sources.join(", ")));
        }
    }
    lines
}

fn model(info: &ProductInfo, types: &FieldTypes, page_of: &dyn Fn(&str) -> Option<String>) -> Graph {
    let mut graph = Graph {
        id: "model".to_owned(),
        label: format!("Data model of {}", info.name),
        nodes: info.datasets.iter().map(|d| dataset_node(d, types)).collect(),
        edges: Vec::new(),
    };
    for dataset in &info.datasets {
        for relationship in &dataset.relationships {
            let other = relationship.target_product.as_deref().filter(|id| *id != info.id);
            let to = target_id(other, &relationship.target_dataset);
            if let Some(product) = other.filter(|_| !graph.nodes.iter().any(|n| n.id == to)) {
                let anchor = format!("#dataset-{}", html_id(&relationship.target_dataset));
                graph.nodes.push(Node {
                    id: to.clone(),
                    label: relationship.target_dataset.clone(),
                    sub: format!("product {product}"),
                    lines: relationship.target_fields.clone(),
                    own: false,
                    href: page_of(product).map(|page| format!("{page}{anchor}")),
                });
            }
            let label = format!("{} ({})", relationship.fields.join(", "), relationship.cardinality);
            graph.edges.push(Edge { from: target_id(None, &dataset.name), to, label: Some(label), ..Edge::default() });
        }
    }
    graph
}

fn target_id(product: Option<&str>, dataset: &str) -> String {
    format!("{}/{dataset}", product.unwrap_or_default())
}

fn dataset_node(dataset: &DatasetInfo, types: &FieldTypes) -> Node {
    let object = dataset.graphql_type.as_deref().unwrap_or_default();
    let line = |field: &crate::said::FieldInfo| {
        let key = if field.key_position.is_some() { " · key" } else { "" };
        let of = types.of(object, &field.graphql_name).unwrap_or(&field.datatype);
        format!("{}: {of}{key}", field.graphql_name)
    };
    let mut lines: Vec<String> = dataset.fields.iter().take(FIELDS).map(line).collect();
    if dataset.fields.len() > FIELDS {
        lines.push(format!("and {} more", dataset.fields.len() - FIELDS));
    }
    Node {
        id: target_id(None, &dataset.name),
        label: dataset.graphql_type.clone().unwrap_or_else(|| dataset.name.clone()),
        sub: format!("dataset {}", dataset.name),
        lines,
        own: true,
        href: Some(format!("#dataset-{}", html_id(&dataset.name))),
    }
}

fn lines_of_model(info: &ProductInfo) -> Vec<String> {
    let mut lines = Vec::new();
    for dataset in &info.datasets {
        lines.push(format!("{} has {} fields", dataset.name, dataset.fields.len()));
        for relationship in &dataset.relationships {
            let product = relationship.target_product.as_ref().map(|p| format!(" of {p}")).unwrap_or_default();
            lines.push(format!(
                "{}.{} refers to {}.{}{product} ({})",
                dataset.name,
                relationship.fields.join(", "),
                relationship.target_dataset,
                relationship.target_fields.join(", "),
                relationship.cardinality
            ));
        }
    }
    lines
}

/// A product as a box of the mesh.
#[derive(Debug, Clone, Default)]
pub struct MeshProduct {
    /// Its id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Business area.
    pub domain: String,
    /// Names of its output datasets.
    pub datasets: Vec<String>,
}

/// That a product reads a dataset of another one, or refers to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeshRead {
    /// Id of the product that is read.
    pub product: String,
    /// Its dataset.
    pub dataset: String,
    /// Id of the product that reads it, or refers to it.
    pub by: String,
    /// Whether it only refers to it: nothing is read.
    pub refers: bool,
}

/// The whole mesh as one picture: which products read which. `exports` is where its exports are, with a slash at the end.
pub fn mesh(
    products: &[MeshProduct],
    reads: &[MeshRead],
    page_of: &dyn Fn(&str) -> Option<String>,
    exports: &str,
) -> Diagram {
    let graph = mesh_graph(products, reads, page_of);
    let export =
        |(label, ending): (&str, &str)| Export { label: label.to_owned(), href: format!("{exports}mesh.{ending}") };
    let name = |id: &str| products.iter().find(|p| p.id == id).map_or_else(|| id.to_owned(), |p| p.name.clone());
    let mut lines: Vec<String> = reads
        .iter()
        .map(|read| {
            let verb = if read.refers { "refers to" } else { "reads" };
            format!("{} {verb} {} of {}", name(&read.by), read.dataset, name(&read.product))
        })
        .collect();
    let alone = |product: &&MeshProduct| !reads.iter().any(|r| r.product == product.id || r.by == product.id);
    lines.extend(products.iter().filter(alone).map(|product| format!("{} stands alone", product.name)));
    Diagram {
        id: graph.id.clone(),
        title: "Who reads whom".to_owned(),
        svg: svg(&graph),
        exports: [("Mermaid", "mmd"), ("DOT", "dot")].map(export).into(),
        lines,
    }
}

/// The mesh for another tool: `mmd` (Mermaid) or `dot`; none for another ending.
pub fn draw_mesh(products: &[MeshProduct], reads: &[MeshRead], ending: &str) -> Option<String> {
    draw(&mesh_graph(products, reads, &|_| None), ending)
}

fn mesh_graph(products: &[MeshProduct], reads: &[MeshRead], page_of: &dyn Fn(&str) -> Option<String>) -> Graph {
    let node = |product: &MeshProduct| Node {
        id: product.id.clone(),
        label: product.name.clone(),
        sub: product.domain.clone(),
        lines: product.datasets.clone(),
        own: false,
        href: page_of(&product.id),
    };
    let edge = |read: &MeshRead| {
        let of = products.iter().find(|product| product.id == read.product);
        Edge {
            from: read.product.clone(),
            to: read.by.clone(),
            label: Some(if read.refers { format!("refers to {}", read.dataset) } else { read.dataset.clone() }),
            light: read.refers,
            from_line: of.and_then(|of| of.datasets.iter().position(|name| *name == read.dataset)),
            to_line: None,
        }
    };
    Graph {
        id: "mesh".to_owned(),
        label: "Data products and what they read of each other".to_owned(),
        nodes: products.iter().map(node).collect(),
        edges: reads.iter().map(edge).collect(),
    }
}
