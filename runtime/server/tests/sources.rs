//! What is known of a product's sources: pulls, how far they went, batches that wait, and the pull of one port alone.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{Client, copy_folder, fresh_database, product_folder, state_directory};

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const SOURCES: &str = "{ sources { port dataset connector place schedule { schedule } lastPull { state rows bytes detail runId } \
                       marks { name value } markedAt drift { found } writing waiting batches { origin mode rows rejected \
                       receivedFrom waits } } }";
const PULL: &str =
    "mutation($port: String!) { pullSource(port: $port) { state onlyPort error steps { kind name state } } }";

async fn served(folder: &Path) -> (ProductService, Client, Client) {
    let auth = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
    let options = ServiceOptions {
        folder: folder.to_owned(),
        store: StoreOptions::new(fresh_database().await),
        authenticator: Authenticator::new(&auth).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(service.clone())).into_future());
    let nobody = Client::new(base);
    (service, nobody.with_token(token("steward")), nobody)
}

fn token(role: &str) -> String {
    let roles = vec![role.to_owned()];
    issue(SECRET, &TokenRequest { subject: "grace".to_owned(), roles, lifetime_seconds: 3600, ..Default::default() })
        .unwrap()
}

async fn run(service: &ProductService, pull: bool) {
    let run = service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull }).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
}

async fn source(client: &Client, port: &str) -> Value {
    let answer = client.graphql(SOURCES, json!({})).await;
    let sources = answer["data"]["sources"].as_array().unwrap_or_else(|| panic!("{answer}"));
    sources.iter().find(|source| source["port"] == port).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_and_how_far_they_went_are_told_and_one_port_is_pulled_alone() {
    let state = state_directory();
    let folder = state.path().join("countries");
    copy_folder(&product_folder("countries"), &folder).unwrap();
    let (service, steward, nobody) = served(&folder).await;
    let before = source(&steward, "countries-source").await;
    assert_eq!((&before["lastPull"], &before["marks"], &before["batches"]), (&Value::Null, &json!([]), &json!([])));
    run(&service, true).await;
    let told = source(&steward, "countries-source").await;
    let size = std::fs::metadata(folder.join("data/countries.csv")).unwrap().len();
    assert_eq!(told["lastPull"]["state"], "succeeded", "{told}");
    assert_eq!(told["lastPull"]["bytes"].as_f64(), Some(size as f64), "{told}");
    assert!(told["lastPull"]["rows"].as_i64().unwrap() > 200, "{told}");
    assert_eq!((&told["connector"], &told["place"]), (&json!("file"), &json!("data/countries.csv")));
    assert_eq!(told["schedule"]["schedule"], "0 3 * * *");
    assert_eq!(
        told["marks"],
        json!([{"name": "files", "value": "1"}, {"name": "file", "value": "data/countries.csv"}])
    );
    assert!(told["markedAt"].is_string() && told["drift"].is_null() && told["writing"] == 0 && told["waiting"] == 0);
    let batch = json!({"origin": "data/countries.csv", "mode": "replace", "rows": told["lastPull"]["rows"], "rejected": 0,
                       "receivedFrom": null, "waits": false});
    assert_eq!(told["batches"], json!([batch]));

    // one port alone: the other one's step is that of the run before
    let other = source(&steward, "official-names-source").await["lastPull"]["runId"].clone();
    let pulled = steward.graphql(PULL, json!({"port": "countries-source"})).await["data"]["pullSource"].take();
    assert_eq!((&pulled["state"], &pulled["onlyPort"]), (&json!("succeeded"), &json!("countries-source")), "{pulled}");
    let steps = pulled["steps"].as_array().unwrap();
    let pulls: Vec<&Value> = steps.iter().filter(|s| s["kind"] == "pull").map(|s| &s["name"]).collect();
    assert_eq!(pulls, ["countries-source"]);
    assert!(steps.iter().any(|step| step["kind"] == "publish"), "it publishes as any run does: {steps:?}");
    let told = source(&steward, "countries-source").await;
    assert_eq!(told["lastPull"]["detail"], "the source has not changed");
    assert_eq!(source(&steward, "official-names-source").await["lastPull"]["runId"], other);

    // a source that is gone: the run fails, says why, and is not tried again by itself
    std::fs::remove_file(folder.join("data/countries.csv")).unwrap();
    let failed = steward.graphql(PULL, json!({"port": "countries-source"})).await["data"]["pullSource"].take();
    assert_eq!(failed["state"], "failed", "{failed}");
    let told = source(&steward, "countries-source").await;
    assert_eq!(told["lastPull"]["state"], "failed", "{told}");
    assert!(told["lastPull"]["detail"].as_str().unwrap().contains("countries.csv"), "{told}");
    let queued = steward.graphql("{ runs { state } }", json!({})).await.to_string();
    assert!(!queued.contains("queued"), "{queued}");

    // what can't be pulled, and who may not
    for port in ["nothing", ""] {
        let answer = steward.graphql(PULL, json!({ "port": port })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    }
    let answer = nobody.graphql(PULL, json!({"port": "countries-source"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    let answer = nobody.graphql(SOURCES, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_no_run_has_published_wait() {
    let (service, steward, _) = served(&product_folder("continents")).await;
    run(&service, true).await;
    let row =
        "code,name,latitude,longitude,wikipedia,geonameid\nZZ,Zealandia,1.5,2.5,en.wikipedia.org/wiki/Zealandia,1\n";
    let port = steward.graphql("{ sources { port dataset } }", json!({})).await["data"]["sources"][0].take();
    let (port, dataset) = (port["port"].as_str().unwrap().to_owned(), port["dataset"].as_str().unwrap().to_owned());
    let path = format!("/input/{dataset}?mode=append");
    let sent = steward.send(Method::POST, &path, &[("content-type", "text/csv")], row).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let told = source(&steward, &port).await;
    assert_eq!(told["waiting"], 1, "{told}");
    let newest = &told["batches"][0];
    assert_eq!(
        (&newest["waits"], &newest["receivedFrom"], &newest["rows"]),
        (&json!(true), &json!("grace"), &json!(1))
    );
    assert_eq!(told["batches"][1]["waits"], false, "{told}");
    // there may be an eighth continent
    let eight = "mutation { putQualityRule(dataset: \"continents\", id: \"dq-seven-rows\", rule: {id: \"dq-seven-rows\", metric: \
                 \"rowCount\", mustBe: 8, severity: \"error\"}) { id } }";
    let put = steward.graphql(eight, json!({})).await;
    assert_eq!(put["data"]["putQualityRule"]["id"], "dq-seven-rows", "{put}");
    run(&service, false).await;
    let told = source(&steward, &port).await;
    assert_eq!((&told["waiting"], &told["batches"][0]["waits"]), (&json!(0), &json!(false)), "{told}");
}
