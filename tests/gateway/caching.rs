//! Kept answers: what a subgraph's `cache-control` allows is not asked for again.

use super::support::{Gateway, Subgraph};
use axum::http::header::{CACHE_CONTROL, VARY};
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

/// What a response says of keeping it: `cache-control` and `vary`, for a request with these headers.
async fn said(gateway: &Gateway, headers: &[(&str, &str)], query: &str) -> (String, String) {
    let body = json!({ "query": query }).to_string();
    let answer = gateway.post(headers, body).await;
    let text = |name| answer.headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap()).to_owned();
    (text(CACHE_CONTROL), text(VARY))
}

#[tokio::test]
async fn a_response_says_for_how_long_it_may_be_kept() {
    let thing = "{ thing { id } }";
    let (ada, nobody) = ([("x-caller", "ada")], []);
    let gateway = over("public, max-age=600", "forward_headers: [x-caller]\n").await;
    let (control, vary) = said(&gateway, &nobody, thing).await;
    assert_eq!(control, "public, max-age=600");
    assert!(["authorization", "x-caller"].iter().all(|name| vary.contains(name)), "{vary}");
    // what is kept ages
    let (control, _) = said(&gateway, &nobody, thing).await;
    assert!(control.starts_with("public, max-age=6") || control.starts_with("public, max-age=59"), "{control}");
    assert!(said(&gateway, &ada, thing).await.0.starts_with("private, max-age="));
    let none = || (String::new(), String::new());
    let mutation = said(&gateway, &nobody, "mutation { change }").await;
    assert_eq!(mutation.0, "", "of a mutation nothing is kept");
    assert_eq!(said(&gateway, &nobody, "{ __typename }").await.0, "", "nobody was asked");
    assert_eq!(said(&gateway, &nobody, "{ thing { nothing } }").await.0, "", "it is not valid");
    assert_eq!(said(&over("private, max-age=60", "").await, &nobody, thing).await.0, "private, max-age=60");
    assert_eq!(said(&over("no-store", "").await, &nobody, thing).await, none());
    assert_eq!(said(&over("max-age=60", "cache: {enabled: false}\n").await, &nobody, thing).await, none());
}
