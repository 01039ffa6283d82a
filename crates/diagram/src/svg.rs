//! SVG: turns a graph into a drawing whose colours are the style sheet's, every text in it escaped.

use crate::layer::{Layered, layer};
use crate::place::{Placed, Size, place};
use crate::{Edge, Graph, Node};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

const TEXT: &str = "writing to text does not fail";
/// Widths of a character of the name and of smaller text: those of a wide one, as no font is known here.
const WIDE: f64 = 7.6;
const SMALL: f64 = 6.4;
/// Heights of a box with a name, and of each line below it.
const HEAD: f64 = 44.0;
const LINE: f64 = 16.0;
/// Room for an edge that passes through a column.
const WAY: f64 = 8.0;
/// Longer texts are cut; the whole text is in the title.
const LONGEST: usize = 34;

/// The drawing. Ids in it start with the graph's.
pub fn svg(graph: &Graph) -> String {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut nodes: Vec<&Node> = Vec::new();
    for node in &graph.nodes {
        index.entry(node.id.as_str()).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        });
    }
    let mut edges: BTreeMap<(usize, usize), Vec<&Edge>> = BTreeMap::new();
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (index.get(edge.from.as_str()), index.get(edge.to.as_str())) {
            edges.entry((*from, *to)).or_default().push(edge);
        }
    }
    let mut sizes: Vec<Size> = nodes.iter().map(|node| measure(node)).collect();
    let pairs: Vec<(usize, usize)> = edges.keys().copied().collect();
    let layered = layer(nodes.len(), &pairs);
    sizes.resize(layered.cells, (0.0, WAY));
    for column in &layered.columns {
        // cells of one column are equally wide: sides line up, and an edge passes between boxes, not below them
        let widest = column.iter().map(|cell| sizes[*cell].0).fold(0.0, f64::max);
        column.iter().for_each(|cell| sizes[*cell].0 = widest);
    }
    let threads = graph.edges.len() / layered.columns.len().saturating_sub(1).max(1);
    let placed = place(&layered, &sizes, threads);
    let loops = edges.keys().any(|(from, to)| from == to);
    let marker =
        format!("{}-tip", graph.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>());
    let mut out = open(graph, &nodes, &placed, &marker, loops);
    for (pair, between) in &edges {
        // edges between the same lines are one
        let mut apart: BTreeMap<Lines, Vec<&Edge>> = BTreeMap::new();
        for edge in between {
            apart
                .entry((line_of(nodes[pair.0], edge.from_line), line_of(nodes[pair.1], edge.to_line)))
                .or_default()
                .push(edge);
        }
        for (lines, same) in apart {
            let path = if pair.0 == pair.1 {
                turn(placed.corners[pair.0], sizes[pair.0])
            } else {
                curve(&layered, &placed, &sizes, *pair, lines)
            };
            let light = if same.iter().all(|edge| edge.light) { " light" } else { "" };
            write!(out, "<path class=\"edge{light}\" d=\"{path}\" marker-end=\"url(#{marker})\">").expect(TEXT);
            let labels: Vec<String> = same.iter().filter_map(|e| e.label.as_deref()).map(escape).collect();
            let (from, to) = (escape(&nodes[pair.0].label), escape(&nodes[pair.1].label));
            let label = if labels.is_empty() { format!("{from} → {to}") } else { labels.join(", ") };
            writeln!(out, "<title>{label}</title></path>").expect(TEXT);
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        draw(&mut out, node, placed.corners[at], sizes[at]);
    }
    out.push_str("</svg>");
    out
}

/// The lines that an edge runs between.
type Lines = (Option<usize>, Option<usize>);

/// A line that the node has.
fn line_of(node: &Node, line: Option<usize>) -> Option<usize> {
    line.filter(|line| *line < node.lines.len())
}

/// How far down a box the middle of one of its lines is.
fn down_to(line: usize) -> f64 {
    HEAD + 8.0 + line as f64 * LINE
}

