//! Nested objects: JSON in columns as GraphQL objects, of the shape that the contract promises, whatever is stored.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use sqlx::PgPool;
use std::path::Path;
use std::sync::Arc;
use support::{access, create, load_folder, run, schema};
use terrane_manifest::Product;
use terrane_query::DataSchema;

fn vault() -> Product {
    load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"))
}

struct Lab {
    pool: PgPool,
    product: Product,
    schema: Arc<DataSchema>,
}

/// One person with each of these profiles, contacts and badges.
async fn lab(people: &[(Value, Value, &str)]) -> Lab {
    let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let product = vault();
    let tables: String = product.outputs().map(create).collect();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA output; {tables}"))).execute(&pool).await.unwrap();
    let insert = "INSERT INTO output.people (id, tenant, name, badge, salary, profile, contacts, badges) \
                  VALUES ($1, 't', 'Ada', $1, 1, $2::text::jsonb, $3::text::jsonb, $4::text::jsonb[])";
    for (n, (profile, contacts, badges)) in people.iter().enumerate() {
        let query = sqlx::query(insert).bind(n.to_string()).bind(profile.to_string());
        query.bind(contacts.to_string()).bind(badges).execute(&pool).await.unwrap();
    }
    Lab { schema: schema(&product), pool, product }
}

impl Lab {
    async fn ask(&self, role: &str, text: &str) -> (String, Value) {
        let access = access(&self.product, &[role]);
        let (sql, answer) = run(Some(&self.pool), &self.schema, &access, text, &Map::new(), &Map::new()).await;
        (sql, serde_json::from_str(&answer.unwrap()).unwrap())
    }
}

const PROFILE: &str = "{ people { nodes { profile { __typename motto level visits share weight active since lastSeen alarm token \
                       extra words home { __typename street zip: zipCode } } } } }";

#[tokio::test]
async fn members_of_every_type_are_written_as_columns_are() {
    let stored = json!({
        "motto": "a \"b\" \u{1F600}\n", "level": 3, "visits": 9_007_199_254_740_993_i64, "share": 0.10, "weight": 1.5e3, "active": true,
        "since": "2020-02-29", "last_seen": "2020-01-01T01:30:00.250+01:00", "alarm": "07:30:00", "unknown": [1],
        "token": "11111111-1111-4111-8111-111111111111", "extra": {"any": [1, null]}, "words": ["a", null, "b"],
        "homeAddress": {"street": "Main", "zip-code": "0815"},
    });
    let lab = lab(&[(stored, json!(null), "{}")]).await;
    let (sql, answer) = lab.ask("anonymous", PROFILE).await;
    assert_eq!(answer["errors"], Value::Null);
    let expected = json!({
        "__typename": "PersonProfile", "motto": "a \"b\" \u{1F600}\n", "level": 3, "visits": "9007199254740993", "share": "0.1",
        "weight": 1500.0, "active": true, "since": "2020-02-29", "lastSeen": "2020-01-01T00:30:00.25Z", "alarm": "07:30:00",
        "token": "11111111-1111-4111-8111-111111111111", "extra": {"any": [1, null]}, "words": ["a", "b"],
        "home": {"__typename": "Address", "street": "Main", "zip": "0815"},
    });
    assert_eq!(answer["data"]["people"]["nodes"][0]["profile"], expected);
    assert_eq!(sql.matches("\"profile\"").count(), 1, "{sql}");
}

