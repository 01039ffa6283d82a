//! Compares the federated answer to random operations with that of one server that has all the data.
//!
//! The data are functions of ids. Each subgraph resolves only its own fields and refuses others, so a plan that asks the
//! wrong one, or sends a representation without what `@requires` says, gives a different answer.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::serde_json_bytes;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::cache::{AnswerCache, MemoryStore};
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};

const GRAPH: &str = r#"
type Query @join__type(graph: A) @join__type(graph: B) @join__type(graph: C) {
  node(id: Int!): Node @join__field(graph: A)
  nodes: [Node!]! @join__field(graph: A) @join__field(graph: B)
  both: [Both] @join__field(graph: C)
  p: P @join__field(graph: C)
}
interface Node @join__type(graph: A) @join__type(graph: B) @join__type(graph: C) { id: ID! next: Node a: Int @join__field(graph: A) b: Int @join__field(graph: B) }
union Both @join__type(graph: C) @join__unionMember(graph: C, member: "P") @join__unionMember(graph: C, member: "Q") = P | Q
type P implements Node @join__implements(graph: A, interface: "Node") @join__implements(graph: B, interface: "Node") @join__implements(graph: C, interface: "Node")
  @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") @join__type(graph: C, key: "id") {
  id: ID! next: Node @join__field(graph: A) @join__field(graph: B)
  a: Int @join__field(graph: A) b: Int @join__field(graph: B) c: Int @join__field(graph: C) @join__field(graph: A, external: true)
  needC: Int @join__field(graph: A, requires: "c") @join__field(graph: B, external: true)
  needNeed: Int @join__field(graph: B, requires: "needC")
  list: [[Q]] @join__field(graph: C)
}
type Q implements Node @join__implements(graph: A, interface: "Node") @join__implements(graph: B, interface: "Node") @join__implements(graph: C, interface: "Node")
  @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") @join__type(graph: C, key: "id") {
  id: ID! next: Node @join__field(graph: B) @join__field(graph: C)
  a: Int @join__field(graph: A) b: Int @join__field(graph: B) c(n: Int): String @join__field(graph: C)
  must: Int! @join__field(graph: B)
}
"#;

/// Which subgraphs resolve a field without further ado, by type and field; `needC` and `needNeed` also need input.
fn owners(ty: &str, field: &str) -> &'static [usize] {
    match (ty, field) {
        ("Query", "node") => &[0],
        ("Query", "nodes") => &[0, 1],
        ("Query", "both" | "p") => &[2],
        (_, "id") => &[0, 1, 2],
        ("P", "next") => &[0, 1],
        ("Q", "next") => &[1, 2],
        (_, "a") | ("P", "needC") => &[0],
        (_, "b") | ("Q", "must") | ("P", "needNeed") => &[1],
        (_, "c") | ("P", "list") => &[2],
        _ => &[],
    }
}

#[derive(Clone)]
struct Object {
    ty: &'static str,
    id: u32,
    /// The subgraph that answers; none for the server with all the data.
    subgraph: Option<usize>,
    /// What came along in a representation, or all that a root field got.
    given: Arc<serde_json_bytes::Value>,
}

impl Object {
    fn new(id: u32, subgraph: Option<usize>) -> Self {
        let ty = if id.is_multiple_of(2) { "P" } else { "Q" };
        Self { ty, id, subgraph, given: Arc::new(serde_json_bytes::Value::Null) }
    }

    fn other(&self, id: u32) -> Self {
        Self::new(id, self.subgraph)
    }

    fn c(&self) -> u32 {
        self.id * 7 % 5
    }

    /// A field of a representation must be there and right.
    fn check(&self, field: &str, expected: u32) -> Result<(), FieldError> {
        let given = self.given.get(field).and_then(serde_json_bytes::Value::as_u64);
        if self.subgraph.is_some() && given != Some(u64::from(expected)) {
            return Err(FieldError { message: format!("{field} is {given:?}, not {expected}") });
        }
        Ok(())
    }
}