fn open(graph: &Graph, nodes: &[&Node], placed: &Placed, marker: &str, loops: bool) -> String {
    let (width, height) = (placed.size.0 + if loops { 40.0 } else { 0.0 }, placed.size.1);
    let role = if nodes.iter().any(|n| n.href.is_some()) { "group" } else { "img" };
    let label = escape(&graph.label);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"{role}\" aria-label=\"{label}\">\n<defs><marker id=\"{marker}\" viewBox=\"0 0 8 8\" \
         refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"arrow\" \
         d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n"
    )
}

fn measure(node: &Node) -> Size {
    let wide = |text: &str, each: f64| cut(text).chars().count() as f64 * each;
    let widest = node.lines.iter().map(|line| wide(line, SMALL)).fold(wide(&node.sub, SMALL), f64::max);
    let width = widest.max(wide(&node.label, WIDE)) + 24.0;
    let lines = if node.lines.is_empty() { 0.0 } else { node.lines.len() as f64 * LINE + 10.0 };
    (width.ceil().max(72.0), HEAD + lines)
}

fn draw(out: &mut String, node: &Node, (x, y): (f64, f64), (width, height): Size) {
    if let Some(href) = &node.href {
        write!(out, "<a href=\"{}\">", escape(href)).expect(TEXT);
    }
    let own = if node.own { " own" } else { "" };
    write!(out, "<g class=\"node{own}\"><title>{}</title>", escape(&format!("{} ({})", node.label, node.sub)))
        .expect(TEXT);
    write!(out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>").expect(TEXT);
    let mut text = |class: &str, down: f64, text: &str| {
        let (x, y, text) = (x + 12.0, y + down, escape(&cut(text)));
        write!(out, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>").expect(TEXT);
    };
    text("", 19.0, &node.label);
    text(" class=\"sub\"", 35.0, &node.sub);
    for (at, line) in node.lines.iter().enumerate() {
        text(" class=\"sub\"", HEAD + 12.0 + at as f64 * LINE, line);
    }
    out.push_str("</g>");
    out.push_str(if node.href.is_some() { "</a>\n" } else { "\n" });
}

/// An edge as a curve through its waypoints, from the side of one box to the side of the other, at the lines that it is of.
fn curve(layered: &Layered, placed: &Placed, sizes: &[Size], pair: (usize, usize), lines: Lines) -> String {
    let route = layered.routes.iter().find(|r| (r[0], r[r.len() - 1]) == pair);
    let direct = [pair.0, pair.1];
    let cells: &[usize] = route.map_or(&direct, Vec::as_slice);
    let backwards = placed.corners[pair.0].0 > placed.corners[pair.1].0;
    let mut points = Vec::with_capacity(cells.len() * 2);
    for (at, cell) in cells.iter().enumerate() {
        let ((x, y), (width, height)) = (placed.corners[*cell], sizes[*cell]);
        let line = match at {
            0 => lines.0,
            _ if at + 1 == cells.len() => lines.1,
            _ => None,
        };
        let middle = y + line.map_or(height / 2.0, down_to);
        let (left, right) = ((x, middle), (x + width, middle));
        let (enters, leaves) = if backwards { (right, left) } else { (left, right) };
        points.extend((at > 0).then_some(enters));
        points.extend((at + 1 < cells.len()).then_some(leaves));
    }
    // leave, enter, leave, enter: a curve between columns, a line through one
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for (at, step) in points.windows(2).enumerate() {
        let ((x1, y1), (x2, y2)) = (step[0], step[1]);
        let middle = f64::midpoint(x1, x2);
        match at % 2 {
            0 => write!(path, " C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}"),
            _ => write!(path, " L{x2:.1} {y2:.1}"),
        }
        .expect(TEXT);
    }
    path
}

/// An edge from a box to itself.
fn turn((x, y): (f64, f64), (width, _): Size) -> String {
    let (right, middle) = (x + width, y + HEAD / 2.0);
    let (up, down, out) = (middle - 10.0, middle + 10.0, right + 36.0);
    format!("M{right:.1} {up:.1} C{out:.1} {:.1} {out:.1} {:.1} {right:.1} {down:.1}", up - 10.0, down + 10.0)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Text as XML's character data or attribute value (XML 1.0, sections 2.2 and 2.4): characters that no XML document
/// may hold are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            letter => out.push(letter),
        }
    }
    out
}
