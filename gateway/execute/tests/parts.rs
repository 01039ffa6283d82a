//! Runs operations with `@defer` against subgraphs that answer when the test lets them, and says which part comes when.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};
use tokio::sync::{Semaphore, mpsc};

const GRAPH: &str = r#"
type Query @join__type(graph: A) @join__type(graph: B) { users: [User] @join__field(graph: A) }
type User @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") {
  id: ID!
  name: String @join__field(graph: A)
  score: Int @join__field(graph: B)
  must: Int! @join__field(graph: B)
}
"#;

/// A subgraph whose answers wait for a permit each.
fn waiting(answers: &[&str], permits: &Arc<Semaphore>) -> Transport {
    let answers: Arc<std::sync::Mutex<Vec<String>>> =
        Arc::new(std::sync::Mutex::new(answers.iter().rev().map(ToString::to_string).collect()));
    let permits = Arc::clone(permits);
    Transport::new(tower::service_fn(move |_: http::Request<Bytes>| {
        let (permits, answers) = (Arc::clone(&permits), Arc::clone(&answers));
        async move {
            permits.acquire().await.unwrap().forget();
            let answer = answers.lock().unwrap().pop().unwrap();
            Ok(http::Response::new(Bytes::from(answer)))
        }
    }))
}

/// Start an operation. Subgraph `a` answers at once, `b` when it gets permits.
fn start(operation: &str, variables: Value, a: &[&str], b: &[&str]) -> (mpsc::Receiver<Vec<u8>>, Arc<Semaphore>) {
    let machinery = include_str!("../../../tests/plan/join.graphql");
    let graph = Arc::new(Supergraph::parse(&format!("{machinery}{GRAPH}")).unwrap());
    let document = ExecutableDocument::parse_and_validate(graph.api_schema(), operation, "operation.graphql").unwrap();
    let options = PlanOptions { incremental: true, ..PlanOptions::default() };
    let planned = plan(&graph, &document, None, &options).unwrap();
    let program = Program::compile(Arc::clone(&graph), Arc::new(document), None, planned);
    let permits = Arc::new(Semaphore::new(0));
    let client = |name: &str, transport| SubgraphClient {
        name: name.to_owned(),
        uri: http::Uri::from_static("http://subgraph/"),
        transport,
        timeout: Duration::from_secs(60),
    };
    let at_once = Arc::new(Semaphore::new(100));
    let clients =
        vec![client("a", waiting(a, &at_once)), client("b", waiting(b, &permits)), client("c", waiting(&[], &permits))];
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let executor = Executor::new(clients, 20);
        executor
            .execute_incrementally(&program, variables.as_object(), &http::HeaderMap::new(), &sender)
            .await
            .unwrap();
    });
    (receiver, permits)
}

async fn next(parts: &mut mpsc::Receiver<Vec<u8>>) -> Value {
    serde_json::from_slice(&parts.recv().await.unwrap()).unwrap()
}

const USERS: &str = r#"{"data":{"users":[{"id":"1","name":"x"},{"id":"2","name":"y"}]}}"#;

#[tokio::test]
async fn the_initial_part_does_not_wait_for_what_is_deferred() {
    let scores = r#"{"data":{"_entities":[{"score":1},{"score":2}]}}"#;
    let operation = "{ users { name ... @defer(label: \"scores\") { score } } }";
    let (mut parts, permits) = start(operation, json!({}), &[USERS], &[scores]);
    // Subgraph `b` has not answered: it has no permit.
    assert_eq!(
        next(&mut parts).await,
        json!({
            "data": {"users": [{"name": "x"}, {"name": "y"}]},
            "pending": [
                {"id": "0", "path": ["users", 0], "label": "scores"},
                {"id": "1", "path": ["users", 1], "label": "scores"}
            ],
            "hasNext": true
        })
    );
    permits.add_permits(1);
    assert_eq!(
        next(&mut parts).await,
        json!({
            "incremental": [{"id": "0", "data": {"score": 1}}, {"id": "1", "data": {"score": 2}}],
            "completed": [{"id": "0"}, {"id": "1"}],
            "hasNext": false
        })
    );
    assert!(parts.recv().await.is_none());
}

#[tokio::test]
async fn a_null_takes_its_fragment_away_and_no_more() {
    let answers = r#"{"data":{"_entities":[{"score":1,"must":7},null]},
        "errors":[{"message":"no","path":["_entities",1,"must"]}]}"#;
    let operation = "{ users { name ... @defer { score must } } }";
    let (mut parts, permits) = start(operation, json!({}), &[USERS], &[answers]);
    assert_eq!(next(&mut parts).await["data"]["users"][1], json!({"name": "y"}));
    permits.add_permits(1);
    let last = next(&mut parts).await;
    assert_eq!(last["incremental"], json!([{"id": "0", "data": {"score": 1, "must": 7}}]));
    assert_eq!(last["completed"][0], json!({"id": "0"}));
    assert_eq!(last["completed"][1]["id"], "1");
    assert_eq!(last["completed"][1]["errors"][0]["path"], json!(["users", 1, "must"]));
    assert_eq!(last["hasNext"], false);
}

#[tokio::test]
async fn a_variable_says_that_nothing_is_deferred() {
    let scores = r#"{"data":{"_entities":[{"score":1},{"score":2}]}}"#;
    let operation = "query($later: Boolean!) { users { name ... @defer(if: $later) { score } } }";
    let (mut parts, permits) = start(operation, json!({"later": false}), &[USERS], &[scores]);
    permits.add_permits(1);
    let whole = json!([{"name": "x", "score": 1}, {"name": "y", "score": 2}]);
    assert_eq!(next(&mut parts).await, json!({"data": {"users": whole}, "hasNext": false}));
    assert!(parts.recv().await.is_none());
}

#[tokio::test]
async fn who_goes_away_ends_the_run() {
    let operation = "{ users { name ... @defer { score } } }";
    let (mut parts, permits) = start(operation, json!({}), &[USERS], &["{}"]);
    next(&mut parts).await;
    drop(parts);
    permits.add_permits(1);
    // The run lets go of its transports, and with them of the permits, when it finds nobody to send the next part to.
    let weak = Arc::downgrade(&permits);
    drop(permits);
    while weak.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
