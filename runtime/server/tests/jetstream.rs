//! JetStream: messages of a real `nats-server` become rows, each once, and changes become messages, each once and in order.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "streams/shop.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod shop;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, consumer, stream};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use shop::Shop;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use terrane_runtime::NatsSettings;
use terrane_testkit::NatsServer;

const LIMIT: Duration = Duration::from_secs(60);

async fn connect(server: &NatsServer) -> Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

async fn stream(context: &Context) {
    let config =
        stream::Config { name: "TILLS".to_owned(), subjects: vec!["tills.>".to_owned()], ..Default::default() };
    context.create_stream(config).await.unwrap();
}

fn settings(server: &NatsServer) -> NatsSettings {
    NatsSettings { url: server.url(), credentials: None }
}

/// Publish a sale as plain data with an id of the publisher's; the broker itself drops none of these.
async fn publish(context: &Context, id: &str, time: &str) {
    let event = json!({"specversion": "1.0", "id": id, "source": "/till", "type": "sale", "time": time,
        "data": {"code": "a", "amount": 1}});
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/cloudevents+json");
    context.publish_with_headers("tills.1", headers, event.to_string().into()).await.unwrap().await.unwrap();
}

async fn stored(shop: &Shop) -> Vec<String> {
    let owner = shop.service.store().owner();
    sqlx::query_scalar("SELECT id FROM input.sales ORDER BY id").fetch_all(owner).await.unwrap()
}

async fn wait_for(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Positions and keys of the messages that were published, in the stream's order.
async fn published(context: &Context) -> Vec<(i64, String)> {
    let Ok(stream) = context.get_stream("SOLD").await else { return Vec::new() };
    let count = stream.get_info().await.unwrap().state.messages;
    let config = consumer::pull::Config { deliver_policy: consumer::DeliverPolicy::All, ..Default::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.fetch().max_messages(10_000).messages().await.unwrap();
    let mut seen = Vec::new();
    while let Some(message) = messages.next().await {
        let message = message.unwrap();
        let data: Value = serde_json::from_slice(&message.payload).unwrap();
        let headers = message.headers.as_ref().unwrap();
        assert_eq!(headers.get("Terrane-Position").unwrap().as_str(), data["position"].as_str().unwrap());
        assert_eq!(data["operation"], "INSERT");
        seen.push((
            data["position"].as_str().unwrap().parse().unwrap(),
            data["key"]["id"].as_str().unwrap().to_owned(),
        ));
    }
    // more may have come since they were counted
    assert!(seen.len() as u64 >= count, "{} of {count}", seen.len());
    seen
}

fn assert_once_and_in_order(published: &[(i64, String)]) {
    assert!(published.windows(2).all(|pair| pair[0].0 < pair[1].0), "{published:?}");
    let keys: BTreeSet<&String> = published.iter().map(|(_, key)| key).collect();
    assert_eq!(keys.len(), published.len());
}

#[tokio::test]
async fn messages_are_stored_once_and_their_changes_published_once() {
    let server = NatsServer::start();
    let context = connect(&server).await;
    stream(&context).await;
    let shop = Shop::open_product("tills").await;
    for id in 0..20 {
        // every event is published twice, in two messages
        for _ in 0..2 {
            publish(&context, &format!("{id:02}"), "2026-01-01T12:00:00Z").await;
        }
    }
    let stages = shop.service.explain(true).await.unwrap();
    assert!(stages.iter().all(|stage| stage.action != "pull"), "messages come by themselves: {stages:?}");
    shop.service.start_streams(Some(&settings(&server)));
    wait_for("all are published", async || published(&context).await.len() == 20).await;
    assert_once_and_in_order(&published(&context).await);
    assert_eq!(stored(&shop).await, (0..20).map(|id| format!("{id:02}")).collect::<Vec<_>>());
    // what can't be stored is put aside, and what follows it is not kept waiting
    let plain = async |payload: &'static str, id: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        context.publish_with_headers("tills.2", headers, payload.into()).await.unwrap().await.unwrap();
    };
    plain("no json", "x1").await;
    plain("{\"code\": \"much too long for it\", \"amount\": 1, \"sold_at\": \"2026-01-01T12:00:00Z\"}", "x2").await;
    publish(&context, "late", "2026-01-01T09:00:00Z").await;
    plain("{\"code\": \"a\", \"amount\": 1, \"sold_at\": \"2026-01-01T12:00:00Z\"}", "x3").await;
    wait_for("the last one is stored", async || stored(&shop).await.contains(&"x3".to_owned())).await;
    let reasons: Vec<String> = sqlx::query_scalar("SELECT reason FROM control.rejected_events ORDER BY position")
        .fetch_all(shop.service.store().owner())
        .await
        .unwrap();
    let known = ["no JSON object", "value too long", "too late"];
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(known.iter().all(|words| reasons.iter().any(|reason| reason.contains(words))), "{reasons:?}");
}

#[tokio::test]
async fn messages_that_come_again_after_a_restart_are_known() {
    let server = NatsServer::start();
    let context = connect(&server).await;
    stream(&context).await;
    let shop = Shop::open_product("tills").await;
    shop.service.start_streams(Some(&settings(&server)));
    for round in 0..4 {
        for id in 0..10 {
            publish(&context, &format!("{round}{id}"), "2026-01-01T12:00:00Z").await;
        }
        if round == 2 {
            // a consumer that has forgotten everything gets all messages again
            shop.service.stop();
            let stream = context.get_stream("TILLS").await.unwrap();
            stream.delete_consumer("terrane-tills-sales").await.unwrap();
            let again = Shop::over_product(&shop.url, "tills").await;
            again.service.start_streams(Some(&settings(&server)));
        }
    }
    wait_for("all are stored", async || stored(&shop).await.len() == 40).await;
    wait_for("all are published", async || published(&context).await.len() == 40).await;
    assert_once_and_in_order(&published(&context).await);
    assert_eq!(stored(&shop).await.len(), 40);
}

#[tokio::test]
async fn a_server_that_is_gone_for_a_while_is_waited_for() {
    let mut server = NatsServer::start();
    let context = connect(&server).await;
    stream(&context).await;
    let shop = Shop::open_product("tills").await;
    shop.service.start_streams(Some(&settings(&server)));
    for round in 0..3 {
        for id in 0..30 {
            publish(&context, &format!("{round}{id:02}"), "2026-01-01T12:00:00Z").await;
        }
        // while changes are on their way
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.start_again();
    }
    wait_for("all are stored", async || stored(&shop).await.len() == 90).await;
    wait_for("all are published", async || published(&connect(&server).await).await.len() == 90).await;
    assert_once_and_in_order(&published(&connect(&server).await).await);
}
