//! Kept answers: what a subgraph lets be kept is asked for once, for whom it is, until its data change.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use terrane_execute::cache::{AnswerCache, MemoryStore};
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};

const SCHEMA: &str = r#"
type Query @join__type(graph: A) { items(first: Int): [Item] }
type Item @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") {
  id: ID!
  name: String @join__field(graph: A)
  price: Int @join__field(graph: B)
  secret: String @join__field(graph: B)
}
"#;

/// What the subgraphs do.
#[derive(Default)]
struct Shop {
    /// Headers of the answers of `a` and `b`.
    control: [&'static str; 2],
    /// How many items there are.
    items: u64,
    /// What is added to every price.
    raise: u64,
    /// Whether `b` answers with an error beside the data.
    fails: bool,
    /// The ids that each request asked for; nothing of a root.
    asked: Vec<Vec<u64>>,
}

struct Mesh {
    graph: Arc<Supergraph>,
    executor: Arc<Executor>,
    cache: Arc<AnswerCache>,
    shop: Arc<Mutex<Shop>>,
}

impl Shop {
    fn answer(&mut self, subgraph: usize, caller: &str, body: &Value) -> Value {
        let text = body["query"].as_str().unwrap();
        if text.starts_with("mutation") {
            self.raise += 100;
            return json!({"data": {"addB": {"inB": 1}}});
        }
        if subgraph == 0 {
            self.asked.push(Vec::new());
            let items: Vec<Value> =
                (1..=self.items).map(|id| json!({"id": id.to_string(), "name": format!("item {id}")})).collect();
            return json!({"data": {"items": items}});
        }
        let representations = body["variables"].as_object().unwrap().values().next().unwrap().as_array().unwrap();
        let ids: Vec<u64> = representations.iter().map(|r| r["id"].as_str().unwrap().parse().unwrap()).collect();
        let entity = |id: &u64| json!({"price": id * 10 + self.raise, "secret": format!("{id} of {caller}")});
        let entities: Vec<Value> = ids.iter().map(entity).collect();
        self.asked.push(ids);
        let mut answer = json!({"data": {"_entities": entities}});
        if self.fails {
            answer["errors"] = json!([{"message": "half of it"}]);
        }
        answer
    }
}

impl Mesh {
    fn new(control: [&'static str; 2]) -> Self {
        let machinery = include_str!("../../../tests/plan/join.graphql");
        let graph = Arc::new(Supergraph::parse(&format!("{machinery}{SCHEMA}")).unwrap());
        let shop = Arc::new(Mutex::new(Shop { control, items: 3, ..Shop::default() }));
        let client = |number: usize| {
            let shop = Arc::clone(&shop);
            let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
                let mut shop = shop.lock().unwrap();
                let caller =
                    request.headers().get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned();
                let answer = shop.answer(number.min(1), &caller, &serde_json::from_slice(request.body()).unwrap());
                let mut response = http::Response::new(Bytes::from(answer.to_string()));
                let control = HeaderValue::from_static(shop.control[number.min(1)]);
                response.headers_mut().insert(CACHE_CONTROL, control);
                std::future::ready(Ok(response))
            }));
            let (name, uri) = (["a", "b", "c"][number].to_owned(), http::Uri::from_static("http://subgraph/"));
            SubgraphClient { name, uri, transport, timeout: Duration::from_secs(60) }
        };
        let cache = Arc::new(AnswerCache::new(MemoryStore::new(1 << 20)));
        let executor = Executor::new((0..3).map(client).collect(), 20).with_cache(Arc::clone(&cache));
        Self { graph, executor: Arc::new(executor), cache, shop }
    }

    async fn run(&self, operation: &str, caller: &str) -> Value {
        let schema = self.graph.api_schema();
        let document = ExecutableDocument::parse_and_validate(schema, operation, "operation.graphql").unwrap();
        let planned = plan(&self.graph, &document, None, &PlanOptions::default()).unwrap();
        let program = Arc::new(Program::compile(Arc::clone(&self.graph), Arc::new(document), None, planned));
        let headers = match caller {
            "" => HeaderMap::new(),
            caller => HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(caller).unwrap())]),
        };
        let response = self.executor.execute_once(&program, None, &headers).await.unwrap();
        serde_json::from_slice(&response.body).unwrap()
    }

    /// The prices in an answer.
    async fn prices(&self, caller: &str) -> Vec<u64> {
        let answer = self.run("{ items { name price } }", caller).await;
        let items = answer["data"]["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        items.iter().map(|item| item["price"].as_u64().unwrap()).collect()
    }

    /// What was asked for since the last time.
    fn asked(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.shop.lock().unwrap().asked)
    }
}

