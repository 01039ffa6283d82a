//! Drawings: the same graph gives the same text, no text breaks out of its place, and boxes don't overlap.

use proptest::prelude::*;
use terrane_diagram::{Bar, Chart, Edge, Graph, Node, Part, bars, dot, mermaid, svg};

fn graph(labels: &[String], edges: &[(usize, usize)]) -> Graph {
    let node = |(at, label): (usize, &String)| Node {
        id: format!("n{at}"),
        label: label.clone(),
        sub: label.clone(),
        lines: vec![label.clone()],
        own: at % 2 == 0,
        href: (at % 3 == 0).then(|| format!("/{label}")),
    };
    let edge = |(from, to): &(usize, usize)| Edge {
        from: format!("n{from}"),
        to: format!("n{to}"),
        label: labels.first().cloned(),
        ..Edge::default()
    };
    let nodes = labels.iter().enumerate().map(node).collect();
    Graph { id: "test".to_owned(), label: labels.concat(), nodes, edges: edges.iter().map(edge).collect() }
}

/// The tags of well-formed markup, without their attributes; fails on a stray `<`, a quote that is not closed, or a tag
/// that is closed by another.
fn tags(markup: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a split has a first part").to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name));
        } else if !tag.ends_with('/') {
            open.push(name.clone());
        }
        found.push(name);
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

fn boxes(drawing: &str) -> Vec<[f64; 4]> {
    let number = |text: &str, name: &str| -> f64 {
        let from = text.find(&format!(" {name}=\"")).expect("the attribute is there") + name.len() + 3;
        let value = text[from..].split('"').next().expect("a split has a first part");
        value.parse().expect("a number")
    };
    drawing.split("<rect").skip(1).map(|r| ["x", "y", "width", "height"].map(|name| number(r, name))).collect()
}

