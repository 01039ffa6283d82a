//! Service levels: what contracts promise is measured by real requests and runs, and who wants to know is told of changes.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use terrane_auth::{Authenticator, JwtConfig};
use terrane_runtime::{
    Alerts, ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router, watch_levels,
};
use terrane_testkit::{fresh_database, product_folder};
use tower::ServiceExt as _;

const SECRET: &str = "a secret of the webhook";
const LEVELS: &str =
    "{ serviceLevels { property promised unit measured met errorBudgetLeft requests failed windowDays } }";
const LIMIT: Duration = Duration::from_secs(30);

async fn served() -> (ProductService, Router) {
    let options = ServiceOptions {
        folder: product_folder("countries"),
        store: StoreOptions::new(fresh_database().await),
        authenticator: Authenticator::new(&JwtConfig::default()).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    (service.clone(), router(service))
}

async fn publish(service: &ProductService) {
    let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
    assert_eq!(service.run(&request).await.unwrap().state, "succeeded");
}

async fn ask(router: &Router, query: &str) -> Value {
    let body = json!({ "query": query }).to_string();
    let request = Request::post("/graphql").header("content-type", "application/json").body(Body::from(body)).unwrap();
    let body = router.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

async fn read(router: &Router, times: usize) {
    for _ in 0..times {
        ask(router, "{ country(code: \"NO\") { name } }").await;
    }
}

async fn level(router: &Router, property: &str) -> Value {
    let answer = ask(router, LEVELS).await;
    let all = answer["data"]["serviceLevels"].as_array().unwrap_or_else(|| panic!("{answer}"));
    all.iter().find(|level| level["property"] == property).unwrap().clone()
}

/// A webhook that refuses the first requests.
#[derive(Clone)]
struct Webhook {
    refuses: usize,
    heard: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Webhook {
    async fn start(refuses: usize) -> (Self, String) {
        let webhook = Self { refuses, heard: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let routes = Router::new().route("/alerts", post(Self::hear)).with_state(webhook.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (webhook, url)
    }

    async fn hear(State(webhook): State<Self>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let mut heard = webhook.heard.lock().unwrap();
        heard.push((headers, body));
        if heard.len() <= webhook.refuses { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
    }

    /// What was heard of one property, once there is enough of it.
    async fn heard_of(&self, property: &str, state: &str, times: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let heard = self.heard.lock().unwrap().clone();
            let of: Vec<Value> = heard
                .iter()
                .map(|(headers, body)| checked(headers, body))
                .filter(|alert| alert["property"] == property && alert["state"] == state)
                .collect();
            if of.len() >= times {
                return of;
            }
            assert!(started.elapsed() < LIMIT, "{} of {property} {state}: {heard:?}", of.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An alert whose signature is right.
fn checked(headers: &HeaderMap, body: &Bytes) -> Value {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signature = text("x-terrane-signature");
    let (time, code) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(time).chain_update(".");
    let expected: String =
        mac.chain_update(body).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(code, expected);
    let alert: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(alert["id"], text("x-terrane-alert"));
    alert
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_measured_by_requests_and_runs_and_changes_are_told() {
    let (service, router) = served().await;
    let (availability, latency) = (level(&router, "availability").await, level(&router, "latency").await);
    // nobody has asked, nothing has run
    assert_eq!((&availability["met"], &availability["requests"]), (&Value::Null, &json!(0)));
    assert_eq!(availability["errorBudgetLeft"], 1.0);
    assert_eq!((&latency["measured"], &latency["met"]), (&Value::Null, &Value::Null));

    // nothing is published: three requests fail, and that is nobody's fault who asked
    read(&router, 3).await;
    publish(&service).await;
    read(&router, 97).await;
    // one that may not be is no failure
    let denied = ask(&router, "{ countries(filter: {population: {gt: 1}}) { totalCount } }").await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let availability = level(&router, "availability").await;
    // the questions for the levels were asked of the output port's address, too
    let (requests, failed) = (availability["requests"].as_i64().unwrap(), availability["failed"].as_i64().unwrap());
    assert_eq!(failed, 3);
    let expected = 100.0 * (1.0 - 3.0 / requests as f64);
    assert!((101..=110).contains(&requests), "{availability}");
    assert!((availability["measured"].as_f64().unwrap() - expected).abs() < 1e-9, "{availability}");
    assert_eq!(
        (&availability["met"], &availability["promised"], &availability["windowDays"]),
        (&json!(false), &json!(99.5), &json!(30))
    );
    let budget = 1.0 - (3.0 / requests as f64) / 0.005;
    assert!((availability["errorBudgetLeft"].as_f64().unwrap() - budget).abs() < 1e-6, "{availability}");
    let rate = level(&router, "errorRate").await;
    assert_eq!(rate["met"], false, "{rate}");
    let time = level(&router, "responseTime").await;
    assert!(time["measured"].as_f64().unwrap() > 0.0, "{time}");
    // a run has just pulled
    for property in ["latency", "frequency"] {
        let age = level(&router, property).await;
        assert!(age["measured"].as_f64().unwrap() < 0.01 && age["met"] == true, "{age}");
    }
    assert_eq!(level(&router, "timeToRepair").await["measured"], Value::Null);
    // the same beside the promise, for the product's page
    let described =
        ask(&router, "{ product { datasets { serviceLevels { property measured met budgetLeft } } } }").await;
    let promises = described["data"]["product"]["datasets"][0]["serviceLevels"].as_array().unwrap();
    let promise = promises.iter().find(|promise| promise["property"] == "availability").unwrap();
    assert!(promise["met"] == false && promise["measured"].as_str().unwrap().starts_with("9"), "{promise}");

    // who wants to know is told, as often as it takes, and of the same change under the same id
    let (webhook, url) = Webhook::start(2).await;
    let read_setting = |name: &str| match name {
        "TERRANE_ALERT_URL" => Some(url.clone()),
        "TERRANE_ALERT_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    let alerts =
        || Alerts::from_environment(&read_setting).unwrap().map(|alerts| alerts.every(Duration::from_millis(100)));
    // two replicas look at the same time
    let watching = [alerts(), alerts()].map(|alerts| tokio::spawn(watch_levels(service.clone(), alerts)));
    let missed = webhook.heard_of("availability", "missed", 1).await;
    let last = missed.last().unwrap();
    assert_eq!((&last["product"], &last["met"], &last["promised"]), (&json!("countries"), &json!(false), &json!(99.5)));
    assert!(missed.iter().all(|alert| alert["id"] == last["id"]), "{missed:?}");
    webhook.heard_of("errorRate", "missed", 1).await;
    // levels that were kept from the start are nothing to tell of
    assert!(webhook.heard.lock().unwrap().iter().all(|(_, body)| !String::from_utf8_lossy(body).contains("frequency")));

    // with so many good ones, the share is as promised again
    read(&router, 700).await;
    let kept = webhook.heard_of("availability", "kept", 1).await;
    assert_eq!(kept[0]["met"], true);
    assert_ne!(kept[0]["id"], last["id"]);
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    // each change was taken once
    let ids: Vec<Value> =
        webhook.heard_of("availability", "kept", 1).await.iter().map(|alert| alert["id"].clone()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}
