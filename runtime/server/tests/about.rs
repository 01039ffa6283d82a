//! What a product says of itself, as it was put in at run time: at once in every process, in its discovery and its search, with its
//! history, until it is taken back or the folder says something else.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{Client, copy_folder, fresh_database, product_folder, state_directory};

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const LINKS: &str = "mutation($links: [LinkInput!]) { updateLinks(links: $links) { state putBy links { url } } }";
const DESCRIBE: &str = "mutation($purpose: String, $usage: String) { updateDescription(purpose: $purpose, usage: $usage) { \
                        state words { purpose usage } } }";
const ELEMENT: &str = "mutation($dataset: String!, $field: String, $title: String, $description: String) { \
                       describeElement(dataset: $dataset, field: $field, title: $title, description: $description) { state \
                       title description } }";
const HISTORY: &str = "{ aboutHistory { element dataset field state title putBy } }";

/// The product `folder` on the database at `url`: a process of it.
async fn served(folder: &Path, url: &str) -> Client {
    let auth = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
    let options = ServiceOptions {
        folder: folder.to_owned(),
        store: StoreOptions::new(url),
        authenticator: Authenticator::new(&auth).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(service)).into_future());
    Client::new(base)
}

fn token(subject: &str, role: &str) -> String {
    let roles = vec![role.to_owned()];
    issue(SECRET, &TokenRequest { subject: subject.to_owned(), roles, lifetime_seconds: 3600, ..Default::default() })
        .unwrap()
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}

async fn discovery(client: &Client, accept: &str) -> String {
    let answer = client.send(Method::GET, "/discovery", &[("accept", accept)], "").await;
    assert_eq!(answer.status, 200, "{accept}");
    answer.text()
}