#[tokio::test]
async fn what_may_be_kept_is_asked_for_once() {
    let mesh = Mesh::new(["max-age=60", "max-age=60"]);
    // the first answer says that there is something to keep; the second is kept
    for _ in 0..2 {
        assert_eq!(mesh.prices("").await, [10, 20, 30]);
        assert_eq!(mesh.asked(), [vec![], vec![1, 2, 3]]);
    }
    for _ in 0..2 {
        assert_eq!(mesh.prices("").await, [10, 20, 30]);
    }
    assert_eq!(mesh.asked(), Vec::<Vec<u64>>::new());
    assert_eq!((mesh.cache.counts("a"), mesh.cache.counts("b")), ((2, 1), (6, 3)));
    // another selection is another answer
    let named = mesh.run("{ items { name secret } }", "").await;
    assert_eq!(named["data"]["items"][2], json!({"name": "item 3", "secret": "3 of "}));
    assert_eq!(mesh.asked(), [vec![1, 2, 3]]);
}

#[tokio::test]
async fn only_entities_that_are_not_there_are_asked_for() {
    let mesh = Mesh::new(["no-store", "max-age=60"]);
    mesh.prices("").await;
    mesh.prices("").await;
    mesh.asked();
    mesh.shop.lock().unwrap().items = 5;
    assert_eq!(mesh.prices("").await, [10, 20, 30, 40, 50]);
    assert_eq!(mesh.asked(), [vec![], vec![4, 5]]);
    assert_eq!(mesh.prices("").await, [10, 20, 30, 40, 50]);
    assert_eq!(mesh.asked(), [Vec::<u64>::new()], "the root's answers are never kept");
}

#[tokio::test]
async fn what_is_private_is_for_its_caller() {
    for (control, shared) in
        [("max-age=60", false), ("max-age=60, private", false), ("max-age=60, public", true), ("s-maxage=60", true)]
    {
        let mesh = Mesh::new(["no-store", control]);
        let secret = async |caller: &str| {
            let answer = mesh.run("{ items { secret } }", caller).await;
            answer["data"]["items"][0]["secret"].as_str().unwrap().to_owned()
        };
        secret("ada").await;
        assert_eq!(secret("ada").await, "1 of ada");
        mesh.asked();
        assert_eq!(secret("ada").await, "1 of ada");
        assert_eq!(mesh.asked(), [Vec::<u64>::new()], "{control}");
        assert_eq!(secret("bob").await, if shared { "1 of ada" } else { "1 of bob" }, "{control}");
    }
}

#[tokio::test]
async fn answers_with_errors_and_what_may_not_be_kept_are_not() {
    for control in ["", "no-store", "max-age=0", "max-age=60, no-cache", "max-age=soon"] {
        let mesh = Mesh::new(["no-store", control]);
        for _ in 0..3 {
            mesh.prices("").await;
        }
        assert_eq!(mesh.asked().iter().filter(|ids| ids.len() == 3).count(), 3, "{control}");
    }
    let mesh = Mesh::new(["no-store", "max-age=60"]);
    mesh.shop.lock().unwrap().fails = true;
    for _ in 0..3 {
        assert_eq!(mesh.run("{ items { price } }", "").await["errors"][0]["message"], "half of it");
    }
    assert_eq!(mesh.asked().iter().filter(|ids| ids.len() == 3).count(), 3);
}

#[tokio::test]
async fn new_data_are_asked_for() {
    let mesh = Mesh::new(["no-store", "max-age=60"]);
    mesh.prices("").await;
    mesh.prices("").await;
    // a mutation of the subgraph through this gateway
    mesh.run("mutation { addB { inB } }", "").await;
    assert_eq!(mesh.prices("").await, [110, 120, 130]);
    // another version, as when a product has published
    mesh.shop.lock().unwrap().raise = 200;
    assert_eq!(mesh.prices("").await, [110, 120, 130]);
    mesh.cache.set_version("b", 2);
    assert_eq!(mesh.prices("").await, [210, 220, 230]);
    mesh.asked();
    assert_eq!(mesh.prices("").await, [210, 220, 230]);
    assert_eq!(mesh.asked(), [Vec::<u64>::new()]);
}
