//! Runs operations against scripted subgraphs and says what the response must be, faults of subgraphs included.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use terrane_execute::{Executor, Program, SubgraphClient, Transport, TransportError};
use terrane_plan::{PlanOptions, Supergraph, plan};

const GRAPH: &str = r#"
type Query @join__type(graph: A) @join__type(graph: B) {
  user: User @join__field(graph: A)
  users: [User] @join__field(graph: A)
  strict: [User!]! @join__field(graph: A)
  any: [Any] @join__field(graph: A)
  shops: [Shop] @join__field(graph: A)
}
type Shop @join__type(graph: A) @context(name: "b__shop") { currency: String owner: User }
type User @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") {
  id: ID!
  name: String @join__field(graph: A)
  level: Level @join__field(graph: A)
  score: Int @join__field(graph: B)
  must: Int! @join__field(graph: B)
  best: User @join__field(graph: B)
  weight: Int @join__field(graph: A) @join__field(graph: B, external: true)
  cost: Int @join__field(graph: B, requires: "weight")
  fee: Int @join__field(graph: B, contextArguments: [{ context: "b__shop", name: "currency", type: "String!", selection: "{ currency }" }])
}
enum Level @join__type(graph: A) { LOW HIGH SECRET @inaccessible }
union Any @join__type(graph: A) @join__unionMember(graph: A, member: "X") @join__unionMember(graph: A, member: "Y") = X | Y
type X @join__type(graph: A) { x: Int }
type Y @join__type(graph: A) { x: String y: Float }
"#;

type Log = Arc<Mutex<Vec<(String, Value)>>>;

/// A subgraph that gives the answers in order, whatever it is asked.
fn scripted(name: &'static str, answers: &[&str], log: &Log) -> Transport {
    let answers = Arc::new(Mutex::new(answers.iter().rev().map(ToString::to_string).collect::<Vec<_>>()));
    let log = Arc::clone(log);
    Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        log.lock().unwrap().push((name.to_owned(), body));
        let answer = answers.lock().unwrap().pop();
        async move {
            match answer.as_deref() {
                None => Err(TransportError::Unreachable("nobody there".to_owned())),
                Some("hang") => std::future::pending().await,
                Some("500") => Ok(http::Response::builder().status(500).body(Bytes::from_static(b"oops")).unwrap()),
                Some(text) => Ok(http::Response::new(Bytes::from(text.to_owned()))),
            }
        }
    }))
}

fn run_with(operation: &str, variables: &Value, a: &[&str], b: &[&str]) -> (Value, Vec<(String, Value)>) {
    let machinery = include_str!("../../../tests/plan/join.graphql");
    let graph = Arc::new(Supergraph::parse(&format!("{machinery}{GRAPH}")).unwrap());
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), operation, "operation.graphql").unwrap();
    let denied = |_: &str, field: &str| field == "level" && operation.contains("# deny");
    let options = PlanOptions { denied: Some(&denied), ..PlanOptions::default() };
    let planned = plan(&graph, &document, None, &options).unwrap();
    let program = Program::compile(Arc::clone(&graph), Arc::new(document), None, planned);
    let log = Log::default();
    let client = |name: &'static str, answers: &[&str]| SubgraphClient {
        name: name.to_owned(),
        uri: http::Uri::from_static("http://subgraph/"),
        transport: scripted(name, answers, &log),
        timeout: Duration::from_millis(100),
    };
    let executor = Executor::new(vec![client("a", a), client("b", b), client("c", &[])], 20);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let variables = variables.as_object();
    let body = runtime.block_on(executor.execute(&program, variables, &http::HeaderMap::new())).unwrap();
    let sent = log.lock().unwrap().clone();
    (serde_json::from_slice(&body).unwrap(), sent)
}

fn run(operation: &str, a: &[&str], b: &[&str]) -> Value {
    run_with(operation, &json!({}), a, b).0
}

