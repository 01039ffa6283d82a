//! Faults of subgraphs and bursts of clients: repetition, breaker, bounded queues, shedding.

use crate::support::{Gateway, Subgraph, ask, codes, until};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

const SDL: &str = "type Query { a: Int b(n: Int): Int } type Mutation { m: Int }";

fn well() -> (StatusCode, Value) {
    (StatusCode::OK, json!({"data": {"a": 1, "b": 1, "m": 1}}))
}

fn unwell() -> (StatusCode, Value) {
    (StatusCode::SERVICE_UNAVAILABLE, json!({"errors": [{"message": "busy"}]}))
}

#[tokio::test]
async fn a_query_is_repeated_and_a_mutation_is_not() {
    let subgraph = Subgraph::start(|number, _| async move { if number % 3 < 2 { unwell() } else { well() } }).await;
    let settings = "traffic: {all: {retries: {attempts: 2, backoff_millis: 1}}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let answer = gateway.client().graphql("{ a }", json!({})).await;
    assert_eq!((codes(&answer), &answer["data"]["a"], subgraph.count()), (vec![], &json!(1), 3), "{answer}");
    assert_eq!(gateway.metric("terrane_subgraph_retries_total{subgraph=\"s\"}").await, 2.0);
    let answer = gateway.client().graphql("mutation { m }", json!({})).await;
    assert_eq!((codes(&answer).len(), subgraph.count()), (1, 4), "{answer}");
}

#[tokio::test]
async fn repetitions_stop_where_the_budget_ends() {
    let subgraph = Subgraph::start(|_, _| async { unwell() }).await;
    let settings =
        "traffic: {all: {retries: {attempts: 5, backoff_millis: 1, budget_percent: 0, budget_per_second: 1}}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    for n in 0..20 {
        let answer = gateway.client().graphql("query($n: Int) { b(n: $n) }", json!({"n": n})).await;
        assert_eq!(codes(&answer).len(), 1, "{answer}");
    }
    // a reserve of one a second, for ten seconds
    assert_eq!(subgraph.count(), 20 + 10);
}

#[tokio::test]
async fn a_breaker_opens_tries_once_and_closes() {
    let is_well = Arc::new(AtomicBool::new(false));
    let state = is_well.clone();
    let subgraph = Subgraph::start(move |_, _| {
        let answer = if state.load(Ordering::SeqCst) { well() } else { unwell() };
        async move { answer }
    })
    .await;
    let settings = "traffic: {subgraphs: {s: {breaker: {calls: 4, open_seconds: 0.3}}}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let client = gateway.client();
    let one = async || client.graphql("{ a }", json!({})).await;
    for _ in 0..4 {
        one().await;
    }
    let answer = one().await;
    assert_eq!((codes(&answer), subgraph.count()), (vec!["SUBGRAPH_CIRCUIT_OPEN"], 4), "{answer}");
    assert_eq!(gateway.metric("terrane_subgraph_breaker_open{subgraph=\"s\"}").await, 1.0);
    // the one that is let through finds it unwell, so it opens again
    until(|| async { one().await.to_string().contains("SUBGRAPH_CIRCUIT_OPEN") && subgraph.count() >= 5 }).await;
    is_well.store(true, Ordering::SeqCst);
    until(|| async { one().await["data"]["a"] == 1 }).await;
    assert_eq!(gateway.metric("terrane_subgraph_breaker_open{subgraph=\"s\"}").await, 0.0);
    assert!(gateway.metric("terrane_subgraph_breaker_opened_total{subgraph=\"s\"}").await >= 2.0);
}

