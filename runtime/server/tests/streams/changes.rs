//! The plain change feed.

use super::shop::{Shop, token};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn analyst() -> String {
    token("analyst", &json!({}))
}

fn keeper(shelf: &str) -> String {
    token("keeper", &json!({ "shelf": shelf }))
}

/// Operation, code and row of a change.
fn short(data: &Value) -> (String, String, Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&data["operation"]), text(&data["key"]["code"]), data["row"].clone())
}

#[tokio::test]
async fn a_change_is_told_with_its_key_its_row_and_its_position() {
    let shop = Shop::open().await;
    let mut feed = shop.feed("", Some(&analyst())).await;
    let start = feed.next().await.unwrap();
    assert_eq!((start.name.as_str(), start.id), ("position", Some(0)));
    shop.stock(&["a,north,1,2.50", "b,south,9007199254740993,"]).await;
    let first = feed.told().await;
    assert_eq!(first.name, "change");
    let row = json!({"code": "a", "shelf": "north", "amount": 1, "cost": 2.50, "tags": null});
    assert_eq!(short(&first.data), ("INSERT".to_owned(), "a".to_owned(), row));
    assert_eq!(first.data["position"], json!(first.id.unwrap().to_string()));
    assert_eq!(first.data["version"], json!(2));
    let second = feed.told().await;
    assert!(second.id > first.id);
    assert_eq!(second.data["row"]["amount"].to_string(), "9007199254740993");
    shop.stock(&["a,north,5,2.50"]).await;
    let (update, delete) = (feed.told().await, feed.told().await);
    assert_eq!(short(&update.data).0, "UPDATE");
    assert_eq!(update.data["row"]["amount"], json!(5));
    assert_eq!(short(&delete.data), ("DELETE".to_owned(), "b".to_owned(), Value::Null));
}

#[tokio::test]
async fn who_comes_again_misses_nothing_and_sees_nothing_twice() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,", "b,north,1,"]).await;
    let mut feed = shop.feed("?after=0", Some(&analyst())).await;
    let seen = feed.told().await;
    assert_eq!(short(&seen.data).1, "a");
    drop(feed);
    shop.stock(&["a,north,1,", "b,north,2,", "c,north,1,"]).await;
    let after = seen.id.unwrap().to_string();
    let mut by_header =
        shop.events("/output/items/changes", Some(&analyst()), &[("last-event-id", &after)], None).await;
    let mut by_query = shop.feed(&format!("?after={after}"), Some(&analyst())).await;
    for feed in [&mut by_header, &mut by_query] {
        let told = [feed.told().await, feed.told().await, feed.told().await].map(|event| short(&event.data));
        let told = told.map(|(operation, code, _)| format!("{operation} {code}"));
        assert_eq!(told, ["INSERT b", "UPDATE b", "INSERT c"]);
    }
}

#[tokio::test]
async fn a_row_that_leaves_what_the_caller_sees_is_deleted_in_its_eyes() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,23", "b,south,1,23"]).await;
    let mut north = shop.feed("?after=0", Some(&keeper("north"))).await;
    let mut south = shop.feed("?after=0", Some(&keeper("south"))).await;
    let row = json!({"code": "a", "shelf": "north", "amount": 1, "cost": 20, "tags": null});
    assert_eq!(short(&north.told().await.data), ("INSERT".to_owned(), "a".to_owned(), row));
    assert_eq!(short(&south.told().await.data).1, "b");
    // moves a, and changes of b only what a mask hides; then something that all see
    shop.stock(&["a,south,1,23", "b,south,1,24"]).await;
    shop.stock(&["a,south,1,23", "b,south,2,24", "c,north,0,"]).await;
    let gone = north.told().await;
    assert_eq!(short(&gone.data), ("DELETE".to_owned(), "a".to_owned(), Value::Null));
    assert_eq!(short(&north.told().await.data).1, "c");
    let came = south.told().await;
    assert_eq!(short(&came.data).0, "INSERT");
    assert_eq!(came.data["row"]["shelf"], json!("south"));
    let (operation, code, row) = short(&south.told().await.data);
    assert_eq!((operation.as_str(), code.as_str(), &row["amount"]), ("UPDATE", "b", &json!(2)), "23 to 24 is not seen");
}