/// Path and code of each error.
fn errors(response: &Value) -> Vec<String> {
    let errors = response["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|e| format!("{} {}", e["path"], e["extensions"]["code"].as_str().unwrap())).collect()
}

#[test]
fn equal_representations_are_sent_once_and_answer_every_position() {
    let a = r#"{"data":{"users":[{"id":"1"},{"id":"2"},null,{"id":"1"}]}}"#;
    let b = r#"{"data":{"_entities":[{"score":10},{"score":20}]}}"#;
    let (response, sent) = run_with("{ users { score } }", &json!({}), &[a], &[b]);
    assert_eq!(response, json!({"data":{"users":[{"score":10},{"score":20},null,{"score":10}]}}));
    let representations = json!([{"__typename":"User","id":"1"},{"__typename":"User","id":"2"}]);
    assert_eq!(sent[1].1["variables"]["representations"], representations);
}

#[test]
fn numbers_and_strings_keep_their_bytes() {
    let a = r#"{ "data" : {"any":[ {"__typename":"Y","y":1.50e2,"x":"\u00e9\n\"ü"} ]} }"#;
    let response = run("{ any { ... on Y { y x } } }", &[a], &[]);
    assert_eq!(response, json!({"data":{"any":[{"y":150.0,"x":"é\n\"ü"}]}}));
}

#[test]
fn reordered_repeated_and_unknown_keys_do_not_matter() {
    let a = r#"{"extensions":{"x":[1,{"y":null}]},"data":{"zz":1,"user":{"name":"old","id":"1","more":{},"name":"n"}},"errors":[]}"#;
    let response = run("{ user { id name } }", &[a], &[]);
    assert_eq!(response, json!({"data":{"user":{"id":"1","name":"n"}}}));
}

#[test]
fn an_object_may_tell_its_type_after_its_fields() {
    let a = r#"{"data":{"any":[{"x":1,"__typename":"X"},{"y":2,"__typename":"Y"}]}}"#;
    let response = run("{ any { __typename ... on X { x } ... on Y { y } } }", &[a], &[]);
    assert_eq!(response, json!({"data":{"any":[{"__typename":"X","x":1},{"__typename":"Y","y":2}]}}));
}

#[test]
fn a_failed_subgraph_fails_only_its_fields() {
    let a = r#"{"data":{"users":[{"id":"1","name":"n"},{"id":"2","name":"m"}]}}"#;
    let cases: [(&[&str], &str); 6] = [
        (&[], "SUBGRAPH_UNREACHABLE"),
        (&["hang"], "SUBGRAPH_TIMEOUT"),
        (&["500"], "SUBGRAPH_HTTP_ERROR"),
        (&["<html>"], "SUBGRAPH_INVALID_RESPONSE"),
        (&["{}"], "SUBGRAPH_INVALID_RESPONSE"),
        (&[r#"{"data":{"_entities":[{"score":1},{"sco"#], "SUBGRAPH_INVALID_RESPONSE"),
    ];
    for (b, code) in cases {
        let response = run("{ users { name score } }", &[a], b);
        let data = json!({"users":[{"name":"n","score":null},{"name":"m","score":null}]});
        assert_eq!(response["data"], data, "{b:?}");
        let expected = [0, 1].map(|i| format!("[\"users\",{i},\"score\"] {code}"));
        assert_eq!(errors(&response), expected, "{b:?}");
    }
}

#[test]
fn errors_of_entities_are_at_the_clients_paths() {
    let a = r#"{"data":{"list":[{"id":"1"},{"id":"2"}]}}"#;
    let b = r#"{"data":{"_entities":[{"best":{"points":null}},null]},"errors":[
        {"message":"no score","path":["_entities",0,"best","points"],"extensions":{"code":"NO_SCORE"}},
        {"message":"gone","path":["_entities",1]}]}"#;
    let response = run("{ list: users { best { points: score } } }", &[a], &[b]);
    assert_eq!(response["data"], json!({"list":[{"best":{"points":null}},{"best":null}]}));
    let expected = ["[\"list\",0,\"best\",\"points\"] NO_SCORE", "[\"list\",1,\"best\"] DOWNSTREAM_SERVICE_ERROR"];
    assert_eq!(errors(&response), expected);
    assert_eq!(response["errors"][0]["extensions"]["serviceName"], "b");
}

#[test]
fn null_of_a_non_null_field_makes_its_parent_null() {
    let a = r#"{"data":{"users":[{"id":"1"},{"id":"2"}]}}"#;
    let b = r#"{"data":{"_entities":[{"must":1},{"must":null}]}}"#;
    let response = run("{ users { must } }", &[a], &[b]);
    assert_eq!(response["data"], json!({"users":[{"must":1},null]}));
    assert_eq!(errors(&response), ["[\"users\",1,\"must\"] NULL_FOR_NON_NULL"]);

    let a = r#"{"data":{"strict":[{"id":"1"}]}}"#;
    let b = r#"{"data":null,"errors":[{"message":"no"}]}"#;
    let response = run("{ strict { must } user { id } }", &[a], &[b]);
    assert_eq!(response["data"], Value::Null);
    assert_eq!(errors(&response), ["[\"strict\",0,\"must\"] DOWNSTREAM_SERVICE_ERROR"]);
}

#[test]
fn values_of_the_wrong_type_are_null_with_an_error() {
    let a = r#"{"data":{"users":[{"name":1,"level":"HIGH"},{"name":"n","level":"NONE"},{"name":{"a":1},"level":"SECRET"},7]}}"#;
    let response = run("{ users { name level } }", &[a], &[]);
    let expected = json!([{"name":null,"level":"HIGH"},{"name":"n","level":null},{"name":null,"level":null},null]);
    assert_eq!(response["data"]["users"], expected);
    assert_eq!(response["errors"].as_array().unwrap().len(), 5);
}

#[test]
fn what_requires_a_failed_field_fails_and_the_rest_does_not() {
    let a = r#"{"data":{"user":{"id":"1","weight":null}},"errors":[{"message":"no","path":["user","weight"],"extensions":{"code":"W"}}]}"#;
    let b = r#"{"data":{"_entities":[{"cost":0,"score":5}]}}"#;
    let (response, sent) = run_with("{ user { cost score } }", &json!({}), &[a], &[b]);
    assert_eq!(response["data"], json!({"user":{"cost":null,"score":5}}));
    assert_eq!(errors(&response), ["[\"user\",\"cost\"] W"]);
    assert_eq!(sent.len(), 2);
}

#[test]
fn conditions_leave_out_fields_and_requests() {
    let operation = "query($s: Boolean!) { user { name score @include(if: $s) } }";
    let a = r#"{"data":{"user":{"name":"n"}}}"#;
    let (response, sent) = run_with(operation, &json!({"s":false}), &[a], &[]);
    assert_eq!(response, json!({"data":{"user":{"name":"n"}}}));
    assert_eq!(sent.len(), 1);
}

#[test]
fn denied_fields_are_null_and_not_fetched() {
    let a = r#"{"data":{"user":{"name":"n"}}}"#;
    let (response, sent) = run_with("{ user { name level } } # deny", &json!({}), &[a], &[]);
    assert_eq!(response["data"], json!({"user":{"name":"n","level":null}}));
    assert_eq!(errors(&response), ["[\"user\",\"level\"] FORBIDDEN"]);
    assert_eq!(sent[0].1["query"], "{user{name}}");
}

#[test]
fn introspection_is_answered_here_and_mixes_with_data() {
    let a = r#"{"data":{"user":{"name":"n"}}}"#;
    let operation = "{ user { name } t: __type(name: \"X\") { kind fields { name } } __typename }";
    let (response, sent) = run_with(operation, &json!({}), &[a], &[]);
    let expected = json!({"user":{"name":"n"},"t":{"kind":"OBJECT","fields":[{"name":"x"}]},"__typename":"Query"});
    assert_eq!(response, json!({ "data": expected }));
    assert_eq!(sent.len(), 1);
}

#[test]
fn the_number_of_errors_is_bounded() {
    let users = vec![r#"{"id":"1"}"#; 100].join(",");
    let response = run("{ users { score } }", &[&format!(r#"{{"data":{{"users":[{users}]}}}}"#)], &[]);
    assert_eq!(response["errors"].as_array().unwrap().len(), 20);
}

#[test]
fn an_argument_from_a_context_has_the_value_of_the_object_above() {
    let a = r#"{"data":{"shops":[{"currency":"EUR","owner":{"id":"1"}},{"currency":"USD","owner":{"id":"1"}},
        {"currency":"EUR","owner":{"id":"2"}},{"currency":null,"owner":{"id":"3"}}]}}"#;
    let b = r#"{"data":{"_0":[{"fee":10},{"fee":30}],"_1":[{"fee":20}]}}"#;
    let (response, sent) = run_with("{ shops { owner { fee } } }", &json!({}), &[a], &[b]);
    let fees: Vec<&Value> = response["data"]["shops"].as_array().unwrap().iter().map(|s| &s["owner"]["fee"]).collect();
    assert_eq!(fees, [&json!(10), &json!(20), &json!(30), &Value::Null]);
    assert_eq!(sent.len(), 2);
    let user = |id: &str| json!({"__typename":"User","id":id});
    assert_eq!(
        sent[1].1["variables"],
        json!({
            "representations0": [user("1"), user("2")], "contextual_0": "EUR",
            "representations1": [user("1")], "contextual_1": "USD",
        })
    );
    assert_eq!(
        sent[1].1["query"],
        "query($representations0: [_Any!]!, $representations1: [_Any!]!, $contextual_0: String!, $contextual_1: \
         String!){_0: _entities(representations: $representations0){... on User{fee(currency: $contextual_0)}}_1: \
         _entities(representations: $representations1){... on User{fee(currency: $contextual_1)}}}"
    );
}

#[test]
fn equal_objects_below_different_contexts_have_their_own_values() {
    let a = r#"{"data":{"shops":[{"currency":"EUR","owner":{"id":"1"}},{"currency":"USD","owner":{"id":"1"}}]}}"#;
    let best = r#"{"data":{"_entities":[{"best":{"id":"7"}}]}}"#;
    let fee = r#"{"data":{"_0":[{"fee":10}],"_1":[{"fee":20}]}}"#;
    let response = run("{ shops { owner { best { fee } } } }", &[a], &[best, fee]);
    let shop = |fee: i32| json!({"owner":{"best":{"fee":fee}}});
    assert_eq!(response, json!({"data":{"shops":[shop(10), shop(20)]}}));
}