#[tokio::test]
async fn event_streams_are_not_opened_while_the_breaker_is_open() {
    let sdl = "type Query { a: Int } type Subscription { e: Int }";
    let subgraph = Subgraph::start(|_, _| async { unwell() }).await;
    let settings = "traffic: {all: {breaker: {calls: 3, open_seconds: 60}}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, sdl)], settings, &[]).await;
    let subscribe = async || {
        let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
        let body = json!({"query": "subscription { e }"}).to_string();
        gateway.client().send(Method::POST, "/graphql", &headers, body).await.text()
    };
    for _ in 0..2 {
        subscribe().await;
    }
    ask(&gateway.client(), "{ a }", json!({}), &[]).await;
    let (told, asked) = (subscribe().await, subgraph.count());
    assert!(told.contains("SUBGRAPH_CIRCUIT_OPEN"), "{told}");
    assert_eq!(asked, 3, "two streams and a query opened it");
}

/// A subgraph that holds every call until it is let go.
async fn holding() -> (Subgraph, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let subgraph = Subgraph::start(move |_, _| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            well()
        }
    })
    .await;
    (subgraph, gate)
}

#[tokio::test]
async fn calls_of_a_subgraph_wait_in_a_bounded_queue() {
    let (subgraph, gate) = holding().await;
    let settings = "traffic: {all: {concurrency: {calls: 2, waiting: 3}}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let client = gateway.client();
    let under_way: Vec<_> = (0..5)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.graphql("query($n: Int) { b(n: $n) }", json!({"n": n})).await })
        })
        .collect();
    until(|| async {
        subgraph.count() == 2 && gateway.metric("terrane_subgraph_calls_waiting{subgraph=\"s\"}").await == 3.0
    })
    .await;
    let answer = client.graphql("query($n: Int) { b(n: $n) }", json!({"n": 100})).await;
    assert_eq!(codes(&answer), ["SUBGRAPH_OVERLOADED"], "{answer}");
    gate.add_permits(10);
    for one in under_way {
        assert_eq!(one.await.unwrap()["data"]["b"], 1);
    }
    assert_eq!(subgraph.count(), 5);
    assert_eq!(gateway.metric("terrane_subgraph_calls_waiting{subgraph=\"s\"}").await, 0.0);
}

#[tokio::test]
async fn a_burst_is_shed_and_what_runs_is_answered() {
    let (subgraph, gate) = holding().await;
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], "traffic: {in_flight: 4}", &[]).await;
    let client = gateway.client();
    let under_way: Vec<_> = (0..4)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "query($n: Int) { b(n: $n) }", json!({"n": n}), &[]).await })
        })
        .collect();
    until(|| async { subgraph.count() == 4 }).await;
    for n in 0..50 {
        let shed = ask(&client, "query($n: Int) { b(n: $n) }", json!({"n": 100 + n}), &[]).await;
        assert_eq!((shed.status.as_u16(), codes(&shed.json())), (503, vec!["OVERLOADED"]));
        assert_eq!(shed.headers["retry-after"], "1");
    }
    assert_eq!(client.get("/health/ready").await.status, 200, "probes are answered");
    gate.add_permits(10);
    for one in under_way {
        assert_eq!(one.await.unwrap().json()["data"]["b"], 1);
    }
    assert_eq!(subgraph.count(), 4);
    assert_eq!(gateway.metric("terrane_gateway_requests_shed_total").await, 50.0);
    until(|| async { ask(&client, "{ a }", json!({}), &[]).await.status == 200 }).await;
}

#[tokio::test]
async fn each_subgraph_has_its_own_time() {
    let (slow, gate) = holding().await;
    let quick = Subgraph::always(json!({"c": 1})).await;
    let settings = "traffic: {subgraphs: {s: {timeout_seconds: 0.2, retries: {attempts: 3}}}}";
    let subgraphs = [("s", slow.address.as_str(), SDL), ("q", quick.address.as_str(), "type Query { c: Int }")];
    let gateway = Gateway::start(&subgraphs, settings, &[]).await;
    let answer = gateway.client().graphql("{ a c }", json!({})).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["SUBGRAPH_TIMEOUT"], &json!({"a": null, "c": 1})), "{answer}");
    assert_eq!(slow.count(), 1, "what took all the time is not repeated");
    gate.add_permits(10);
}
