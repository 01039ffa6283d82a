//! Gateways that share a Redis: what one has kept, another one need not ask for.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "gateway/support.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod support;

use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Response};
use axum::middleware::map_response;
use serde_json::json;
use support::{Gateway, Subgraph};
use terrane_testkit::RedisServer;

/// A gateway over a subgraph whose answers may be kept.
async fn over(settings: &str) -> Gateway {
    let (router, seen) = Subgraph::router();
    let router = router.layer(map_response(move |mut response: Response<axum::body::Body>| async move {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=600"));
        response
    }));
    let subgraph = Subgraph::serve(router, seen).await;
    Gateway::over(subgraph, "", &[], settings).await
}

/// How often the subgraph is asked for the same four times.
async fn asked(gateway: &Gateway) -> usize {
    let before = gateway.subgraph.count();
    for _ in 0..4 {
        let answer = gateway.ask(json!({"query": "{ hello(name: \"you\") thing { id } }"})).await;
        assert_eq!(answer, json!({"data": {"hello": "hello you", "thing": {"id": "1"}}}));
    }
    gateway.subgraph.count() - before
}

/// A gateway that is connected to its Redis.
async fn connected(gateway: Gateway) -> Gateway {
    while !gateway.client().get("/metrics").await.text().lines().any(|line| line == "terrane_cache_redis_up 1") {
        tokio::task::yield_now().await;
    }
    gateway
}

#[tokio::test]
async fn gateways_with_the_same_redis_share_what_they_keep() {
    let mut redis = RedisServer::start();
    let settings = format!("cache: {{redis: {{url: \"{}\", prefix: \"mesh:\", timeout_ms: 5000}}}}\n", redis.url());
    let one = connected(over(&settings).await).await;
    let subgraph = Subgraph { url: one.subgraph.url.clone(), seen: one.subgraph.seen.clone() };
    let other = connected(Gateway::over(subgraph, "", &[], &settings).await).await;
    // both have to hear that there is something to keep, and of each other
    let mut shared = 0;
    for name in 0..1_000 {
        let greeting = json!({"query": format!("{{ hello(name: \"{name}\") }}")});
        let expected = json!({"data": {"hello": format!("hello {name}")}});
        assert_eq!(one.ask(greeting.clone()).await, expected);
        let before = other.subgraph.count();
        assert_eq!(other.ask(greeting).await, expected);
        shared += usize::from(other.subgraph.count() == before);
        if shared == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(shared, 3, "{}", other.mesh.output());
    // without the Redis, each is as alone
    redis.kill();
    asked(&one).await;
    assert_eq!(asked(&one).await, 0);
    let answer = other.ask(json!({"query": "{ hello(name: \"ada\") }"})).await;
    assert_eq!(answer, json!({"data": {"hello": "hello ada"}}));
}
