//! Diagrams: turns nodes and edges into an SVG drawing, and into the text of Mermaid and DOT; numbers into a small chart.
//!
//! The same graph gives the same text. The drawing has no colours of its own: `docs/pages.md` names the classes that a
//! style sheet gives them by.

mod chart;
mod export;
mod layer;
mod place;
mod svg;

pub use chart::{Bar, Chart, Part, bars};
pub use export::{dot, mermaid};
pub use svg::svg;

/// Nodes and edges, with a name.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Starts every id in the drawing: letters, digits and `-`.
    pub id: String,
    /// What the drawing shows, for those who don't see it.
    pub label: String,
    /// Each is drawn once, also where ids are given twice.
    pub nodes: Vec<Node>,
    /// Those between unknown nodes are not drawn.
    pub edges: Vec<Edge>,
}

/// A box.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// What edges call it.
    pub id: String,
    /// Its name.
    pub label: String,
    /// What it is, in smaller letters.
    pub sub: String,
    /// Lines below, such as fields.
    pub lines: Vec<String>,
    /// Whether it stands out.
    pub own: bool,
    /// Where a click leads.
    pub href: Option<String>,
}

/// An arrow.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    /// Id of the node where it starts.
    pub from: String,
    /// Id of the node that it points to.
    pub to: String,
    /// Said where somebody points at it, and in the exports.
    pub label: Option<String>,
    /// Which line of the node it starts at; none is the node.
    pub from_line: Option<usize>,
    /// Which line of the node it points to; none is the node.
    pub to_line: Option<usize>,
    /// Whether it says less than the others: it is drawn in dashes.
    pub light: bool,
}
