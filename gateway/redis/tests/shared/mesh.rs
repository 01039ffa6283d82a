//! Gateways: turns one shop with two subgraphs into several executors over it, each with a store of its own in one Redis.

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use terrane_execute::cache::AnswerCache;
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};
use terrane_redis::{Options, RedisStore};

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
pub struct Shop {
    control: &'static str,
    /// What is added to every price.
    raise: u64,
    /// How often somebody asked.
    asked: usize,
}

impl Shop {
    /// One whose answers have this `cache-control`.
    pub fn new(control: &'static str) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { control, raise: 0, asked: 0 }))
    }

    fn answer(&mut self, caller: &str, body: &Value) -> Value {
        self.asked += 1;
        let text = body["query"].as_str().unwrap();
        if text.starts_with("mutation") {
            self.raise += 100;
            return json!({"data": {"addB": {"inB": 1}}});
        }
        let variables = body["variables"].as_object().unwrap();
        let Some(representations) = variables.values().next() else {
            let items: Vec<Value> =
                (1..=3).map(|id| json!({"id": id.to_string(), "name": format!("item {id}")})).collect();
            return json!({"data": {"items": items}});
        };
        let entity = |representation: &Value| {
            let id: u64 = representation["id"].as_str().unwrap().parse().unwrap();
            json!({"price": id * 10 + self.raise, "secret": format!("{id} of {caller}")})
        };
        let entities: Vec<Value> = representations.as_array().unwrap().iter().map(entity).collect();
        json!({"data": {"_entities": entities}})
    }
}

/// What one gateway has of the mesh.
pub struct Gateway {
    graph: Arc<Supergraph>,
    executor: Arc<Executor>,
    pub store: Arc<RedisStore>,
    pub cache: Arc<AnswerCache>,
    shop: Arc<Mutex<Shop>>,
}

impl Gateway {
    pub fn new(shop: &Arc<Mutex<Shop>>, options: &Options) -> Self {
        let machinery = include_str!("../../../../tests/plan/join.graphql");
        let graph = Arc::new(Supergraph::parse(&format!("{machinery}{SCHEMA}")).unwrap());
        let client = |name: &str| {
            let shop = Arc::clone(shop);
            let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
                let mut shop = shop.lock().unwrap();
                let caller = request.headers().get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
                let answer = shop.answer(caller, &serde_json::from_slice(request.body()).unwrap());
                let mut response = http::Response::new(Bytes::from(answer.to_string()));
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(shop.control));
                std::future::ready(Ok(response))
            }));
            let (name, uri) = (name.to_owned(), http::Uri::from_static("http://subgraph/"));
            SubgraphClient { name, uri, transport, timeout: Duration::from_secs(60) }
        };
        let store = Arc::new(RedisStore::open(options).unwrap());
        let cache = Arc::new(AnswerCache::new(Arc::clone(&store)));
        let executor = Executor::new(["a", "b", "c"].map(client).into(), 20).with_cache(Arc::clone(&cache));
        Self { graph, executor: Arc::new(executor), store, cache, shop: Arc::clone(shop) }
    }

    /// One that is connected, has heard from both subgraphs that they let answers be kept, and of others' changes.
    pub async fn connected(shop: &Arc<Mutex<Shop>>, options: &Options) -> Self {
        let gateway = Self::new(shop, options);
        gateway.store.becomes(true).await;
        gateway.run("{ items { price } }", "nobody").await;
        gateway.cache.follow_changes().await;
        gateway
    }

    pub async fn run(&self, operation: &str, caller: &str) -> Value {
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

    /// Ask for all items; how often subgraphs were asked for that.
    pub async fn asks(&self, caller: &str) -> usize {
        let before = self.shop.lock().unwrap().asked;
        let answer = self.run("{ items { name price secret } }", caller).await;
        let (raise, asked) = {
            let shop = self.shop.lock().unwrap();
            (shop.raise, shop.asked)
        };
        let item = |id: u64| json!({"name": format!("item {id}"), "price": id * 10 + raise, "secret": format!("{id} of {caller}")});
        assert_eq!(answer, json!({"data": {"items": [item(1), item(2), item(3)]}}));
        asked - before
    }
}
