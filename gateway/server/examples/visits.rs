//! A subgraph made with async-graphql: `visits --listen ADDR` counts visits of countries, and tells of each over a
//! WebSocket. `scripts/test-clients.sh` federates it beside the products.

use anyhow::Context as _;
use async_graphql::{ID, Object, SDLExportOptions, Schema, Subscription};
use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::Router;
use axum::routing::{get, post_service};
use futures_util::Stream;
use futures_util::stream;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

#[derive(Clone)]
struct Visits {
    counts: Arc<Mutex<BTreeMap<String, i32>>>,
    sender: broadcast::Sender<String>,
}

struct Country {
    code: ID,
    visits: Visits,
}

#[Object]
impl Country {
    async fn code(&self) -> &ID {
        &self.code
    }

    /// Visits so far.
    async fn visits(&self) -> i32 {
        let counts = self.visits.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(self.code.as_str()).copied().unwrap_or_default()
    }
}

struct Queries(Visits);

#[Object(name = "Query")]
impl Queries {
    /// Subscriptions that are open.
    async fn visitors(&self) -> usize {
        self.0.sender.receiver_count()
    }

    #[graphql(entity)]
    async fn country(&self, code: ID) -> Country {
        Country { code, visits: self.0.clone() }
    }
}

struct Mutations(Visits);

#[Object(name = "Mutation")]
impl Mutations {
    /// Visit a country.
    async fn visit(&self, code: ID) -> Country {
        {
            let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(code.to_string()).or_default() += 1;
        }
        // An error means that nobody listens.
        let _ = self.0.sender.send(code.to_string());
        Country { code, visits: self.0.clone() }
    }
}

struct Subscriptions(Visits);

#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// Countries as they are visited.
    async fn visited(&self) -> impl Stream<Item = Country> {
        let state = (self.0.sender.subscribe(), self.0.clone());
        stream::unfold(state, |(mut receiver, visits)| async move {
            let code = receiver.recv().await.ok()?;
            Some((Country { code: code.into(), visits: visits.clone() }, (receiver, visits)))
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|a| a == "--listen").and_then(|at| arguments.get(at + 1));
    let visits = Visits { counts: Arc::default(), sender: broadcast::Sender::new(1024) };
    let schema = Schema::build(Queries(visits.clone()), Mutations(visits.clone()), Subscriptions(visits))
        .enable_subscription_in_federation()
        .finish();
    let sdl = schema.sdl_with_options(SDLExportOptions::new().federation());
    let router = Router::new()
        .route("/graphql", post_service(GraphQL::new(schema.clone())))
        .route_service("/ws", GraphQLSubscription::new(schema))
        .route("/sdl", get(move || std::future::ready(sdl)));
    let listener = tokio::net::TcpListener::bind(at.context("--listen ADDR is missing")?).await?;
    axum::serve(listener, router).await.context("serve")
}