impl ObjectValue for Object {
    fn type_name(&self) -> &str {
        self.ty
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let field = info.field_name();
        if field == "_entities" {
            let representations = info.arguments()["representations"].as_array().cloned().unwrap_or_default();
            let subgraph = self.subgraph;
            return Ok(ResolvedValue::list(representations.into_iter().map(move |given| {
                let id = given["id"].as_str().and_then(|id| id.parse().ok()).expect("a representation has its key");
                let object = Object { given: Arc::new(given.clone()), ..Object::new(id, subgraph) };
                assert_eq!(given["__typename"].as_str(), Some(object.ty), "representations name the object's type");
                ResolvedValue::object(object)
            })));
        }
        if self.subgraph.is_some_and(|subgraph| !owners(self.ty, field).contains(&subgraph)) {
            return Err(FieldError { message: format!("{}.{field} is not mine", self.ty) });
        }
        let id = self.id;
        Ok(match (self.ty, field) {
            ("Query", "node") => {
                let id = info.arguments()["id"].as_i64().unwrap_or(0).unsigned_abs();
                ResolvedValue::object(self.other(u32::try_from(id % 50).unwrap_or(0)))
            }
            ("Query", "nodes") => ResolvedValue::list((1..5).map(|i| ResolvedValue::object(self.other(i % 4)))),
            ("Query", "both") => {
                let one = |i: u32| if i == 2 { ResolvedValue::null() } else { ResolvedValue::object(self.other(i)) };
                ResolvedValue::list((0..5).map(one))
            }
            ("Query", "p") => ResolvedValue::object(self.other(4)),
            (_, "id") => ResolvedValue::leaf(id.to_string()),
            (_, "next") if id % 6 == 5 => ResolvedValue::null(),
            (_, "next") => ResolvedValue::object(self.other((id * 3 + 1) % 13)),
            (_, "a") => ResolvedValue::leaf(id + 1),
            (_, "b") if id.is_multiple_of(4) => ResolvedValue::null(),
            (_, "b") => ResolvedValue::leaf(id * 2),
            ("P", "c") => ResolvedValue::leaf(self.c()),
            (_, "c") => ResolvedValue::leaf(format!("c\"{id}-{}", info.arguments()["n"])),
            ("P", "needC") => {
                self.check("c", self.c())?;
                ResolvedValue::leaf(self.c() + 100)
            }
            ("P", "needNeed") => {
                self.check("needC", self.c() + 100)?;
                ResolvedValue::leaf(self.c() + 1000)
            }
            ("P", "list") => ResolvedValue::list(
                (0..2).map(|i| ResolvedValue::list((0..i + 1).map(|j| ResolvedValue::object(self.other(2 * j + 1))))),
            ),
            (_, "must") if id == 3 => ResolvedValue::null(),
            (_, "must") => ResolvedValue::leaf(id),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

fn answer(schema: &Valid<Schema>, operation: &str, variables: &Value, subgraph: Option<usize>) -> Value {
    let document = ExecutableDocument::parse_and_validate(schema, operation, "sent.graphql")
        .unwrap_or_else(|e| panic!("what is sent must be valid: {operation}\n{}", e.errors));
    let variables = serde_json::from_value(variables.clone()).unwrap();
    let root = Object { ty: "Query", ..Object::new(0, subgraph) };
    let run = Execution::new(schema, &document).raw_variable_values(&variables).execute_sync(&root);
    serde_json::to_value(run.unwrap_or_else(|e| panic!("{operation}: {}", e.message()))).unwrap()
}

fn federated(graph: &Arc<Supergraph>, operation: &str, variables: &Map<String, Value>) -> Value {
    let entities =
        "scalar _Any union _Entity = P | Q extend type Query { _entities(representations: [_Any!]!): [_Entity]! }";
    let text = format!("{}\n{entities}", **graph.api_schema());
    let schema = Arc::new(Schema::parse_and_validate(text, "subgraph.graphql").unwrap());
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), operation, "operation.graphql").unwrap();
    let planned = plan(graph, &document, None, &PlanOptions::default()).unwrap();
    let shown = planned.to_string();
    let program = Program::compile(Arc::clone(graph), Arc::new(document), None, planned);
    let clients = (0..3).map(|subgraph| {
        let schema = Arc::clone(&schema);
        let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let answer = answer(&schema, body["query"].as_str().unwrap(), &body["variables"], Some(subgraph));
            let kept = http::Response::builder().header("cache-control", "max-age=600");
            let response = kept.body(Bytes::from(answer.to_string())).unwrap();
            async move { Ok(response) }
        }));
        let uri = http::Uri::from_static("http://subgraph/");
        SubgraphClient { name: ["a", "b", "c"][subgraph].to_owned(), uri, transport, timeout: Duration::from_secs(10) }
    });
    let cache = Arc::new(AnswerCache::new(MemoryStore::new(1 << 20)));
    let executor = Executor::new(clients.collect(), 1000).with_cache(cache);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || runtime.block_on(executor.execute(&program, Some(variables), &http::HeaderMap::new())).unwrap();
    let body = run();
    // the second answer is kept, the third made of what was
    for times in 2..4 {
        let again = run();
        assert!(again == body, "{operation} {times}: {}", String::from_utf8_lossy(&again));
    }
    let mut response: Value = serde_json::from_slice(&body).unwrap();
    response["plan"] = Value::String(shown);
    response
}

