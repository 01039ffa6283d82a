//! Runs equal operations at the same time and says how often their subgraph is asked.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use futures_util::future::{join, join_all};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use terrane_execute::transport::along;
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};
use tokio::sync::Semaphore;

const QUERY: &str = "type Query @join__type(graph: A) { count(of: Int): Int }";

/// A graph of one subgraph that answers with the number of the request, once it is let.
struct Mesh {
    graph: Arc<Supergraph>,
    executor: Arc<Executor>,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    /// The ids that came.
    seen: Arc<Mutex<Vec<HeaderValue>>>,
}

impl Mesh {
    fn new() -> Self {
        let machinery = include_str!("../../../tests/plan/join.graphql");
        let graph = Arc::new(Supergraph::parse(&format!("{machinery}{QUERY}")).unwrap());
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counter, guarded) = (Arc::clone(&asked), Arc::clone(&gate));
        let seen: Arc<Mutex<Vec<HeaderValue>>> = Arc::default();
        let ids = Arc::clone(&seen);
        let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
            ids.lock().unwrap().extend(request.headers().get("x-request-id").cloned());
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&guarded);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(http::Response::new(Bytes::from(
                    json!({ "data": { "count": number, "addA": { "inA": number } } }).to_string(),
                )))
            }
        }));
        let client = |name: &str| SubgraphClient {
            name: name.to_owned(),
            uri: http::Uri::from_static("http://subgraph/"),
            transport: transport.clone(),
            timeout: Duration::from_secs(60),
        };
        let executor = Arc::new(Executor::new(["a", "b", "c"].map(client).into(), 20));
        Self { graph, executor, asked, gate, seen }
    }

    fn program(&self, operation: &str) -> Arc<Program> {
        let schema = self.graph.api_schema();
        let document = ExecutableDocument::parse_and_validate(schema, operation, "operation.graphql").unwrap();
        let planned = plan(&self.graph, &document, None, &PlanOptions::default()).unwrap();
        Arc::new(Program::compile(Arc::clone(&self.graph), Arc::new(document), None, planned))
    }

    async fn run(&self, program: &Arc<Program>, variables: Value, caller: &str) -> Value {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(caller).unwrap())]);
        let variables: Map<String, Value> = serde_json::from_value(variables).unwrap();
        let response = self.executor.execute_once(program, Some(&variables), &headers).await.unwrap();
        let response: Value = serde_json::from_slice(&response.body).unwrap();
        response.pointer("/data/count").or(response.pointer("/data/addA/inA")).unwrap().clone()
    }

    /// Let the subgraph answer, as soon as all that is to be under way is.
    async fn open(&self) {
        self.gate.add_permits(10);
    }
}

#[tokio::test]
async fn ids_of_requests_go_along_and_keep_nothing_apart() {
    let mesh = Mesh::new();
    let query = mesh.program("{ count }");
    let name = |id: &'static str| {
        let request_id = Some(HeaderValue::from_static(id));
        let header = Some(HeaderName::from_static("x-request-id"));
        Some(Arc::new(along::Names { request_id, header, ..along::Names::default() }))
    };
    let runs = ["a", "b"].map(|id| along::with(name(id), mesh.run(&query, json!({}), "one")));
    let (numbers, ()) = join(join_all(runs), mesh.open()).await;
    assert_eq!(numbers, [json!(0), json!(0)]);
    let id = mesh.seen.lock().unwrap().clone();
    assert!(id.len() == 1 && (id[0] == "a" || id[0] == "b"), "{id:?}");
    // another identity is another request, whatever it is named
    let runs = ["one", "two"].map(|caller| along::with(name("c"), mesh.run(&query, json!({}), caller)));
    let (numbers, ()) = join(join_all(runs), mesh.open()).await;
    assert_eq!(numbers, [json!(1), json!(2)]);
}

#[tokio::test]
async fn equal_queries_at_the_same_time_run_once() {
    let mesh = Mesh::new();
    let query = mesh.program("{ count }");
    let runs = join_all((0..3).map(|_| mesh.run(&query, json!({}), "one")));
    let (numbers, ()) = join(runs, mesh.open()).await;
    assert_eq!(numbers, [json!(0), json!(0), json!(0)]);
    assert_eq!(mesh.asked.load(Ordering::SeqCst), 1);
    assert_eq!(mesh.run(&query, json!({}), "one").await, json!(1), "what has ended is not kept");
}

#[tokio::test]
async fn callers_and_variables_keep_queries_apart() {
    let mesh = Mesh::new();
    let query = mesh.program("query($of: Int) { count(of: $of) }");
    let asked = [("one", json!({})), ("two", json!({})), ("one", json!({"of": 1})), ("one", json!({"of": 1}))];
    let runs = join_all(asked.map(|(caller, variables)| mesh.run(&query, variables, caller)));
    let (numbers, ()) = join(runs, mesh.open()).await;
    assert_eq!(numbers, [json!(0), json!(1), json!(2), json!(2)]);
}

#[tokio::test]
async fn mutations_each_run_and_who_asks_after_one_gets_nothing_older() {
    let mesh = Mesh::new();
    let (query, mutation) = (mesh.program("{ count }"), mesh.program("mutation { addA { inA } }"));
    let mut before = Box::pin(mesh.run(&query, json!({}), "one"));
    assert!(futures_util::poll!(&mut before).is_pending());
    let mutations = join(mesh.run(&mutation, json!({}), "one"), mesh.run(&mutation, json!({}), "one"));
    mesh.gate.add_permits(3);
    assert_eq!(mutations.await, (json!(1), json!(2)));
    mesh.gate.add_permits(1);
    assert_eq!(mesh.run(&query, json!({}), "one").await, json!(3));
    assert_eq!(before.await, json!(0));
}

#[tokio::test]
async fn a_query_goes_on_when_the_first_who_asked_leaves() {
    let mesh = Mesh::new();
    let query = mesh.program("{ count }");
    let mut first = Box::pin(mesh.run(&query, json!({}), "one"));
    let mut second = Box::pin(mesh.run(&query, json!({}), "one"));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    mesh.open().await;
    assert_eq!(second.await, json!(0));
    assert_eq!(mesh.asked.load(Ordering::SeqCst), 1);
}