async fn found(client: &Client, word: &str) -> Vec<(String, Option<String>)> {
    let asked = "query($word: String!) { searchMetadata(text: $word) { kind field } }";
    let answer = client.graphql(asked, json!({ "word": word })).await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let matches = answer["data"]["searchMetadata"].as_array().unwrap_or_else(|| panic!("{answer}"));
    matches.iter().map(|found| (text(&found["kind"]).unwrap(), text(&found["field"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_holds_at_once_in_every_process_and_everywhere() {
    let (folder, url) = (product_folder("countries"), fresh_database().await);
    let (one, other) = (served(&folder, &url).await, served(&folder, &url).await);
    let steward = one.with_token(token("grace", "steward"));
    let link =
        json!({"kind": "dataDictionary", "url": "https://example.org/zanzibarium", "description": "Every <b>word</b>"});
    let done = steward.graphql(LINKS, json!({ "links": [link] })).await;
    let said = json!({"state": "holds", "putBy": "grace", "links": [{"url": "https://example.org/zanzibarium"}]});
    assert_eq!(done["data"]["updateLinks"], said, "{done}");
    steward.graphql(DESCRIBE, json!({"purpose": "A zanzibarium of countries"})).await;
    let field = json!({"dataset": "countries", "field": "population", "title": "Headcountings"});
    let done = steward.graphql(ELEMENT, field).await;
    assert_eq!(done["data"]["describeElement"]["title"], "Headcountings", "{done}");
    steward.graphql(ELEMENT, json!({"dataset": "countries", "description": "Every quokkaland"})).await;
    for client in [&one, &other] {
        let asked = "{ product { links { url } description { purpose usage } datasets { description fields { name title \
                     description } } } }";
        let product = client.graphql(asked, json!({})).await["data"]["product"].take();
        assert_eq!(product["links"], json!([{"url": "https://example.org/zanzibarium"}]));
        assert_eq!(product["description"]["purpose"], "A zanzibarium of countries");
        assert!(
            product["description"]["usage"].as_str().unwrap().starts_with("Join any data"),
            "what was not said is the folder's"
        );
        assert_eq!(product["datasets"][0]["description"], "Every quokkaland");
        let fields = product["datasets"][0]["fields"].as_array().unwrap();
        let population = fields.iter().find(|field| field["name"] == "population").unwrap();
        assert_eq!(population["title"], "Headcountings");
        assert!(!population["description"].is_null(), "the contract's description stays");
        for accept in ["text/html", "application/json", "application/ld+json"] {
            let text = discovery(client, accept).await;
            assert!(text.contains("zanzibarium of countries"), "{accept}");
            assert!(text.contains("https://example.org/zanzibarium"), "{accept}");
            // what was said is text, and no markup of the page
            assert!(accept != "text/html" || !text.contains("<b>word"), "{accept}");
        }
        assert_eq!(found(client, "zanzibarium").await[0].0, "product");
        assert_eq!(found(client, "headcountings").await, [("field".to_owned(), Some("population".to_owned()))]);
        assert_eq!(found(client, "quokkaland").await, [("dataset".to_owned(), None)]);
        // files and the schema of the data are the folder's
        let yaml = discovery(client, "application/yaml").await;
        assert!(!yaml.contains("zanzibarium") && yaml.contains("One trusted list"), "{yaml}");
        let sdl = client.graphql("{ _service { sdl } }", json!({})).await.to_string();
        assert!(!sdl.contains("quokkaland") && !sdl.contains("Headcountings"));
    }
    // a process that starts later knows it, and leaves the others' search as it is
    let third = served(&folder, &url).await;
    assert_eq!(found(&third, "quokkaland").await, [("dataset".to_owned(), None)]);
    assert_eq!(found(&one, "quokkaland").await, [("dataset".to_owned(), None)]);
    // and everybody hears of it
    let events = one.get("/events?first=1000").await.json();
    let heard: Vec<&Value> =
        events.as_array().unwrap().iter().filter(|event| event["type"] == "org.terrane.product.described").collect();
    let subjects: Vec<&str> = heard.iter().map(|event| event["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["links", "description", "field/countries/population", "dataset/countries"]);

    // taken back; the record stays
    for (mutation, variables) in [
        (LINKS, json!({"links": null})),
        (DESCRIBE, json!({"purpose": "  "})),
        (ELEMENT, json!({"dataset": "countries", "field": "population"})),
    ] {
        let done = steward.graphql(mutation, variables).await;
        assert!(done.to_string().contains("\"state\":\"folder\""), "{done}");
    }
    let text = discovery(&other, "text/html").await;
    assert!(!text.contains("zanzibarium") && text.contains("One trusted list") && text.contains("quokkaland"));
    assert_eq!(found(&other, "zanzibarium").await, []);
    let history = steward.graphql(HISTORY, json!({})).await["data"]["aboutHistory"].take();
    let entry = |element: &str, field: Value, state: &str, title: Value| {
        let dataset = if ["links", "description"].contains(&element) { Value::Null } else { json!("countries") };
        json!({"element": element, "dataset": dataset, "field": field, "state": state, "title": title, "putBy": "grace"})
    };
    assert_eq!(
        history,
        json!([
            entry("field", json!("population"), "folder", Value::Null),
            entry("description", Value::Null, "folder", Value::Null),
            entry("links", Value::Null, "folder", Value::Null),
            entry("dataset", Value::Null, "holds", Value::Null),
            entry("field", json!("population"), "replaced", json!("Headcountings")),
            entry("description", Value::Null, "replaced", Value::Null),
            entry("links", Value::Null, "replaced", Value::Null),
        ])
    );
    let asked = "{ aboutHistory(element: \"field\", dataset: \"countries\", field: \"population\") { state } }";
    let one_field = steward.graphql(asked, json!({})).await["data"]["aboutHistory"].take();
    assert_eq!(one_field, json!([{"state": "folder"}, {"state": "replaced"}]));
    let log =
        steward.graphql("{ auditLog(filter: {action: \"updateLinks\"}) { subject allowed detail } }", json!({})).await;
    let log = log["data"]["auditLog"].as_array().unwrap().clone();
    assert_eq!((log.len(), &log[1]["subject"], &log[1]["allowed"]), (2, &json!("grace"), &json!(true)), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_is_refused_and_nothing_is_kept() {
    let client = served(&product_folder("countries"), &fresh_database().await).await;
    let steward = client.with_token(token("grace", "steward"));
    let link = |url: &str| json!({"links": [{"kind": "dataDictionary", "url": url}]});
    for url in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "/here",
        "https://",
        "https://a b",
        "ftp://a",
        "",
    ] {
        assert_eq!(code(&steward.graphql(LINKS, link(url)).await), "BAD_USER_INPUT", "{url}");
    }
    for url in ["https://a.example/?q=ü", "HTTP://a.example", "mailto:ada@example.org"] {
        assert!(steward.graphql(LINKS, link(url)).await["errors"].is_null(), "{url}");
    }
    let kept = steward.graphql("{ aboutHistory { state } }", json!({})).await["data"]["aboutHistory"].take();
    let many: Vec<Value> = (0..51).map(|_| json!({"kind": "x", "url": "https://a.example"})).collect();
    let long = "x".repeat(4_001);
    for (mutation, variables) in [
        (LINKS, json!({ "links": many })),
        (LINKS, json!({"links": [{"kind": " ", "url": "https://a.example"}]})),
        (LINKS, json!({"links": [{"kind": "x", "url": format!("https://a.example/{}", "y".repeat(2_000))}]})),
        (DESCRIBE, json!({ "usage": long })),
        (DESCRIBE, json!({"usage": "a\u{0}b"})),
        (ELEMENT, json!({"dataset": "nowhere", "title": "x"})),
        (ELEMENT, json!({"dataset": "countries_raw", "title": "x"})),
        (ELEMENT, json!({"dataset": "countries", "field": "nothing", "title": "x"})),
        (ELEMENT, json!({"dataset": "countries", "title": "x".repeat(201)})),
    ] {
        let answer = steward.graphql(mutation, variables.clone()).await;
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{variables}: {answer}");
    }
    for role in ["reader", "analyst"] {
        let other = client.with_token(token("eve", role));
        assert_eq!(code(&other.graphql(LINKS, link("https://a.example")).await), "FORBIDDEN", "{role}");
        assert_eq!(code(&other.graphql(DESCRIBE, json!({"usage": "x"})).await), "FORBIDDEN", "{role}");
        assert_eq!(
            code(&other.graphql(ELEMENT, json!({"dataset": "countries", "title": "x"})).await),
            "FORBIDDEN",
            "{role}"
        );
    }
    let after = steward.graphql("{ aboutHistory { state } }", json!({})).await["data"]["aboutHistory"].take();
    assert_eq!(kept, after);
}

/// A copy of the product with one text in the place of another in its descriptor.
fn changed(folder: &Path, name: &str, from: &str, to: &str) -> PathBuf {
    let copy = folder.join(name);
    copy_folder(&product_folder("countries"), &copy).unwrap();
    let path = copy.join("dataproduct.odps.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_changed_later_has_the_last_word() {
    let (state, url) = (state_directory(), fresh_database().await);
    let first = served(&product_folder("countries"), &url).await;
    let steward = first.with_token(token("grace", "steward"));
    steward.graphql(DESCRIBE, json!({"purpose": "A zanzibarium"})).await;
    steward.graphql(ELEMENT, json!({"dataset": "countries", "field": "population", "title": "Headcountings"})).await;
    // a new folder with another purpose, and the same field
    let folder = changed(state.path(), "other", "One trusted list of the countries", "The best list of countries");
    let second = served(&folder, &url).await;
    let steward = second.with_token(token("grace", "steward"));
    let product = second.graphql("{ product { description { purpose } } }", json!({})).await;
    let purpose = product["data"]["product"]["description"]["purpose"].as_str().unwrap().to_owned();
    assert!(purpose.starts_with("The best list"), "{purpose}");
    assert_eq!(found(&second, "zanzibarium").await, []);
    assert_eq!(found(&second, "headcountings").await.len(), 1, "what was said of a field that is as it was holds");
    let history = steward.graphql("{ aboutHistory { element state } }", json!({})).await["data"]["aboutHistory"].take();
    assert_eq!(
        history,
        json!([{"element": "field", "state": "holds"}, {"element": "description", "state": "outdated"}]),
        "whoever looks is told"
    );
    let about = second.graphql("{ about { descriptionPut linksPut elements { dataset isPut } } }", json!({})).await;
    let elements = json!([{"dataset": "countries", "isPut": false}]);
    assert_eq!(about["data"]["about"], json!({"descriptionPut": false, "linksPut": false, "elements": elements}));
    // and is said anew over the new folder
    let done = steward.graphql(DESCRIBE, json!({"purpose": "A zanzibarium"})).await;
    assert_eq!(done["data"]["updateDescription"]["state"], "holds");
    assert_eq!(found(&second, "zanzibarium").await.len(), 1);
}
