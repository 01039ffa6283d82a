//! Plans hostile operations: what is exponential when written out is refused or merged, whatever the graph.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use proptest::prelude::*;
use std::fmt::Write as _;
use terrane_plan::{PlanError, PlanOptions, QueryPlan, Supergraph, plan};

const GRAPH: &str = r#"
type Query @join__type(graph: A) @join__type(graph: B) @join__type(graph: C) { node: Node }
interface Node @join__type(graph: A) @join__type(graph: B) @join__type(graph: C) { id: ID! next: Node }
type P implements Node @join__implements(graph: A, interface: "Node") @join__implements(graph: B, interface: "Node") @join__implements(graph: C, interface: "Node") @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") @join__type(graph: C, key: "id") { id: ID! next: Node a: Int @join__field(graph: A) b: Int @join__field(graph: B) c: Int @join__field(graph: C) }
type Q implements Node @join__implements(graph: A, interface: "Node") @join__implements(graph: B, interface: "Node") @join__implements(graph: C, interface: "Node") @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") @join__type(graph: C, key: "id") { id: ID! next: Node a: Int @join__field(graph: B) b: Int @join__field(graph: C) c: Int @join__field(graph: A) }
"#;

fn graph() -> Supergraph {
    Supergraph::parse(&format!("{}{GRAPH}", include_str!("../../../tests/plan/join.graphql"))).unwrap()
}

fn planned(graph: &Supergraph, operation: &str) -> Result<QueryPlan, PlanError> {
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), operation, "operation.graphql").unwrap();
    plan(graph, &document, None, &PlanOptions::default())
}

#[test]
fn doubling_fragments_are_merged_or_refused() {
    let mut text = String::from("{ node { ...F0 } } ");
    for i in 0..20 {
        write!(text, "fragment F{i} on Node {{ a{i}: next {{ ...F{n} }} b{i}: next {{ ...F{n} }} }} ", n = i + 1)
            .unwrap();
    }
    text.push_str("fragment F20 on Node { id }");
    assert_eq!(planned(&graph(), &text).unwrap_err().code(), "OPERATION_TOO_LARGE");
}

/// Selections of both object types at each of `depth` levels, each of whose fields another subgraph has.
fn deep(depth: usize) -> String {
    let mut text = String::from("{ node { id ... on P { a b c } ... on Q { a b c } ");
    for _ in 0..depth {
        text.push_str("next { ... on P { a b c } ... on Q { a c } ");
    }
    text + "id " + &"}".repeat(depth + 2)
}

#[test]
fn the_steps_of_the_search_grow_with_the_depth_not_exponentially() {
    let graph = graph();
    let steps = [4, 8, 16, 32].map(|depth| planned(&graph, &deep(depth)).unwrap().steps);
    for pair in steps.windows(2) {
        assert!(pair[1] <= 3 * pair[0], "twice the depth takes {steps:?} steps");
    }
}

#[test]
fn a_search_ends_at_its_limit() {
    let graph = graph();
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), deep(30), "operation.graphql").unwrap();
    let needed = plan(&graph, &document, None, &PlanOptions::default()).unwrap().steps;
    for max_steps in [0, 1, needed / 2, needed - 1] {
        let refused = plan(&graph, &document, None, &PlanOptions { max_steps, ..PlanOptions::default() });
        assert_eq!(refused.unwrap_err().code(), "OPERATION_TOO_LARGE", "{max_steps} of {needed} steps");
    }
    assert!(plan(&graph, &document, None, &PlanOptions { max_steps: needed, ..PlanOptions::default() }).is_ok());
}

#[test]
fn an_operation_defers_a_limited_number_of_fragments() {
    let graph = graph();
    let text = format!("{{ node {{ {} id }} }}", "... @defer { id ... on P { a } } ".repeat(101));
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), text, "operation.graphql").unwrap();
    let refused = plan(&graph, &document, None, &PlanOptions { incremental: true, ..PlanOptions::default() });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the operation is too large to plan: more than 100 fragments with @defer"
    );
    assert!(plan(&graph, &document, None, &PlanOptions::default()).is_ok(), "who takes no parts defers nothing");
}

#[test]
fn many_aliases_and_deep_nesting_take_a_small_stack() {
    let worker = std::thread::Builder::new().stack_size(2 << 20);
    let run = || {
        let graph = graph();
        let wide: String = (0..300).fold(String::new(), |mut text, i| {
            write!(text, "a{i}: node {{ ... on P {{ a b c }} ... on Q {{ a b }} }} ").unwrap();
            text
        });
        let wide = planned(&graph, &format!("{{ {wide} }}")).unwrap();
        assert!(wide.requests.len() < 10, "entities of all aliases share requests");
        assert!(wide.steps < 300 * 200, "{} steps", wide.steps);
        let deep = format!("{{ node {{ {} id {} }} }}", "next { ... on P { b } ".repeat(90), "}".repeat(90));
        assert!(planned(&graph, &deep).is_ok_and(|plan| plan.waves() >= 1));
        let deeper = format!("{{ node {{ {} id {} }} }}", "next { ".repeat(110), "}".repeat(110));
        assert_eq!(planned(&graph, &deeper).unwrap_err().code(), "OPERATION_TOO_LARGE");
    };
    worker.spawn(run).unwrap().join().unwrap();
}

