//! Search at a product: words are found without their accents, mistyped, in other forms and by their beginning, on a server
//! without any extension; and what changed in the contracts is told.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::path::Path;
use terrane_auth::{Authenticator, JwtConfig};
use terrane_runtime::{ProductService, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{Client, copy_folder, fresh_database, product_folder, state_directory};

const SEARCH: &str = "query($text: String!, $first: Int! = 20) { searchMetadata(text: $text, first: $first) { kind dataset field \
                      place text words approximate score } }";
const CHANGES: &str = "{ contractRevisions { version breaking changes { layer dataset field code severity message } } product { \
                       datasets { fields { name deprecated removedAfter mask } } exampleOperations { name description \
                       operation } } }";

fn change(folder: &Path, file: &str, changes: &[(&str, &str)]) {
    let path = folder.join(file);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file} has no `{from}`");
        text = text.replacen(from, to, 1);
    }
    std::fs::write(&path, text).unwrap();
}

async fn serve(folder: &Path, url: &str) -> (ProductService, Client) {
    let options = ServiceOptions {
        folder: folder.to_path_buf(),
        store: StoreOptions { query_connections: 4, ..StoreOptions::new(url) },
        authenticator: Authenticator::new(&JwtConfig::default()).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = router(service.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (service, Client::new(base))
}

async fn search(client: &Client, text: &str) -> Vec<Value> {
    let answer = client.graphql(SEARCH, json!({ "text": text })).await;
    answer["data"]["searchMetadata"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[tokio::test]
async fn words_are_found_as_people_type_them() {
    let folder = state_directory();
    copy_folder(&product_folder("continents"), folder.path()).unwrap();
    let contract = "contracts/continents.odcs.yaml";
    let named = ("businessName: Continent\n", "businessName: Þingvellir of Reykjavík\n");
    change(folder.path(), contract, &[named]);
    let url = fresh_database().await;
    let (_service, client) = serve(folder.path(), &url).await;

    // without accents, with others, by the beginning, in other letters
    for typed in ["Reykjavik", "REYKJAVÍK", "reykjavïk", "reykja", "Thingvellir"] {
        let found = search(&client, typed).await;
        assert_eq!((&found[0]["kind"], &found[0]["place"]), (&json!("dataset"), &json!("name")), "{typed}: {found:?}");
        assert_eq!((&found[0]["text"], &found[0]["approximate"]), (&json!("Þingvellir of Reykjavík"), &json!(false)));
    }
    // mistyped: what was meant, and that it was guessed
    let found = search(&client, "Reykjavki").await;
    assert_eq!((&found[0]["text"], &found[0]["approximate"]), (&json!("Þingvellir of Reykjavík"), &json!(true)));
    assert_eq!(found[0]["words"], json!(["reykjavki"]));
    // in another form; words that say nothing don't count beside others
    let forms = search(&client, "the continent").await;
    assert!(!forms.is_empty() && forms.iter().all(|one| one["approximate"] == false), "{forms:?}");
    assert_eq!(forms.len(), search(&client, "continents").await.len());
    // all words, each somewhere
    assert!(!search(&client, "reykjavik code").await.is_empty());
    assert!(search(&client, "reykjavik qqxzjvw").await.is_empty());
    // names come before descriptions
    let code = search(&client, "code").await;
    let scores: Vec<f64> = code.iter().map(|one| one["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && code[0]["place"] == "name", "{code:?}");
    // nothing that is typed is part of a statement, or an error
    for odd in ["", "   ", "'", "a' | !b:*", "\\", "& | ! ( ) : * <->", "%_", "…", "½ ẞ ﬁ"] {
        let answer = client.graphql(SEARCH, json!({ "text": odd })).await;
        assert!(answer["data"]["searchMetadata"].is_array(), "{odd:?}: {answer}");
    }
    let long = client.graphql(SEARCH, json!({ "text": "x".repeat(501) })).await;
    assert_eq!(long["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let many = client.graphql(SEARCH, json!({ "text": "code", "first": 2 })).await;
    assert_eq!(many["data"]["searchMetadata"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_said_anew_is_found_anew_and_changes_are_told() {
    let folder = state_directory();
    copy_folder(&product_folder("continents"), folder.path()).unwrap();
    let url = fresh_database().await;
    let (first, client) = serve(folder.path(), &url).await;
    assert!(search(&client, "gondwana").await.is_empty());
    let told = client.graphql(CHANGES, json!({})).await;
    assert_eq!(told["data"]["contractRevisions"], json!([{"version": "1.0.0", "breaking": false, "changes": []}]));
    drop(first);

    let contract = "contracts/continents.odcs.yaml";
    let deprecated = "classification: public\n        deprecated: true\n        customProperties:\n          - {property: \
                      deprecationReason, value: Gondwana is gone}\n          - {property: removedAfter, value: \"2027-06-30\"}";
    change(folder.path(), contract, &[("classification: public", deprecated)]);
    let (second, client) = serve(folder.path(), &url).await;
    let told = client.graphql(CHANGES, json!({})).await;
    let revisions = &told["data"]["contractRevisions"];
    assert_eq!((revisions.as_array().unwrap().len(), &revisions[0]["breaking"]), (2, &json!(false)), "{told}");
    let change_told = &revisions[0]["changes"][0];
    assert_eq!((&change_told["code"], &change_told["severity"]), (&json!("FIELD_DEPRECATED"), &json!("note")));
    let message = change_told["message"].as_str().unwrap();
    assert!(message.ends_with("is deprecated and goes after 2027-06-30: Gondwana is gone"), "{message}");
    let fields = told["data"]["product"]["datasets"][0]["fields"].as_array().unwrap();
    let of = fields.iter().find(|field| !field["deprecated"].is_null()).unwrap();
    assert_eq!((&of["deprecated"], &of["removedAfter"]), (&json!("Gondwana is gone"), &json!("2027-06-30")));
    let examples = told["data"]["product"]["exampleOperations"].as_array().unwrap();
    assert!(examples.iter().all(|one| !one["operation"].as_str().unwrap().starts_with('#')) && !examples.is_empty());
    drop(second);

    // a description is no part of the contract's promise, and is found from the next start on
    change(folder.path(), contract, &[("The one list of continents", "The one list of all of Gondwana")]);
    change(folder.path(), "dataproduct.odps.yaml", &[("purpose: ", "purpose: Laurasia. ")]);
    let (_third, client) = serve(folder.path(), &url).await;
    assert_eq!(search(&client, "laurasia").await[0]["place"], "description");
}

#[tokio::test]
async fn a_day_after_which_a_field_goes_is_a_day() {
    let folder = state_directory();
    copy_folder(&product_folder("continents"), folder.path()).unwrap();
    let wrong = "classification: public\n        deprecated: true\n        customProperties:\n          - {property: \
                 removedAfter, value: \"next year\"}";
    change(folder.path(), "contracts/continents.odcs.yaml", &[("classification: public", wrong)]);
    let refused = ProductService::load(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("FIELD_DEPRECATION") || refused.contains("removedAfter"), "{refused}");
}
