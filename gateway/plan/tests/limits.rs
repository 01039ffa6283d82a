//! Plans hostile operations: what is exponential when written out is refused or merged, in little time.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
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
    let start = Instant::now();
    let refused = planned(&graph(), &text).unwrap_err();
    assert_eq!(refused.code(), "OPERATION_TOO_LARGE");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn deep_selections_over_three_subgraphs_take_polynomial_time() {
    let mut text = String::from("{ node { ...L } } fragment L on Node { id ... on P { a b c } ... on Q { a b c } ");
    for _ in 0..12 {
        text.push_str("next { ... on P { a b c } ... on Q { a c } ");
    }
    text.push_str("id ");
    text.push_str(&"}".repeat(13));
    let start = Instant::now();
    let done = planned(&graph(), &text);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(done.is_ok() || done.is_err_and(|e| e.code() == "OPERATION_TOO_LARGE"));
}

#[test]
fn many_aliases_and_deep_nesting_end_soon_on_a_small_stack() {
    let worker = std::thread::Builder::new().stack_size(2 << 20);
    let run = || {
        let graph = graph();
        let start = Instant::now();
        let wide: String = (0..300).fold(String::new(), |mut text, i| {
            write!(text, "a{i}: node {{ ... on P {{ a b c }} ... on Q {{ a b }} }} ").unwrap();
            text
        });
        let wide = planned(&graph, &format!("{{ {wide} }}"));
        assert!(wide.is_ok_and(|plan| plan.requests.len() < 10), "entities of all aliases share requests");
        let deep = format!("{{ node {{ {} id {} }} }}", "next { ... on P { b } ".repeat(90), "}".repeat(90));
        assert!(planned(&graph, &deep).is_ok_and(|plan| plan.waves() >= 1));
        let deeper = format!("{{ node {{ {} id {} }} }}", "next { ".repeat(110), "}".repeat(110));
        assert_eq!(planned(&graph, &deeper).unwrap_err().code(), "OPERATION_TOO_LARGE");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    };
    worker.spawn(run).unwrap().join().unwrap();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
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
