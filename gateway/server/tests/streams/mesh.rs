//! Meshes: turns a few lines of a test into two subgraphs of async-graphql and a gateway before them.

use async_graphql::{EmptyMutation, ID, Object, Result, SDLExportOptions, Schema, Subscription};
use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::Router;
use axum::http::HeaderName;
use axum::routing::post_service;
use futures_util::stream::{self, Stream, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terrane_auth::{ApiKeys, Authenticator, JwtConfig, TokenRequest, issue};
use terrane_execute::HttpTransport;
use terrane_gateway::config::{DemandConfig, ErrorsConfig, HeadersConfig, RatesConfig, SubscriptionsConfig};
use terrane_gateway::{
    EventSource, Gateway, GatewaySettings, HeaderRules, MeshRules, Protocol, SharedRules, SubgraphSource,
};
use tokio::sync::{broadcast, watch};

pub const SECRET: &str = "a secret of thirty-two characters";

/// The changes of items, as the test makes them.
#[derive(Clone)]
pub struct Changes {
    sender: broadcast::Sender<String>,
    open: Arc<watch::Sender<usize>>,
}

impl Changes {
    fn new() -> Self {
        Self { sender: broadcast::Sender::new(4096), open: Arc::new(watch::Sender::new(0)) }
    }

    /// An item changed.
    pub fn send(&self, id: impl Into<String>) {
        self.sender.send(id.into()).unwrap();
    }

    /// Wait until the subgraph has so many streams.
    pub async fn streams(&self, count: usize) {
        let mut open = self.open.subscribe();
        within(open.wait_for(|open| *open == count)).await.unwrap();
    }

    pub fn listen(&self) -> impl Stream<Item = String> + Send + 'static {
        self.open.send_modify(|open| *open += 1);
        let state = (self.sender.subscribe(), Listening(Arc::clone(&self.open)));
        stream::unfold(state, |(mut receiver, listening)| async move {
            receiver.recv().await.ok().map(|id| (id, (receiver, listening)))
        })
        // The test ends the subscription.
        .take_while(|id| std::future::ready(id != "end"))
    }
}

struct Listening(Arc<watch::Sender<usize>>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

pub struct Item {
    pub id: ID,
}

#[Object]
impl Item {
    async fn id(&self) -> &ID {
        &self.id
    }

    /// Fails for `broken`; a long text for `long…`.
    async fn name(&self) -> Result<Option<String>> {
        match self.id.as_str() {
            "broken" => Err("its name is not known".into()),
            id if id.starts_with("long") => Ok(Some(format!("{id} {}", "x".repeat(200_000)))),
            id => Ok(Some(format!("item {id}"))),
        }
    }
}

struct ItemQuery;

#[Object(name = "Query")]
impl ItemQuery {
    async fn item(&self, id: ID) -> Item {
        Item { id }
    }

    #[graphql(entity)]
    async fn find(&self, id: ID) -> Item {
        Item { id }
    }
}

struct ItemSubscription(Changes);

#[Subscription(name = "Subscription")]
impl ItemSubscription {
    /// The items that change; the argument makes questions differ.
    async fn changed(&self, topic: Option<String>) -> impl Stream<Item = Item> {
        let _ = topic;
        self.0.listen().map(|id| Item { id: id.into() })
    }
}

mod stock {
    use super::{ID, Object, Result};

    pub struct Item {
        pub id: ID,
    }

    #[Object]
    impl Item {
        async fn id(&self) -> &ID {
            &self.id
        }

        /// The number in the id; fails for `lost`.
        #[graphql(shareable)]
        async fn stock(&self) -> Result<Option<i32>> {
            match self.id.as_str() {
                "lost" => Err("nobody counted it".into()),
                id => Ok(id.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()),
            }
        }
    }

    pub struct Query;

    #[Object]
    impl Query {
        async fn warehouses(&self) -> i32 {
            1
        }

        #[graphql(entity)]
        async fn find(&self, id: ID) -> Item {
            Item { id }
        }
    }
}

/// A hang is a failure that says where.
#[track_caller]
pub fn within<T>(waiting: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("nothing came at {place}"))
    }
}