fn assert_apart(drawing: &str) {
    let boxes = boxes(drawing);
    for (at, a) in boxes.iter().enumerate() {
        for b in &boxes[at + 1..] {
            let apart = a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1];
            assert!(apart, "{a:?} overlaps {b:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_and_any_graph_can_be_drawn(
        labels in prop::collection::vec("[<>&\"'\\\\a-z\u{0}-\u{1f} #;\\]|{}]{0,50}", 1..14),
        edges in prop::collection::vec((0_usize..15, 0_usize..15), 0..50),
    ) {
        let graph = graph(&labels, &edges);
        let drawing = svg(&graph);
        prop_assert_eq!(&drawing, &svg(&graph));
        let known = ["svg", "defs", "marker", "path", "title", "a", "g", "rect", "text"];
        for tag in tags(&drawing) {
            prop_assert!(known.contains(&tag.as_str()), "{}", tag);
        }
        prop_assert!(!drawing.contains("style"));
        assert_apart(&drawing);
        // every line is a statement: no text ends one or begins another
        for line in mermaid(&graph).lines().skip(1) {
            prop_assert!(line.starts_with("  n") || line.starts_with("  classDef own"), "{}", line);
            prop_assert!(line.matches('"').count() % 2 == 0, "{}", line);
        }
        for line in dot(&graph).lines() {
            let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
            prop_assert!(quotes % 2 == 0, "{}", line);
        }
    }
}

#[test]
fn fifty_nodes_stay_readable() {
    let labels: Vec<String> = (0..50).map(|at| format!("table_{at}")).collect();
    let edges: Vec<(usize, usize)> = (0..50).flat_map(|at| [(at, at * 2 + 1), (at, at * 2 + 2)]).collect();
    let drawing = svg(&graph(&labels, &edges));
    assert_apart(&drawing);
    assert_eq!(boxes(&drawing).len(), 50);
    let tallest = boxes(&drawing).iter().map(|b| b[1] + b[3]).fold(0.0, f64::max);
    assert!(tallest < 4_000.0, "{tallest}");
}

#[test]
fn a_thousand_nodes_are_drawn_in_time() {
    let labels: Vec<String> = (0..1000).map(|at| format!("t{at}")).collect();
    let edges: Vec<(usize, usize)> =
        (0..1000).flat_map(|at| [(at, at + 1), (at, (at * 7) % 1000), (at, 999)]).collect();
    let started = std::time::Instant::now();
    svg(&graph(&labels, &edges));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_small_graph_in_all_notations() {
    let mut small = graph(&["input".to_owned(), "output".to_owned()], &[(0, 1), (1, 1), (0, 7)]);
    small.nodes[1].own = true;
    assert_eq!(
        mermaid(&small),
        "flowchart LR\n  n0[\"input<br>input<br>input\"]:::own\n  n1[\"output<br>output<br>output\"]:::own\n  n0 \
         -->|\"input\"| n1\n  n1 -->|\"input\"| n1\n  classDef own stroke-width:3px\n"
    );
    assert!(dot(&small).contains("  n0 -> n1 [label=\"input\"];\n"));
    let drawing = svg(&small);
    assert!(drawing.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "), "{drawing}");
    assert!(drawing.contains("role=\"group\"") && drawing.contains("class=\"node own\""), "{drawing}");
    assert_eq!(drawing.matches("class=\"edge\"").count(), 2);
}

#[test]
fn a_long_edge_passes_between_boxes() {
    let labels: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
    // a feeds e past b, c and d
    let drawing = svg(&graph(&labels, &[(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (0, 4)]));
    let boxes = boxes(&drawing);
    let lines: Vec<&str> = drawing.split("class=\"edge\" d=\"").skip(1).map(|p| p.split('"').next().unwrap()).collect();
    let through: Vec<&str> = lines.iter().filter(|l| l.contains('L')).map(|l| l.split('L').nth(1).unwrap()).collect();
    assert_eq!(through.len(), 1, "{lines:?}");
    let y: f64 = through[0].split(' ').nth(1).unwrap().parse().unwrap();
    for of in &boxes[1..4] {
        assert!(y < of[1] || y > of[1] + of[3], "{y} is inside {of:?}");
    }
}

#[test]
fn an_edge_between_lines_ends_at_their_height() {
    let lines = ["a", "b", "c"].map(str::to_owned);
    let node = |id: &str| Node { id: id.to_owned(), label: id.to_owned(), lines: lines.to_vec(), ..Node::default() };
    let edge = |from_line, to_line| Edge {
        from: "x".to_owned(),
        to: "y".to_owned(),
        label: None,
        from_line: Some(from_line),
        to_line: Some(to_line),
        light: from_line == 1,
    };
    // a line that is not there is the node
    let edges = vec![edge(0, 2), edge(0, 2), edge(1, 1), edge(9, 9)];
    let graph = Graph { id: "t".to_owned(), label: "t".to_owned(), nodes: vec![node("x"), node("y")], edges };
    let drawing = svg(&graph);
    assert_eq!(drawing.matches("class=\"edge light\"").count(), 1);
    assert!(mermaid(&graph).contains("n0 -.-> n1") && dot(&graph).contains("n0 -> n1 [style=dashed];"));
    let drawing = drawing.replace("edge light", "edge");
    let paths: Vec<&str> = drawing.split("class=\"edge\" d=\"").skip(1).map(|p| p.split('"').next().unwrap()).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let ends: Vec<(f64, f64)> = paths
        .iter()
        .map(|path| {
            let mut numbers = path.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|n| !n.is_empty());
            let first = numbers.nth(1).unwrap().parse::<f64>().unwrap();
            (first, numbers.next_back().unwrap().parse::<f64>().unwrap())
        })
        .collect();
    // node to node, then a to c (two lines of 16 further down), then b to b
    assert!((ends[1].1 - ends[1].0 - 32.0).abs() < 0.01, "{ends:?}");
    assert!((ends[2].0 - ends[1].0 - 16.0).abs() < 0.01 && (ends[2].1 - ends[2].0).abs() < 0.01, "{ends:?}");
}

#[test]
fn bars_stand_in_their_chart_and_no_text_breaks_out() {
    let part = |tone, value| Part { tone, value };
    let chart = Chart {
        label: "<Checks>".to_owned(),
        bars: vec![
            Bar { title: "\"1\" & 2".to_owned(), parts: vec![part("good", 20.0), part("bad", 1.0)] },
            Bar { title: String::new(), parts: vec![part("x\" onload=\"y", 5.0), part("warn", f64::NAN)] },
            Bar::default(),
        ],
    };
    let drawing = bars(&chart);
    tags(&drawing);
    assert!(drawing.contains("aria-label=\"&lt;Checks&gt;\"") && !drawing.contains("onload"), "{drawing}");
    let drawn = boxes(&drawing);
    assert_eq!(drawn.len(), 3);
    assert!(drawn.iter().all(|b| b[1] >= 0.0 && b[1] + b[3] <= 68.01), "{drawn:?}");
    assert_apart(&drawing);
}