/// A graph of `subgraphs` that all know a chain of `types` entities, whose fields are where `places` say.
fn random_graph(subgraphs: usize, types: usize, places: &[usize]) -> Supergraph {
    let names = ["A", "B", "C"];
    let joined = |extra: &str| {
        names[..subgraphs].iter().fold(String::new(), |text, g| format!("{text} @join__type(graph: {g}{extra})"))
    };
    let mut place = places.iter().cycle();
    let mut at = || {
        let first = place.next().unwrap() % subgraphs;
        let second = place.next().unwrap() % (2 * subgraphs);
        let mut text = format!(" @join__field(graph: {})", names[first]);
        if second < subgraphs && second != first {
            text.push_str(&format!(" @join__field(graph: {})", names[second]));
        }
        text
    };
    let mut text = include_str!("../../../tests/plan/join.graphql").to_owned();
    writeln!(text, "type Query{} {{ t0: T0{} }}", joined(""), at()).unwrap();
    for i in 0..types {
        let next = (i + 1) % types;
        write!(text, "type T{i}{} {{ id: ID! ", joined(", key: \"id\"")).unwrap();
        writeln!(text, "x: Int{} y: Int{} next: T{next}{} other: [T{i}]{} value: V }}", at(), at(), at(), at())
            .unwrap();
    }
    writeln!(text, "type V{} {{ n: Int{} t: T0{} }}", joined(""), joined("").replace("type", "field"), at()).unwrap();
    Supergraph::parse(&text).unwrap()
}

fn selection(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("id".to_owned()),
        Just("__typename".to_owned()),
        Just("... on P { a b }".to_owned()),
        Just("... on Q { c }".to_owned()),
        Just("... @include(if: $x) { id }".to_owned()),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|s| format!("next {{ {} }}", s.join(" "))),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|s| format!("... on P {{ b next {{ {} }} }}", s.join(" "))),
            prop::collection::vec(inner, 1..4)
                .prop_map(|s| format!("... on Q @skip(if: $x) {{ ... on Node {{ {} }} }}", s.join(" "))),
        ]
    })
}

fn chain(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("id".to_owned()), Just("x y".to_owned()), Just("value { n }".to_owned())];
    leaf.prop_recursive(depth, 48, 3, |inner| {
        let several = prop::collection::vec(inner, 1..4).prop_map(|s| s.join(" "));
        (several, 0..4usize).prop_map(|(below, n)| match n {
            0 => format!("next {{ {below} x }}"),
            1 => format!("other {{ {below} y }}"),
            2 => format!("value {{ n t {{ {below} }} }}"),
            _ => format!("x next {{ {below} }}"),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn steps_are_bounded_for_random_graphs(
        (subgraphs, types) in (2..4usize, 1..5usize),
        places in prop::collection::vec(0..12usize, 40),
        selections in prop::collection::vec(chain(12), 1..4),
    ) {
        let graph = random_graph(subgraphs, types, &places);
        let operation = format!("{{ t0 {{ {} }} }}", selections.join(" "));
        match planned(&graph, &operation) {
            // Each field is looked at for each of the places where its object may be had: a subgraph, and what it provides.
            Ok(plan) => {
                let fields = operation.split_whitespace().count();
                let bound = 40 * fields * subgraphs * subgraphs * subgraphs;
                prop_assert!(plan.steps <= bound, "{} steps for {fields} fields in {subgraphs} subgraphs", plan.steps);
            }
            Err(error) => prop_assert_eq!(error.code(), "UNREACHABLE_FIELD"),
        }
    }

    #[test]
    fn plans_are_stable_and_their_operations_valid(selections in prop::collection::vec(selection(4), 1..5)) {
        let graph = graph();
        let operation = format!("query($x: Boolean!) {{ __typename @skip(if: $x) node {{ id {} }} }}", selections.join(" "));
        let first = planned(&graph, &operation).unwrap();
        let again = planned(&graph, &operation).unwrap();
        prop_assert_eq!(first.to_string(), again.to_string());
        let mut done: Vec<bool> = Vec::new();
        for request in &first.requests {
            prop_assert!(request.after.iter().all(|&before| done[before]), "requests are in the order of their needs");
            done.push(true);
            // Subgraphs of this graph have all its types, so what is sent without entities must be valid for it.
            if !request.operation.contains("_entities") {
                let valid = ExecutableDocument::parse_and_validate(graph.api_schema(), &request.operation, "sent.graphql");
                prop_assert!(valid.is_ok(), "{}\n{}", request.operation, valid.unwrap_err().errors);
            }
        }
    }
}