pub async fn listen(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

pub struct Mesh {
    pub gateway: Gateway,
    pub address: SocketAddr,
    pub changes: Changes,
    pub rules: SharedRules,
}

/// What a test may want otherwise.
pub struct Options {
    pub protocol: Protocol,
    pub subscriptions: SubscriptionsConfig,
    pub policy: Option<String>,
    pub rates: RatesConfig,
    pub demand: DemandConfig,
    pub forward: Vec<String>,
    pub errors: ErrorsConfig,
    /// Keys that are sent as `x-api-key`.
    pub keys: Option<Arc<ApiKeys>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocol: Protocol::WebSocket,
            subscriptions: SubscriptionsConfig::default(),
            policy: None,
            rates: RatesConfig::default(),
            demand: DemandConfig::default(),
            forward: vec!["authorization".to_owned()],
            errors: ErrorsConfig::default(),
            keys: None,
        }
    }
}

pub fn source(name: &str, url: String, sdl: String, events: EventSource) -> SubgraphSource {
    let transport = HttpTransport::new(1 << 24).transport(&url);
    SubgraphSource { name: name.to_owned(), url, transport, sdl: Some(sdl), product: false, events }
}

fn sdl<Q, S>(schema: &Schema<Q, EmptyMutation, S>) -> String
where
    Q: async_graphql::ObjectType + 'static,
    S: async_graphql::SubscriptionType + 'static,
{
    schema.sdl_with_options(SDLExportOptions::new().federation())
}

/// The subgraph with the stock of items.
pub async fn stock_source() -> SubgraphSource {
    let schema = Schema::build(stock::Query, EmptyMutation, async_graphql::EmptySubscription).finish();
    let address = listen(Router::new().route("/", post_service(GraphQL::new(schema.clone())))).await;
    source("stock", format!("http://{address}/"), sdl(&schema), EventSource::default())
}

pub async fn start(options: Options) -> Mesh {
    let changes = Changes::new();
    let schema = Schema::build(ItemQuery, EmptyMutation, ItemSubscription(changes.clone()))
        .enable_subscription_in_federation()
        .finish();
    let routes = Router::new()
        .route("/", post_service(GraphQL::new(schema.clone())))
        .route_service("/ws", GraphQLSubscription::new(schema.clone()));
    let address = listen(routes).await;
    let url = (options.protocol == Protocol::WebSocket).then(|| "/ws".to_owned());
    let events = EventSource { protocol: options.protocol, url, transport: None };
    let items = source("items", format!("http://{address}/"), sdl(&schema), events);
    let sources = vec![items, stock_source().await];
    serve(sources, options, changes).await
}

/// Settings of a gateway before subgraphs.
pub fn settings(sources: Vec<SubgraphSource>, options: Options) -> GatewaySettings {
    let jwt = JwtConfig { secret: Some(SECRET.to_owned()), leeway_seconds: Some(0), ..JwtConfig::default() };
    let rules = SharedRules::new(MeshRules::new(options.policy.as_deref()).unwrap());
    GatewaySettings {
        rules,
        api_keys: options.keys.clone().map(|keys| (HeaderName::from_static("x-api-key"), keys)),
        errors: options.errors,
        rates: options.rates,
        demand: options.demand,
        subscriptions: options.subscriptions,
        headers: HeaderRules::new(&options.forward, &HeadersConfig::default()).unwrap(),
        ..GatewaySettings::new(sources, Authenticator::of(&[jwt], options.keys).unwrap())
    }
}

/// A gateway before subgraphs.
pub async fn serve(sources: Vec<SubgraphSource>, options: Options, changes: Changes) -> Mesh {
    let settings = settings(sources, options);
    let rules = settings.rules.clone();
    let gateway = Gateway::new(settings);
    gateway.refresh().await;
    assert!(gateway.problems().is_empty(), "{:?}", gateway.problems());
    let address = listen(terrane_gateway::router(gateway.clone())).await;
    Mesh { gateway, address, changes, rules }
}

/// Changes for a subgraph of the test's own.
pub fn changes() -> Changes {
    Changes::new()
}

/// A token of a role.
pub fn token(role: &str, lifetime_seconds: u64) -> String {
    let request = TokenRequest {
        subject: role.to_owned(),
        roles: vec![role.to_owned()],
        lifetime_seconds,
        ..TokenRequest::default()
    };
    format!("Bearer {}", issue(SECRET, &request).unwrap())
}