#[tokio::test]
async fn lists_of_objects_are_lists_in_one_value_or_an_array() {
    let contacts = json!([{"kind": "mail", "notes": [{"note": "x"}, null]}, null, {"kind": "phone"}]);
    let lab = lab(&[
        (json!({}), contacts, r#"{"{\"kind\": \"a\"}",NULL,"{}"}"#),
        (json!({}), json!([]), "{}"),
        (json!({}), json!(null), "{}"),
    ])
    .await;
    let (_, answer) =
        lab.ask("steward", "{ people { nodes { contacts { kind notes { note } } badges { kind } } } }").await;
    assert_eq!(answer["errors"], Value::Null);
    let expected = json!([
        {"contacts": [{"kind": "mail", "notes": [{"note": "x"}]}, {"kind": "phone", "notes": null}], "badges": [{"kind": "a"}, {"kind": null}]},
        {"contacts": [], "badges": []},
        {"contacts": null, "badges": []},
    ]);
    // the JSON value null is no list: the column's null is another thing, but reads the same to a client
    assert_eq!(answer["data"]["people"]["nodes"], expected);
    let (_, answer) = lab.ask("analyst", "{ people { nodes { contacts { kind } } } }").await;
    assert_eq!(answer["data"]["people"]["nodes"][0], json!({"contacts": null}), "masked");
    let (_, answer) = lab.ask("anonymous", "{ people { nodes { contacts { kind } } } }").await;
    assert_eq!(answer["errors"][0]["extensions"], json!({"code": "FORBIDDEN", "field": "Person.contacts"}));
}

#[tokio::test]
async fn what_breaks_its_shape_is_null_with_an_error() {
    let right = json!({"level": 1, "words": []});
    let with = |key: &str, value: Value| {
        let mut profile = right.clone();
        profile[key] = value;
        profile
    };
    let nullable = [
        with("motto", json!(1)),
        with("visits", json!("x")),
        with("visits", json!(1e30)),
        with("share", json!("1e5")),
        with("weight", json!("1")),
        with("active", json!("true")),
        with("since", json!("2021-02-29")),
        with("last_seen", json!("yesterday")),
        with("alarm", json!(7)),
        with("token", json!("1")),
        with("homeAddress", json!([])),
        with("homeAddress", json!({"zip-code": "1"})),
        with("homeAddress", json!({"street": null})),
    ];
    let whole = [
        json!([]),
        json!("x"),
        json!(1),
        json!({}),
        with("level", json!(1.5)),
        with("level", json!(3_000_000_000_i64)),
        with("level", json!("1")),
        with("words", json!("a")),
        with("words", json!([["a"]])),
    ];
    let people: Vec<_> = nullable.iter().chain(&whole).map(|p| (p.clone(), json!(null), "{}")).collect();
    let lab = lab(&people).await;
    let (_, answer) =
        lab.ask("anonymous", &PROFILE.replace("people", "people(orderBy: [{field: NAME}], first: 100)")).await;
    let nodes = answer["data"]["people"]["nodes"].as_array().unwrap();
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(nodes.len(), people.len());
    // every row has one error, in the order of the rows
    let rows: Vec<u64> = errors.iter().map(|e| e["path"][2].as_u64().unwrap()).collect();
    assert_eq!(rows, (0..people.len() as u64).collect::<Vec<_>>());
    assert!(errors.iter().all(|e| e["extensions"]["code"] == "INVALID_DATA"), "{errors:?}");
    let broken = nodes.iter().filter(|n| n["profile"].is_null()).count();
    assert_eq!(broken, whole.len());
    for (node, error) in nodes.iter().zip(errors).filter(|(n, _)| !n["profile"].is_null()) {
        let path: Vec<&str> = error["path"].as_array().unwrap().iter().skip(3).filter_map(Value::as_str).collect();
        assert_eq!(path[0], "profile");
        assert_eq!(node["profile"][path[1]], Value::Null, "{path:?}");
        assert_eq!(node["profile"]["level"], 1);
    }
}

#[test]
fn shapes_are_types_of_the_schema() {
    let sdl = schema(&vault()).sdl().to_owned();
    let expected = "\n\"What people say of themselves.\"\ntype PersonProfile {\n  motto: String\n  \"From 1 to 9.\"\n  level: Int!\n  \
                    visits: BigInt\n  share: Decimal\n  weight: Float @deprecated(reason: \"No longer supported\")\n  \
                    active: Boolean\n  since: Date\n  lastSeen: DateTime\n  alarm: Time\n  token: UUID\n  extra: JSON\n  \
                    words: [String!]!\n  home: Address\n}\n\ntype Address {\n  street: String!\n  zipCode: String\n}\n";
    assert!(sdl.contains(expected), "{sdl}");
    assert!(sdl.contains("\n  profile: PersonProfile\n"), "required, and null when it breaks its shape");
    assert!(sdl.contains("\n  contacts: [PersonContacts!]\n") && sdl.contains("\n  badges: [PersonBadges!]\n"));
    assert!(sdl.contains("\n  profile: JSONFilter\n"));
    // a type of that name is there already
    let mut product = vault();
    let dataset = &mut product.contracts.iter_mut().find(|c| c.id == "people").unwrap().datasets[0];
    let profile = dataset.fields.iter_mut().find(|f| f.name == "profile").unwrap();
    profile.nested.as_mut().unwrap().graphql_type = Some("Team".to_owned());
    let findings = DataSchema::build(&product, support::PORTS).err().unwrap();
    assert!(
        findings.iter().any(|f| f.code == "GRAPHQL_NAME_COLLISION" && f.message.contains("`Team`")),
        "{findings:?}"
    );
}