#[tokio::test]
async fn denied_fields_are_in_no_change_and_make_none() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,10"]).await;
    let mut feed = shop.feed("?after=0", None).await;
    let row = json!({"code": "a", "shelf": "north", "amount": 1, "tags": null});
    assert_eq!(feed.told().await.data["row"], row);
    shop.stock(&["a,north,1,99"]).await;
    shop.stock(&["a,north,2,99"]).await;
    assert_eq!(feed.told().await.data["row"]["amount"], json!(2), "the change of what it costs is none");
    let refused = shop.feed("?fields=cost", None).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().await.contains("FORBIDDEN"));
    let refused = shop.feed("?filter=%7B%22cost%22:%7B%22gt%22:%221%22%7D%7D", None).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_filter_and_fields_are_the_readers_own() {
    let shop = Shop::open().await;
    let filter = "?after=0&fields=code,amount&filter=%7B%22amount%22:%7B%22gte%22:%222%22%7D%7D";
    let mut feed = shop.feed(filter, Some(&analyst())).await;
    shop.stock(&["a,north,1,", "b,north,2,"]).await;
    assert_eq!(feed.told().await.data["row"], json!({"code": "b", "amount": 2}));
    shop.stock(&["a,north,3,", "b,north,1,"]).await;
    let told = [feed.told().await, feed.told().await].map(|event| short(&event.data));
    assert_eq!(told[0], ("INSERT".to_owned(), "a".to_owned(), json!({"code": "a", "amount": 3})));
    assert_eq!(told[1], ("DELETE".to_owned(), "b".to_owned(), Value::Null));
}

#[tokio::test]
async fn a_rollback_is_told_as_the_changes_that_it_is() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,", "b,north,1,"]).await;
    shop.stock(&["a,north,2,", "c,north,1,"]).await;
    let mut feed = shop.feed("", Some(&analyst())).await;
    feed.next().await.unwrap();
    shop.service.rollback(2).await.unwrap();
    let told = [feed.told().await, feed.told().await, feed.told().await].map(|event| short(&event.data));
    let told = told.map(|(operation, code, row)| (format!("{operation} {code}"), row["amount"].clone()));
    assert_eq!(
        told,
        [("UPDATE a".to_owned(), json!(1)), ("INSERT b".to_owned(), json!(1)), ("DELETE c".to_owned(), Value::Null)]
    );
}

#[tokio::test]
async fn positions_that_are_not_there_any_more_are_refused_with_what_to_do() {
    let shop = Shop::open().await;
    shop.stock(&["a,north,1,", "b,north,1,"]).await;
    let mut feed = shop.feed("", Some(&analyst())).await;
    let head = feed.next().await.unwrap().id.unwrap();
    let store = shop.service.store();
    assert_eq!(store.prune_changes("items", Duration::from_secs(3600), 1000).await.unwrap(), 0);
    assert_eq!(store.prune_changes("items", Duration::ZERO, 1).await.unwrap(), 1);
    for after in [0, head + 1] {
        let refused = shop.feed(&format!("?after={after}"), Some(&analyst())).await;
        assert_eq!(refused.status, 410);
        let text = refused.text().await;
        assert!(text.contains("CHANGES_EXPIRED") && text.contains("read the dataset as it is now"), "{text}");
    }
    let mut rest = shop.feed(&format!("?after={}", head - 1), Some(&analyst())).await;
    assert_eq!(short(&rest.told().await.data).1, "b");
    assert_eq!(store.prune_changes("items", Duration::ZERO, 1000).await.unwrap(), 1);
    assert_eq!(shop.feed(&format!("?after={head}"), Some(&analyst())).await.status, 200);
    assert_eq!(shop.feed("?after=x", Some(&analyst())).await.status, 400);
}

#[tokio::test]
async fn readers_far_behind_and_readers_at_the_head_hear_the_same() {
    let shop = Shop::open().await;
    let rows: Vec<String> = (0..1200).map(|i| format!("k{i:05},north,{i},1")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut live = shop.feed("?after=0", Some(&analyst())).await;
    shop.stock(&rows).await;
    let mut late = shop.feed("?after=0", Some(&analyst())).await;
    let mut tables = [BTreeMap::new(), BTreeMap::new()];
    for (feed, table) in [&mut live, &mut late].into_iter().zip(&mut tables) {
        let mut last = 0;
        for _ in 0..1200 {
            let event = feed.told().await;
            assert!(event.id.unwrap() > last, "in order");
            last = event.id.unwrap();
            assert!(table.insert(short(&event.data).1, event.data.to_string()).is_none(), "once");
        }
    }
    assert_eq!(tables[0], tables[1]);
}
