//! The event feed of a product: in order, without gaps, to be gone on with, and for each reader what it may know.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{fresh_database, product_folder};
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

struct Served {
    service: ProductService,
    router: Router,
}

impl Served {
    async fn open() -> Self {
        let jwt = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
        let options = ServiceOptions {
            folder: product_folder("countries"),
            store: StoreOptions::new(fresh_database().await),
            authenticator: Authenticator::new(&jwt).unwrap(),
            upstreams: Upstreams::new(),
        };
        let service = ProductService::open(options).await.unwrap();
        Self { router: router(service.clone()), service }
    }

    async fn run(&self) {
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
        assert_eq!(self.service.run(&request).await.unwrap().state, "succeeded");
    }

    async fn send(&self, who: Option<(&str, &str)>, request: http::request::Builder, body: String) -> Answer {
        let mut request = request;
        if let Some((subject, role)) = who {
            let roles = vec![role.to_owned()];
            let token = TokenRequest { subject: subject.to_owned(), roles, lifetime_seconds: 600, claims: Map::new() };
            request = request.header("authorization", format!("Bearer {}", issue(SECRET, &token).unwrap()));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn page(&self, who: Option<(&str, &str)>, query: &str) -> (Vec<Value>, String) {
        let answer = self.send(who, Request::get(format!("/events{query}")), String::new()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/cloudevents-batch+json");
        let next = answer.headers["link"].to_str().unwrap();
        let next = next.split_once("after=").unwrap().1.split_once('&').unwrap().0.to_owned();
        let body = answer.body.collect().await.unwrap().to_bytes();
        (serde_json::from_slice(&body).unwrap(), next)
    }

    async fn ask(&self, who: (&str, &str), query: &str) -> Value {
        let request = Request::post("/graphql").header("content-type", "application/json");
        let answer = self.send(Some(who), request, json!({ "query": query }).to_string()).await;
        serde_json::from_slice(&answer.body.collect().await.unwrap().to_bytes()).unwrap()
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_order_and_can_be_gone_on_with() {
    let served = Served::open().await;
    served.run().await;
    let (events, seen) = served.page(None, "").await;
    let first = ["org.terrane.product.version", "org.terrane.contract.applied", "org.terrane.version.published"];
    assert_eq!(types(&events)[..3], first, "{events:#?}");
    let published = &events[2];
    assert_eq!((&published["specversion"], &published["subject"]), (&json!("1.0"), &json!("versions/1")));
    assert_eq!(published["data"]["version"], 1);
    assert_eq!(published["datacontenttype"], "application/json");
    assert!(published["time"].as_str().unwrap().contains('T') && published["id"].is_string());

    // one by one, each page says where the next begins, and nothing comes twice
    let mut one_by_one = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let (page, next) = served.page(None, &format!("?first=1&after={after}")).await;
        if page.is_empty() {
            break;
        }
        one_by_one.extend(page);
        after = next;
    }
    assert_eq!((&one_by_one, &after), (&events, &seen));

    // a stream goes on after what was seen, with what comes then
    let request = Request::get("/events").header("accept", "text/event-stream").header("last-event-id", &seen);
    let mut stream = served.send(None, request, String::new()).await.body;
    served.run().await;
    served.service.rollback(1).await.unwrap();
    let mut text = String::new();
    while text.matches("event: version").count() < 2 {
        let frame = stream.frame().await.unwrap().unwrap();
        text.push_str(str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let published = text.find("org.terrane.version.published").unwrap();
    assert!(published < text.find("org.terrane.version.restored").unwrap(), "{text}");
    assert!(!text.contains("versions/1\"") || text.contains("restored"), "{text}");

    for (query, status, code) in [
        ("?after=1000000", StatusCode::GONE, "CHANGES_EXPIRED"),
        ("?after=x", StatusCode::BAD_REQUEST, "BAD_USER_INPUT"),
        ("?first=0", StatusCode::BAD_REQUEST, "BAD_USER_INPUT"),
    ] {
        let answer = served.send(None, Request::get(format!("/events{query}")), String::new()).await;
        assert_eq!(answer.status, status, "{query}");
        let body: Value = serde_json::from_slice(&answer.body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body["error"]["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_told_to_those_whom_it_concerns() {
    let served = Served::open().await;
    served.run().await;
    let ask = "mutation { requestAccess(role: \"steward\", purpose: \"a study\", duration: \"1h\") { id state } }";
    let asked = served.ask(("eve", "reader"), ask).await;
    assert_eq!(asked["data"]["requestAccess"]["state"], "pending", "{asked}");
    let told = async |who: Option<(&'static str, &'static str)>| {
        let (events, seen) = served.page(who, "").await;
        let access = events.iter().filter(|event| event["type"].as_str().unwrap().starts_with("org.terrane.access."));
        (access.cloned().collect::<Vec<_>>(), seen)
    };
    let (own, seen) = told(Some(("eve", "reader"))).await;
    assert_eq!(types(&own), ["org.terrane.access.requested"]);
    assert_eq!((&own[0]["data"]["subject"], &own[0]["data"]["purpose"]), (&json!("eve"), &json!("a study")));
    // auditors see all; others nothing, but go on from the same place
    assert_eq!(types(&told(Some(("alan", "steward"))).await.0), ["org.terrane.access.requested"]);
    for other in [None, Some(("mallory", "reader")), Some(("mallory", "analyst"))] {
        assert_eq!(told(other).await, (Vec::new(), seen.clone()), "{other:?}");
    }
}