fn fields(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("a".to_owned()),
        3 => Just("id".to_owned()),
        2 => Just("b".to_owned()),
        1 => Just("__typename".to_owned()),
        2 => Just("... on P { c needC }".to_owned()),
        2 => Just("... on P { needNeed @include(if: $x) }".to_owned()),
        2 => Just("... on Q { q: c(n: $n) again: c(n: 2) }".to_owned()),
        1 => Just("... on Q { must }".to_owned()),
        1 => Just("... on P { t: a } ... on Q { t: b }".to_owned()),
        1 => Just("... @skip(if: $x) { a b }".to_owned()),
        1 => Just("...F".to_owned()),
    ];
    let set = |inner: BoxedStrategy<String>| prop::collection::vec(inner, 1..4).prop_map(|s| s.join(" "));
    leaf.prop_recursive(depth, 40, 4, move |inner| {
        let inner = inner.boxed();
        prop_oneof![
            set(inner.clone()).prop_map(|s| format!("next {{ {s} }}")),
            set(inner.clone()).prop_map(|s| format!("... on P {{ ... on Node {{ {s} }} }}")),
            set(inner.clone()).prop_map(|s| format!("... on Q {{ ... on Node @include(if: $x) {{ {s} }} }}")),
            set(inner.clone()).prop_map(|s| format!("... on P {{ list {{ ... on Node {{ {s} }} }} }}")),
            set(inner).prop_map(|s| format!("... on Q {{ next {{ id {s} }} }} ... on P {{ next {{ a }} }}")),
        ]
    })
}

fn operation() -> impl Strategy<Value = String> {
    let root = prop_oneof![Just("node(id: 3)"), Just("node(id: $n)"), Just("nodes"), Just("both"), Just("p")];
    let one = (root, prop::collection::vec(fields(4), 1..4));
    prop::collection::vec(one, 1..3).prop_map(|roots| {
        let texts: Vec<String> = roots
            .iter()
            .enumerate()
            .map(|(i, (root, fields))| format!("r{i}: {root} {{ ... on Node {{ {} }} }}", fields.join(" ")))
            .collect();
        format!(
            "query($x: Boolean = true, $n: Int! = 4) {{ n: __typename u: node(id: $n) @skip(if: $x) {{ ...F }} {} }} \
             fragment F on Node {{ id next {{ b ... on Q {{ must }} }} }}",
            texts.join(" ")
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_federated_answer_is_that_of_one_server(operation in operation(), x in any::<bool>(), n in 0..9) {
        let machinery = include_str!("../../../tests/plan/join.graphql");
        let graph = Arc::new(Supergraph::parse(&format!("{machinery}{GRAPH}")).unwrap());
        // Random selections may not merge; those are no operations.
        prop_assume!(ExecutableDocument::parse_and_validate(graph.api_schema(), &operation, "operation.graphql").is_ok());
        let variables = json!({"x": x, "n": n});
        let expected = answer(graph.api_schema(), &operation, &variables, None);
        let found = federated(&graph, &operation, variables.as_object().unwrap());
        prop_assert_eq!(
            found["data"].to_string(), expected["data"].to_string(),
            "{}\n{}\n{}", operation, found["plan"].as_str().unwrap(), found["errors"]
        );
        prop_assert_eq!(found["errors"].is_null(), expected["errors"].is_null());
    }
}
