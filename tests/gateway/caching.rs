//! Kept answers: what a subgraph's `cache-control` allows is not asked for again.

use super::support::{Gateway, Subgraph};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Response};
use axum::middleware::map_response;
use serde_json::json;

/// A gateway over a subgraph whose answers say `control`.
async fn over(control: &'static str, settings: &str) -> Gateway {
    let (router, seen) = Subgraph::router();
    let router = router.layer(map_response(move |mut response: Response<axum::body::Body>| async move {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(control));
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

#[tokio::test]
async fn what_may_be_kept_is_not_asked_for_again() {
    // the first answer tells that there is something to keep, the second one is kept
    assert_eq!(asked(&over("max-age=600", "").await).await, 2);
    assert_eq!(asked(&over("no-store", "").await).await, 4);
    assert_eq!(asked(&over("max-age=600", "cache: {enabled: false}\n").await).await, 4);
    // a text of its own has an answer of its own
    let gateway = over("max-age=600", "").await;
    asked(&gateway).await;
    let answer =
        gateway.ask(json!({"query": "query($n: String) { hello(name: $n) }", "variables": {"n": "ada"}})).await;
    assert_eq!(answer["data"]["hello"], "hello ada");
    let answer =
        gateway.ask(json!({"query": "query($n: String) { hello(name: $n) }", "variables": {"n": "bob"}})).await;
    assert_eq!(answer["data"]["hello"], "hello bob");
}
