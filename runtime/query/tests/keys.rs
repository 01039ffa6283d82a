//! Second keys: by which a row is looked up and meant in representations, for those who may read every part of them.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use std::path::Path;
use std::sync::Arc;
use support::{access, create, load_folder, run, schema};
use terrane_manifest::Product;

fn vault() -> Product {
    load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"))
}

async fn ask(product: &Product, pool: &PgPool, role: &str, text: &str, variables: Value) -> Value {
    let schema = schema(product);
    let variables = variables.as_object().unwrap();
    let (_, answer) = run(Some(pool), &schema, &access(product, &[role]), text, variables, &Map::new()).await;
    serde_json::from_str(&answer.unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_is_usable_by_those_who_may_read_all_of_it() {
    let product = vault();
    let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let tables: String = product.outputs().map(create).collect();
    let rows = "INSERT INTO output.people (id, tenant, name, badge, salary, team_code, grade, profile) VALUES \
                ('1', 't', 'Ada', 'X1', 1, 'a', 1, '{}'), ('2', 't', 'Bob', 'X2', 1, 'a', 2, '{}')";
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA output; {tables} {rows}"))).execute(&pool).await.unwrap();
    let text = "query L($r: [_Any!]!) { badge: personByBadge(badge: \"X2\") { name } \
                team: personByTeamCodeAndGrade(teamCode: \"a\", grade: 1) { name } \
                _entities(representations: $r) { ... on Person { name } } }";
    let representations = json!({"r": [
        {"__typename": "Person", "badge": "X1"},
        {"__typename": "Person", "grade": 2, "teamCode": "a"},
        {"__typename": "Person", "grade": 2, "badge": "X9"},
        {"__typename": "Person", "id": "2"},
    ]});
    let answer = ask(&product, &pool, "steward", text, representations.clone()).await;
    let (ada, bob) = (json!({"name": "Ada"}), json!({"name": "Bob"}));
    assert_eq!(answer["data"], json!({"badge": bob, "team": ada, "_entities": [ada, bob, null, bob]}));
    assert_eq!(answer["errors"], Value::Null);
    // the badge is denied to one role and masked for another
    for role in ["anonymous", "analyst"] {
        let answer = ask(&product, &pool, role, text, representations.clone()).await;
        assert_eq!(answer["data"], json!({"badge": null, "team": ada, "_entities": [null, bob, null, bob]}), "{role}");
        let errors: Vec<&str> =
            answer["errors"].as_array().unwrap().iter().map(|e| e["extensions"]["field"].as_str().unwrap()).collect();
        assert_eq!(errors, ["Person.badge", "Person.badge"], "{role}: {answer}");
    }
}

#[test]
fn keys_are_in_the_sdl_and_names_that_collide_are_found() {
    let mut product = vault();
    let sdl = schema(&product).sdl().to_owned();
    assert!(
        sdl.contains("type Person @key(fields: \"id\") @key(fields: \"badge\") @key(fields: \"teamCode grade\") {")
    );
    let lookup = "  \"One Person by its `teamCode` and `grade`.\"\n  personByTeamCodeAndGrade(teamCode: String! \
                  @describes(type: \"Person\", fields: [\"teamCode\"]), grade: Int! @describes(type: \"Person\", \
                  fields: [\"grade\"])): Person\n";
    assert!(sdl.contains(lookup), "{sdl}");
    let contract = product.contracts.iter_mut().find(|c| c.id == "people").unwrap();
    contract.datasets[1].graphql_names.as_mut().unwrap().many = "personByBadge".to_owned();
    let findings = terrane_query::DataSchema::build(&product, support::PORTS).err().unwrap();
    assert!(
        findings.iter().any(|f| f.code == "GRAPHQL_NAME_COLLISION" && f.message.contains("`personByBadge`")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn ten_thousand_representations_by_two_keys_are_one_statement() {
    let product = vault();
    let schema: Arc<_> = schema(&product);
    let representations: Vec<Value> = (0..10_000)
        .map(|i| match i % 2 {
            0 => json!({"__typename": "Person", "id": i.to_string()}),
            _ => json!({"__typename": "Person", "badge": i.to_string()}),
        })
        .collect();
    let text = "query E($r: [_Any!]!) { _entities(representations: $r) { ... on Person { name } } }";
    let variables = json!({ "r": representations }).as_object().unwrap().clone();
    let (sql, _) = run(None, &schema, &access(&product, &["steward"]), text, &variables, &Map::new()).await;
    assert_eq!(sql.matches("unnest(").count(), 2, "{sql}");
}
