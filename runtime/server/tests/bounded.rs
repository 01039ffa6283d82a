//! What an operation may cost: refused before it runs, ended when nobody waits for it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use std::time::{Duration, Instant};
use terrane_auth::{Authenticator, JwtConfig};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{Client, fresh_database, product_folder};

/// The countries product on a socket, and an administrator's connection to its database.
async fn served(change: impl FnOnce(&mut StoreOptions)) -> (Client, PgConnection) {
    let url = fresh_database().await;
    let mut store = StoreOptions::new(&url);
    change(&mut store);
    let options = ServiceOptions {
        folder: product_folder("countries"),
        store,
        authenticator: Authenticator::new(&JwtConfig::default()).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let run = service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull: true }).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(service)).await });
    (Client::new(base), PgConnection::connect(&url).await.unwrap())
}

/// How many statements wait for a lock. Not from `pg_stat_activity`, of which a transaction sees its first state only.
async fn blocked(admin: &mut PgConnection) -> i64 {
    let text = "SELECT count(*) FROM pg_locks WHERE NOT granted \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    sqlx::query_scalar(text).fetch_one(admin).await.unwrap()
}

async fn until_blocked(admin: &mut PgConnection, wanted: i64) {
    let started = Instant::now();
    while blocked(admin).await != wanted {
        assert!(started.elapsed() < Duration::from_secs(30), "not {wanted} statements wait");
        tokio::task::yield_now().await;
    }
}

const NAMES: &str = "{ countries { nodes { name } } }";

#[tokio::test]
async fn a_client_that_goes_away_takes_its_statement_along() {
    let (client, mut admin) = served(|_| {}).await;
    let mut locker = admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE output.countries").execute(&mut *locker).await.unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.graphql(NAMES, Value::Null).await }
    });
    until_blocked(&mut locker, 1).await;
    waiting.abort();
    until_blocked(&mut locker, 0).await;
    locker.rollback().await.unwrap();
    assert_eq!(client.graphql(NAMES, Value::Null).await["data"]["countries"]["nodes"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn what_takes_too_long_or_finds_no_connection_is_told() {
    let (client, mut admin) = served(|store| {
        store.statement_timeout = Duration::from_millis(300);
        store.query_connections = 1;
    })
    .await;
    let mut locker = admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE output.countries").execute(&mut *locker).await.unwrap();
    let answer = client.graphql(NAMES, Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "STATEMENT_TIMEOUT", "{answer}");
    locker.rollback().await.unwrap();
    assert!(client.graphql(NAMES, Value::Null).await["data"]["countries"].is_object());
}

#[tokio::test]
async fn what_would_be_too_much_is_refused_with_what_would_fit() {
    let (client, _admin) = served(|_| {}).await;
    let nested = |page: i64| {
        json!(format!(
            "{{ countries(first: 1000) {{ nodes {{ neighbourCountries(first: {page}) {{ nodes {{ near: neighbourCountries \
             {{ nodes {{ code }} }} }} }} }} }} }}"
        ))
    };
    let ask = |operation: Value| {
        let client = client.clone();
        async move { client.graphql(operation.as_str().unwrap(), Value::Null).await }
    };
    let refused = ask(nested(1000)).await;
    let error = &refused["errors"][0];
    assert_eq!(error["extensions"]["code"], "OPERATION_TOO_EXPENSIVE");
    assert_eq!(error["extensions"]["estimate"], 51_001_000);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("`near` is asked for 1000000 times"), "{message}");
    let refused = ask(nested(30)).await;
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("`first: 32` on `near` would fit"), "{message}");
    let fits = nested(30).as_str().unwrap().replace("near: neighbourCountries", "near: neighbourCountries(first: 32)");
    assert!(ask(json!(fits)).await["errors"].is_null());
}

#[tokio::test]
async fn a_figure_that_no_type_holds_is_told() {
    let lab = support::Lab::open(10).await;
    let owner = lab.service.store().owner();
    sqlx::query("UPDATE output.readings SET exact = 1e308").execute(owner).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = lab.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::new(base).with_token(support::token("reader", &json!({})));
    let sums = "{ readings { aggregate { count sum { exact } } } }";
    let answer = client.graphql(sums, Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "VALUE_OUT_OF_RANGE", "{answer}");
    let counts = client.graphql("{ readings { aggregate { count } } }", Value::Null).await;
    assert_eq!(counts["data"]["readings"]["aggregate"]["count"], 10, "{counts}");
}
