//! Shop: turns the product `stock` into a server on a port of its own, with clients that read streams.

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use std::time::Duration;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{Client, fresh_database, repository};
use tokio::net::TcpListener;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
/// Longer than anything takes here.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Shop {
    pub service: ProductService,
    pub base: String,
    pub url: String,
}

impl Shop {
    /// The product with an empty version 1.
    pub async fn open() -> Self {
        Self::open_product("stock").await
    }

    /// The same with another product.
    pub async fn open_product(product: &str) -> Self {
        let url = fresh_database().await;
        let shop = Self::over_product(&url, product).await;
        shop.run().await;
        shop
    }

    /// A server of the product over a database.
    pub async fn over(url: &str) -> Self {
        Self::over_product(url, "stock").await
    }

    /// The same with another product.
    pub async fn over_product(url: &str, product: &str) -> Self {
        let options = ServiceOptions {
            folder: repository().join("runtime/server/tests/products").join(product),
            store: StoreOptions::new(url),
            authenticator: Authenticator::new(&JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() })
                .unwrap(),
            upstreams: Upstreams::new(),
        };
        let service = ProductService::open(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = router(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { service, base, url: url.to_owned() }
    }

    pub fn client(&self, token: Option<&str>) -> Client {
        let client = Client::new(&self.base);
        token.map_or(client.clone(), |token| client.with_token(token))
    }

    pub async fn run(&self) {
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
        let run = self.service.run(&request).await.unwrap();
        assert_eq!(run.state, "succeeded", "{run:?}");
    }

    /// Publish these rows: `code,shelf,amount,cost`.
    pub async fn stock(&self, rows: &[&str]) {
        let body = format!("code,shelf,amount,cost\n{}\n", rows.join("\n"));
        let client = self.client(Some(&token("steward", &json!({}))));
        let answer = client.send(http::Method::POST, "/input/deliveries", &[("content-type", "text/csv")], body).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        self.run().await;
    }

    /// A stream of events.
    pub async fn events(
        &self,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Events {
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let mut request = http::Request::builder().uri(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match &body {
            None => request.body(String::new()),
            Some(body) => request
                .method("POST")
                .header("content-type", "application/json")
                .header("accept", "text/event-stream")
                .body(body.to_string()),
        };
        let response = http.request(request.unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.into_data_stream().boxed();
        Events { status: head.status.as_u16(), body, text: String::new() }
    }

    /// The plain change feed.
    pub async fn feed(&self, query: &str, token: Option<&str>) -> Events {
        self.events(&format!("/output/items/changes{query}"), token, &[], None).await
    }

    /// A subscription over server-sent events.
    pub async fn subscribe(&self, query: &str, token: Option<&str>) -> Events {
        self.events("/graphql", token, &[], Some(json!({ "query": query }))).await
    }
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<i64>,
    pub name: String,
    pub data: Value,
}

pub struct Events {
    pub status: u16,
    body: futures_util::stream::BoxStream<'static, Result<bytes::Bytes, hyper::Error>>,
    text: String,
}

impl Events {
    /// The next event; none at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = parse(event);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let piece = tokio::time::timeout(LIMIT, self.body.next()).await.expect("something comes in time");
            self.text.push_str(str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    /// The next event that tells of something.
    pub async fn told(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            let positions_only = event.name == "position"
                || event.data["data"].as_object().is_some_and(|d| d.values().all(|v| v["changes"] == json!([])));
            if !positions_only {
                return event;
            }
        }
    }

    /// The whole body of a response that is no stream.
    pub async fn text(mut self) -> String {
        while let Some(piece) = self.body.next().await {
            self.text.push_str(str::from_utf8(&piece.unwrap()).unwrap());
        }
        self.text
    }
}

fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|v| v.trim_start().to_owned());
    let data = field("data:")?;
    Some(Event {
        id: field("id:").map(|id| id.parse().unwrap()),
        name: field("event:").unwrap_or_default(),
        data: serde_json::from_str(&data).unwrap_or(Value::Null),
    })
}

/// A token with a role and claims.
pub fn token(role: &str, claims: &Value) -> String {
    token_for(role, claims, 3600)
}

/// One that is good for so many seconds.
pub fn token_for(role: &str, claims: &Value, lifetime_seconds: u64) -> String {
    let claims: Map<String, Value> = claims.as_object().cloned().unwrap_or_default();
    let request = TokenRequest { subject: "tester".to_owned(), roles: vec![role.to_owned()], lifetime_seconds, claims };
    issue(SECRET, &request).unwrap()
}
