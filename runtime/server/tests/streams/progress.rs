//! What is told of runs: their progress, from where they are until their end, to who may see them; and their lineage events,
//! to who collects those.

use super::shop::{Shop, token};
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use terrane_runtime::{Collector, RunTrigger, send_events};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const ASK: &str = "mutation { runPipeline(wait: false) { id state } }";

fn steward() -> String {
    token("steward", &json!({}))
}

fn follow(id: &str) -> String {
    format!("subscription {{ runProgress(id: \"{id}\") {{ state version steps {{ kind name state rows }} }} }}")
}

#[tokio::test]
async fn a_run_is_followed_from_the_queue_until_it_has_published() {
    let shop = Shop::open().await;
    // another one is under way, so that it waits
    let store = shop.service.store();
    let under_way = store.start_run(RunTrigger::Manual, None, false).await.unwrap();
    let asked = shop.client(Some(&steward())).graphql(ASK, json!({})).await;
    let run = &asked["data"]["runPipeline"];
    assert_eq!(run["state"], "queued", "{asked}");
    let mut events = shop.subscribe(&follow(run["id"].as_str().unwrap()), Some(&steward())).await;
    let first = events.next().await.unwrap();
    assert_eq!(first.data, json!({"data": {"runProgress": {"state": "queued", "version": null, "steps": []}}}));
    under_way.succeed().await.unwrap();
    let mut told: Vec<Value> = Vec::new();
    let mut end = None;
    while let Some(event) = events.next().await {
        if event.name != "next" {
            end = Some(event.name);
            break;
        }
        told.push(event.data["data"]["runProgress"].clone());
    }
    assert_eq!(end.as_deref(), Some("complete"), "it ends when the run does");
    let steps = |run: &Value| run["steps"].as_array().unwrap().len();
    assert!(told.is_sorted_by_key(steps), "it goes on: {told:#?}");
    let last = told.last().unwrap();
    assert_eq!((&last["state"], &last["version"]), (&json!("succeeded"), &json!(2)));
    let steps = last["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["state"] == "succeeded"), "{steps:#?}");
    assert_eq!(steps.last().unwrap()["kind"], "publish");
    // who comes when it has ended hears that
    let mut events = shop.subscribe(&follow(run["id"].as_str().unwrap()), Some(&steward())).await;
    assert_eq!(events.next().await.unwrap().data["data"]["runProgress"], *last);
    assert_eq!(events.next().await.unwrap().name, "complete");
}

#[tokio::test]
async fn progress_is_told_to_who_may_see_runs_and_of_runs_that_are_there() {
    let shop = Shop::open().await;
    let nobodys = uuid::Uuid::nil().to_string();
    for (id, token, code) in [
        (nobodys.as_str(), Some(steward()), "NO_SUCH_RUN"),
        ("newest", Some(steward()), "BAD_USER_INPUT"),
        (nobodys.as_str(), None, "FORBIDDEN"),
    ] {
        let mut events = shop.subscribe(&follow(id), token.as_deref()).await;
        let event = events.next().await.unwrap();
        assert_eq!(event.data["errors"][0]["extensions"]["code"], code, "{id}: {event:?}");
        assert_eq!(events.next().await.unwrap().name, "complete");
    }
    // what is told is of now
    let body = Some(json!({"query": "{ items { totalCount } }"}));
    let events = shop.events("/graphql", None, &[("terrane-as-of", "1")], body).await;
    assert_eq!(events.status, 400);
    assert!(events.text().await.contains("terrane-as-of"));
}

type Collected = (HeaderMap, Value);

/// Whether the collector has refused its first request already.
static REFUSED: AtomicBool = AtomicBool::new(false);

async fn take(State(sender): State<mpsc::UnboundedSender<Collected>>, headers: HeaderMap, body: String) -> StatusCode {
    sender.send((headers, serde_json::from_str(&body).unwrap())).unwrap();
    match REFUSED.swap(true, Ordering::Relaxed) {
        true => StatusCode::CREATED,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A collector that refuses the first request, and takes all others.
async fn collect(sender: mpsc::UnboundedSender<Collected>) -> String {
    let router = axum::Router::new().route("/api/v1/lineage", axum::routing::post(take)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn lineage_events_go_to_a_collector_in_order_and_again_where_it_refuses() {
    let (sender, mut collected) = mpsc::unbounded_channel();
    let url = collect(sender).await;
    let read = |name: &str| match name {
        "OPENLINEAGE_URL" => Some(url.clone()),
        "OPENLINEAGE_API_KEY" => Some("key".to_owned()),
        _ => None,
    };
    let collector = Collector::from_environment(&read).unwrap().unwrap();
    // the first run has been when nobody collected yet
    let shop = Shop::open().await;
    tokio::spawn(send_events(shop.service.clone(), collector));
    shop.run().await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (headers, event) = collected.recv().await.unwrap();
        assert_eq!(headers["authorization"], "Bearer key");
        seen.push((event["eventType"].as_str().unwrap().to_owned(), event["run"]["runId"].clone()));
    }
    let types: Vec<&str> = seen.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(types, ["START", "START", "COMPLETE", "START", "COMPLETE"]);
    assert_eq!(seen[0], seen[1], "what was refused comes again");
    assert!(seen[1].1 == seen[2].1 && seen[3].1 == seen[4].1 && seen[1].1 != seen[3].1);
    let mine = shop.client(Some(&steward())).graphql("{ lineageEvents(first: 4) }", json!({})).await;
    let shown = mine["data"]["lineageEvents"].as_array().unwrap_or_else(|| panic!("{mine}"));
    assert_eq!(shown[0]["eventType"], "COMPLETE", "the newest first");
}
