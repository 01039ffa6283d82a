//! Events that break the contract: recorded once for each cause, tried again, and published as soon as the cause is gone.

use super::shop::{Events, Shop, token};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use terrane_store::{HeldEvents, Run};

const LIMIT: Duration = Duration::from_secs(60);

impl Shop {
    /// One event, as somebody's first and only one with this id.
    async fn sell(&self, source: &str, id: &str) {
        let event = json!({"specversion": "1.0", "id": id, "source": source, "type": "sale", "time":
            "2026-01-01T00:00:00Z", "data": {"code": "a", "amount": 1}});
        let client = self.client(Some(&token("steward", &json!({}))));
        let headers = [("content-type", "application/cloudevents+json")];
        let answer = client.send(http::Method::POST, "/input/sales/events", &headers, event.to_string()).await;
        assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
    }

    async fn held(&self, attempts: i32) -> HeldEvents {
        let asked = Instant::now();
        loop {
            let held = self.service.store().events_held().await.unwrap();
            if let Some(held) = held.filter(|held| held.attempts >= attempts) {
                return held;
            }
            assert!(asked.elapsed() < LIMIT, "never held, or not tried again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn failed_runs(&self) -> Vec<Run> {
        let runs = self.service.store().runs(1000).await.unwrap();
        runs.into_iter().filter(|run| run.state == "failed").collect()
    }
}

/// The ids of the next so many rows that come.
async fn told(feed: &mut Events, count: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let change = feed.told().await.data;
        assert_eq!(change["operation"], "INSERT");
        assert!(seen.insert(change["key"]["id"].as_str().unwrap().to_owned()), "once");
    }
    seen
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn events_that_break_the_contract_are_on_record_once_and_hold_later_ones_until_they_are_gone() {
    let shop = Shop::open().await;
    shop.service.start_streams(None);
    let mut feed = shop.events("/output/sold/changes", None, &[], None).await;
    feed.next().await.unwrap();
    shop.sell("/till/1", "1").await;
    assert_eq!(told(&mut feed, 1).await, ids(&["1"]));
    // two events of other sources have one id, which is the key of what is published
    shop.sell("/till/2", "1").await;
    shop.held(1).await;
    for id in ["2", "3", "4"] {
        shop.sell("/till/1", id).await;
    }
    let held = shop.held(4).await;
    let failed = shop.failed_runs().await;
    assert_eq!(failed.len(), 1, "one record, however often it is tried: {failed:?}");
    assert_eq!((failed[0].trigger.as_str(), held.run_id), ("stream", Some(failed[0].id)));
    // what people see of it
    let asked = "{ runs(first: 20) { state trigger errorCode error qualityResults { rule passed sample } } }";
    let client = shop.client(Some(&token("steward", &json!({}))));
    let shown = client.graphql(asked, json!({})).await;
    let runs = shown["data"]["runs"].as_array().unwrap_or_else(|| panic!("{shown}"));
    let run = runs.iter().find(|run| run["state"] == "failed").unwrap();
    assert_eq!((&run["trigger"], &run["errorCode"]), (&json!("stream"), &json!("CHECKS_FAILED")), "{shown}");
    let results = run["qualityResults"].as_array().unwrap();
    let broken: Vec<&Value> = results.iter().filter(|result| result["passed"] == false).collect();
    assert!(broken.iter().any(|result| result["rule"].as_str().unwrap().contains("sold")), "{shown}");
    // the event is taken away: all that came after it is published
    sqlx::query("DELETE FROM input.sales WHERE ctid = (SELECT max(ctid) FROM input.sales WHERE id = '1')")
        .execute(shop.service.store().owner())
        .await
        .unwrap();
    assert_eq!(told(&mut feed, 3).await, ids(&["2", "3", "4"]));
    shop.sell("/till/1", "5").await;
    assert_eq!(told(&mut feed, 1).await, ids(&["5"]));
    assert_eq!(shop.service.store().events_held().await.unwrap(), None);
    assert_eq!(shop.failed_runs().await.len(), 1);
}

#[tokio::test]
async fn held_events_are_published_when_a_rule_or_a_model_is_put_in_that_lets_them() {
    let shop = Shop::open().await;
    let steward = shop.client(Some(&token("steward", &json!({}))));
    let rule = json!({"id": "few", "type": "library", "metric": "rowCount", "mustBeLessThan": 2, "severity": "error"});
    let put = "mutation($rule: JSON) { putQualityRule(dataset: \"sold\", id: \"few\", rule: $rule) { id } }";
    let done = steward.graphql(put, json!({"rule": rule})).await;
    assert!(done["errors"].is_null(), "{done}");
    shop.service.start_streams(None);
    let mut feed = shop.events("/output/sold/changes", None, &[], None).await;
    feed.next().await.unwrap();
    shop.sell("/till/1", "1").await;
    assert_eq!(told(&mut feed, 1).await, ids(&["1"]));
    shop.sell("/till/1", "2").await;
    let held = shop.held(2).await;
    assert!(held.cause.contains("few"), "{held:?}");
    steward.graphql(put, json!({"rule": null})).await;
    assert_eq!(told(&mut feed, 1).await, ids(&["2"]));
    // a key that is there twice, and a model that takes one of them
    shop.sell("/till/2", "2").await;
    shop.sell("/till/1", "3").await;
    shop.held(1).await;
    let model = "SELECT DISTINCT ON (s.id) s.id, s.code::text AS code, s.amount, s.price, s.sold_at FROM input.sales AS s \
                 ORDER BY s.id, s._position";
    let put = "mutation($sql: String) { putModel(layer: \"output\", name: \"sold\", sql: $sql) { path } }";
    let done = steward.graphql(put, json!({"sql": model})).await;
    assert!(done["errors"].is_null(), "{done}");
    assert_eq!(told(&mut feed, 1).await, ids(&["3"]));
}
