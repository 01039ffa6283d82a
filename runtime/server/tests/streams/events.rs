//! Events that are posted: stored once, late ones as the port says, and told when they are published.

use super::shop::{Shop, token};
use chrono::Utc;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use terrane_store::AsOf;
use terrane_testkit::Answer;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

fn sale(id: &str, code: &str, time: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/till/1", "type": "sale", "time": time, "data": {"code": code, "amount": 1}})
}

impl Shop {
    async fn post(&self, content_type: &str, body: &Value) -> Answer {
        self.post_text(content_type, body.to_string()).await
    }

    async fn post_text(&self, content_type: &str, body: String) -> Answer {
        let client = self.client(Some(&token("steward", &json!({}))));
        client.send(http::Method::POST, "/input/sales/events", &[("content-type", content_type)], body).await
    }

    /// Ids of the stored events, each as often as it is there.
    async fn stored(&self) -> Vec<String> {
        let owner = self.service.store().owner();
        sqlx::query_scalar("SELECT id FROM input.sales ORDER BY id").fetch_all(owner).await.unwrap()
    }
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_acknowledged_event_is_stored_once_however_often_it_comes() {
    let shop = Shop::open().await;
    let first = shop.post(STRUCTURED, &sale("1", "a", "2026-01-01T00:00:00Z")).await;
    assert_eq!(first.json(), json!({"accepted": 1, "duplicates": 0, "late": 0}), "{}", first.text());
    let both = json!([
        sale("1", "a", "2026-01-01T00:00:00Z"),
        sale("2", "b", "2026-01-01T00:00:01Z"),
        sale("2", "b", "2026-01-01T00:00:01Z")
    ]);
    let second = shop.post(BATCHED, &both).await;
    assert_eq!(second.json(), json!({"accepted": 1, "duplicates": 2, "late": 0}));
    let mut other = sale("1", "c", "2026-01-01T00:00:00Z");
    other["source"] = json!("/till/2");
    assert_eq!(shop.post(STRUCTURED, &other).await.json()["accepted"], 1, "another source's id is another one");
    assert_eq!(shop.stored().await, ["1", "1", "2"]);
    let plain = "{\"id\":\"9\",\"code\":\"z\",\"amount\":2,\"price\":1234567890.123456789,\"sold_at\":\"2026-01-01T00:00:00Z\"}\n";
    assert_eq!(shop.post_text(LINES, plain.repeat(2)).await.json(), json!({"accepted": 1, "duplicates": 1, "late": 0}));
    let price: String = sqlx::query_scalar("SELECT price::text FROM input.sales WHERE id = '9'")
        .fetch_one(shop.service.store().owner())
        .await
        .unwrap();
    assert_eq!(price, "1234567890.123456789", "numbers are not rounded on the way");
}

#[tokio::test]
async fn posts_at_the_same_time_are_stored_together_and_each_once() {
    let shop = Shop::open().await;
    let posts = (0..200).map(|i| {
        let shop = &shop;
        async move {
            // each event is posted by two senders, and one of ten is wrong
            let mut event = sale(&format!("{:03}", i / 2), "a", "2026-01-01T00:00:00Z");
            if i % 20 == 0 {
                event["data"]["code"] = json!("much too long for it");
                event["id"] = json!(format!("wrong {i}"));
            }
            (i, shop.post(STRUCTURED, &event).await)
        }
    });
    let answers = futures_util::future::join_all(posts).await;
    let mut accepted = 0;
    for (i, answer) in &answers {
        if i % 20 == 0 {
            assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
            assert!(answer.text().contains("event 0: value too long"), "{}", answer.text());
        } else {
            assert!(answer.status.is_success(), "{}", answer.text());
            accepted += answer.json()["accepted"].as_u64().unwrap();
        }
    }
    let stored = shop.stored().await;
    assert_eq!(stored.len(), 100);
    assert_eq!(stored.iter().collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(accepted, 100);
}

#[tokio::test]
async fn a_request_with_a_wrong_event_stores_nothing_and_says_which() {
    let shop = Shop::open().await;
    let good = |id: &str| sale(id, "a", "2026-01-01T00:00:00Z");
    let mut unknown = good("2");
    unknown["data"]["colour"] = json!("red");
    let mut missing = good("2");
    missing["data"] = json!({"amount": 1});
    let mut badly_typed = good("2");
    badly_typed["data"]["amount"] = json!("many");
    let mut no_time = good("2");
    no_time["time"] = json!("yesterday");
    let mut old = good("2");
    old["specversion"] = json!("0.3");
    for (wrong, words) in [
        (unknown, "`colour` is not in the contract"),
        (missing, "`code` is missing"),
        (badly_typed, "invalid input syntax for type integer"),
        (no_time, "`sold_at` is no time"),
        (old, "specversion"),
    ] {
        let answer = shop.post(BATCHED, &json!([good("1"), wrong, good("3")])).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (422, "BAD_EVENT"));
        assert!(answer.text().contains("event 1: ") && answer.text().contains(words), "{}", answer.text());
    }
    assert!(shop.stored().await.is_empty());
    assert_eq!(code(&shop.post("text/csv", &json!(1)).await), "UNSUPPORTED_FORMAT");
    let client = shop.client(None);
    let refused = client.send(http::Method::POST, "/input/sales/events", &[("content-type", STRUCTURED)], "{}").await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (403, "FORBIDDEN"));
    let client = shop.client(Some(&token("steward", &json!({}))));
    let nowhere = client.send(http::Method::POST, "/input/nothing/events", &[("content-type", STRUCTURED)], "{}").await;
    assert_eq!(code(&nowhere), "UNKNOWN_DATASET");
}

#[tokio::test]
async fn late_events_are_counted_and_dropped_where_the_port_says_so() {
    let shop = Shop::open().await;
    let times = ["2026-01-01T12:00:00Z", "2026-01-01T11:30:00Z", "2026-01-01T10:59:59Z"];
    for (i, time) in times.iter().enumerate() {
        let answer = shop.post(STRUCTURED, &sale(&i.to_string(), "a", time)).await;
        let late = usize::from(i == 2);
        assert_eq!(answer.json(), json!({"accepted": 1 - late, "duplicates": 0, "late": late}));
    }
    // a clock that is ahead does not make all others late
    assert_eq!(shop.post(STRUCTURED, &sale("7", "a", "2999-01-01T00:00:00Z")).await.json()["accepted"], 1);
    assert_eq!(shop.post(STRUCTURED, &sale("8", "a", "2026-01-01T12:00:01Z")).await.json()["accepted"], 1);
    assert_eq!(shop.stored().await, ["0", "1", "7", "8"]);
    let counts = shop.service.store().event_counts().await.unwrap();
    assert_eq!((counts[0].accepted, counts[0].late, counts[0].duplicates), (4, 1, 0));
}

#[tokio::test]
async fn events_that_are_stored_are_published_and_told() {
    let shop = Shop::open().await;
    shop.service.start_streams(None);
    let mut feed = shop.events("/output/sold/changes", None, &[], None).await;
    feed.next().await.unwrap();
    let mut seen = BTreeSet::new();
    for id in 0..5 {
        shop.post(STRUCTURED, &sale(&id.to_string(), "a", "2026-01-01T00:00:00Z")).await;
    }
    while seen.len() < 5 {
        let change = feed.told().await.data;
        assert_eq!(change["operation"], "INSERT");
        assert!(seen.insert(change["key"]["id"].as_str().unwrap().to_owned()), "once");
    }
    // in place, or by a run where one is needed
    let (store, version) = (shop.service.store(), shop.service.store().current_version().await.unwrap().unwrap());
    let in_place = version.kind == "stream";
    assert!(in_place || store.runs(10).await.unwrap().iter().any(|run| run.trigger == "stream"), "{version:?}");
}

#[tokio::test]
async fn a_version_that_events_made_says_what_it_is_made_from_and_is_found_by_its_time() {
    let shop = Shop::open().await;
    let store = shop.service.store();
    let before = store.current_version().await.unwrap().unwrap();
    shop.post(STRUCTURED, &sale("1", "a", "2026-01-01T00:00:00Z")).await;
    shop.service.pipeline().apply_changes().await.unwrap();
    let version = store.current_version().await.unwrap().unwrap();
    assert_eq!((version.version, version.kind.as_str()), (2, "stream"));
    assert_eq!((&version.product_version, &version.contracts), (&before.product_version, &before.contracts));
    assert_eq!(version.columns, before.columns);
    let sales = version.lineage.inputs.iter().find(|input| input.dataset == "sales").unwrap();
    assert_eq!(sales.batches.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [1]);
    assert_eq!(version.lineage.models, before.lineage.models);
    let now = store.version_as_of(AsOf::Time(Utc::now())).await.unwrap();
    assert_eq!(now.version, 2);
    // nothing is kept of the version whose place it took
    let gone = store.version_as_of(AsOf::Version(1)).await.unwrap_err();
    assert_eq!(gone.code(), "VERSION_DROPPED");
    let record = store.version(1).await.unwrap().unwrap();
    assert!(record.state == "dropped" && record.ended_at.is_some() && record.dropped_at.is_some(), "{record:?}");
}
