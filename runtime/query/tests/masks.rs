//! Masks: what each mask makes of values, values that are hard to cut included; what a masked field can be used for; and
//! files, which must show the same.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use std::path::Path;
use std::sync::Arc;
use support::{access, create, fetch, load_folder, run};
use terrane_manifest::{Layer, Mask, Product};
use terrane_query::{Access, DataSchema, ExportRequest, access_matrix};

const SALT: &str = "0123456789abcdef0123456789abcdef";

const FILL: &str = "
INSERT INTO output.teams VALUES ('a', 't1', 'Alpha', 1234567);
INSERT INTO output.people (id, tenant, name, email, badge, passport, salary, points, bonus, score, born, seen_at, mood, profile) VALUES
 ('1', 't1', 'Ada', 'ada@example.org', 'X-12345', '11111111-1111-4111-8111-111111111111', 54321, 2345678, 3.70, 1234.5, '1815-12-10', '2024-05-06 07:08:09.5Z', 'GOOD', '{}'),
 ('2', 't1', 'Bob', 'ada@example.org', 'X1', NULL, -1, -1, -0.01, -0.5, '4714-12-01 BC', '4714-12-01 00:00:00Z BC', NULL, '{}'),
 ('3', 't2', 'Zoë', 'äöü€', '', NULL, -2147483648, -9223372036854775808, NULL, 'NaN', 'infinity', '-infinity', NULL, '{}'),
 ('4', 't2', 'Eve', '', 'YY', NULL, 2147483647, 9223372036854775807, 'NaN', 1e308, '0001-01-31 BC', 'infinity', NULL, '{}');";

struct Lab {
    pool: PgPool,
    product: Product,
    schema: Arc<DataSchema>,
}

async fn lab() -> Lab {
    let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let product = load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"));
    let tables: String = product.outputs().map(create).collect();
    let setup = format!("CREATE SCHEMA output; {tables} {FILL}");
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&pool).await.unwrap();
    let schema = Arc::new(DataSchema::build(&product, support::PORTS).unwrap().with_mask_salt(SALT));
    Lab { pool, product, schema }
}

impl Lab {
    async fn ask(&self, roles: &[&str], text: &str, claims: Value) -> Value {
        let access = access(&self.product, roles);
        let claims = claims.as_object().unwrap().clone();
        let (sql, answer) = run(Some(&self.pool), &self.schema, &access, text, &Map::new(), &claims).await;
        assert!(!sql.contains(SALT), "{sql}");
        serde_json::from_str(&answer.unwrap()).unwrap()
    }
}

const PEOPLE: &str = "{ people { nodes { email badge salary points bonus score born seenAt mood diagnosis } } }";

#[tokio::test]
async fn masks_show_a_part_of_every_value_and_never_fail() {
    let lab = lab().await;
    let answer = lab.ask(&["analyst"], PEOPLE, json!({})).await;
    assert_eq!(answer["errors"], Value::Null);
    let row = |email, badge, salary, points, bonus, score, born, seen| {
        json!({"email": email, "badge": badge, "salary": salary, "points": points, "bonus": bonus, "score": score, "born": born,
            "seenAt": seen, "mood": null, "diagnosis": null})
    };
    let null = || Value::Null;
    let expected = json!([
        row(
            "a***org",
            "***45",
            json!(50_000),
            "2000000",
            json!("3.5"),
            json!(1000.0),
            "1815-01-01",
            "2024-05-06T07:00:00Z"
        ),
        row("a***org", "***", json!(-10_000), "-1000000", json!("-0.5"), json!(-1000.0), "-infinity", "-infinity"),
        row("***", "***", json!(-2_147_483_648_i64), "-9223372036854775808", null(), null(), "infinity", "-infinity"),
        row(
            "***",
            "***",
            json!(2_147_480_000),
            "9223372036854000000",
            json!("NaN"),
            null(),
            "0001-01-01 BC",
            "infinity"
        ),
    ]);
    assert_eq!(answer["data"]["people"]["nodes"], expected);
    // another role has other masks, in its rows
    let text = "{ people { nodes { name email salary born seenAt } } }";
    let answer = lab.ask(&["partner"], text, json!({"tenant": "t1"})).await;
    let nodes = answer["data"]["people"]["nodes"].as_array().unwrap();
    let first = nodes.iter().find(|n| n["name"] == "Ad***").unwrap();
    assert_eq!(nodes.len(), 2);
    assert_eq!(first["salary"], 0);
    assert_eq!((&first["born"], &first["seenAt"]), (&json!("1815-12-01"), &json!("2024-05-06T00:00:00Z")));
    // both together: of each field the mask that hides less, and all rows, as one of them sees all
    let answer = lab.ask(&["analyst", "partner"], PEOPLE, json!({"tenant": "t1"})).await;
    let both = &answer["data"]["people"]["nodes"][0];
    assert_eq!(
        (&both["email"], &both["salary"], &both["born"]),
        (&json!("a***org"), &json!(50_000), &json!("1815-12-01"))
    );
    assert_eq!(answer["data"]["people"]["nodes"].as_array().unwrap().len(), 4);
    // a role that may read the field sees it
    let answer = lab.ask(&["analyst", "steward"], PEOPLE, json!({})).await;
    assert_eq!(answer["data"]["people"]["nodes"][0]["email"], "ada@example.org");
}

#[tokio::test]
async fn hashes_are_stable_and_of_the_product_and_the_field() {
    let lab = lab().await;
    let text = "{ people { nodes { id email } } teams { nodes { title } } }";
    let hashes = |answer: &Value| answer["data"]["people"]["nodes"].clone();
    let first = lab.ask(&["partner"], text, json!({"tenant": "t1"})).await;
    let rows = hashes(&first);
    let hash = rows[0]["email"].as_str().unwrap();
    assert!(hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    assert_eq!(rows[0]["email"], rows[1]["email"], "equal values have equal hashes");
    assert_ne!(rows[0]["id"], rows[1]["id"]);
    assert_eq!(hashes(&lab.ask(&["partner"], text, json!({"tenant": "t1"})).await), rows, "as they had before");
    // what Postgres says of salt, field and value
    let expected =
        "SELECT left(encode(sha256(convert_to($1 || '/people.email/' || 'ada@example.org', 'UTF8')), 'hex'), 32)";
    let expected: String = sqlx::query(expected).bind(SALT).fetch_one(&lab.pool).await.unwrap().get(0);
    assert_eq!(hash, expected);
    // another product, or none with a secret
    let mut other = lab;
    other.schema = Arc::new(DataSchema::build(&other.product, support::PORTS).unwrap().with_mask_salt(&"x".repeat(32)));
    assert_ne!(hashes(&other.ask(&["partner"], text, json!({"tenant": "t1"})).await), rows);
    other.schema = Arc::new(DataSchema::build(&other.product, support::PORTS).unwrap());
    assert_eq!(hashes(&other.ask(&["partner"], text, json!({"tenant": "t1"})).await)[0]["email"], Value::Null);
    // a UUID stays one
    let answer = other.ask(&["analyst"], "{ people { nodes { passport } } }", json!({})).await;
    assert_eq!(answer["data"]["people"]["nodes"][0]["passport"], Value::Null);
    other.schema = Arc::new(DataSchema::build(&other.product, support::PORTS).unwrap().with_mask_salt(SALT));
    let answer = other.ask(&["analyst"], "{ people { nodes { passport } } }", json!({})).await;
    let passport = answer["data"]["people"]["nodes"][0]["passport"].as_str().unwrap().to_owned();
    assert!(passport.len() == 36 && !passport.starts_with("1111"), "{passport}");
}

#[tokio::test]
async fn a_masked_field_can_be_selected_and_nothing_else() {
    let lab = lab().await;
    let partner = json!({"tenant": "t1"});
    for (roles, text) in [
        (["analyst"], "{ people(filter: {email: {startsWith: \"a\"}}) { totalCount } }"),
        (["analyst"], "{ people(filter: {not: {salary: {isNull: true}}}) { totalCount } }"),
        (["analyst"], "{ people(orderBy: [{field: BORN}]) { totalCount } }"),
        // the key is a hash: there is no place in a list that says nothing of it
        (["partner"], "{ people { pageInfo { endCursor } } }"),
        (["partner"], "{ people { edges { cursor } } }"),
        (["partner"], "{ people(after: \"W10\") { totalCount } }"),
    ] {
        let answer = lab.ask(&roles, text, partner.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{text}: {answer}");
        assert_eq!(answer["data"], Value::Null);
    }
    for (roles, text) in [
        (["analyst"], "{ people { nodes { manager { id } } } }"),
        (["analyst"], "{ people { nodes { reports { totalCount } } } }"),
        (["partner"], "{ person(id: \"1\") { name } }"),
    ] {
        let answer = lab.ask(&roles, text, partner.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{text}: {answer}");
    }
    // pages by offset, in the order of what is seen
    let answer = lab
        .ask(&["partner"], "{ people(first: 1, offset: 1) { nodes { name } pageInfo { hasNextPage } } }", partner)
        .await;
    assert_eq!(answer["data"]["people"]["nodes"][0]["name"], "Bo***");
    assert_eq!(answer["data"]["people"]["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn files_show_what_the_data_port_shows() {
    let lab = lab().await;
    let dataset = lab.product.dataset(Layer::Output, "people").unwrap();
    let names = ["id", "name", "email", "salary", "badge"];
    let claims = json!({"tenant": "t1"}).as_object().unwrap().clone();
    let partner: Arc<Access> = access(&lab.product, &["partner"]);
    let all = ExportRequest { dataset, fields: Some(&names), filter: None, order: None, limit: None };
    let export = lab.schema.export(&partner, &claims, &all).unwrap();
    assert!(!export.sql.contains(SALT));
    let texts = format!(
        "SELECT {} FROM ({}) AS f({})",
        names.map(|n| format!("{n}::text")).join(", "),
        export.sql,
        names.join(", ")
    );
    let mut rows = fetch(&lab.pool, &texts, &export.binds).await;
    let answer =
        lab.ask(&["partner"], "{ people { nodes { id name email salary badge } } }", json!({"tenant": "t1"})).await;
    for node in answer["data"]["people"]["nodes"].as_array().unwrap() {
        assert!(terrane_query::RowSource::advance(&mut rows));
        for (index, name) in names.iter().enumerate() {
            let cell = terrane_query::RowSource::column(&rows, index).map(|b| std::str::from_utf8(b).unwrap());
            let expected =
                node[name].as_str().map(str::to_owned).or_else(|| node[name].as_i64().map(|n| n.to_string()));
            assert_eq!(cell.map(str::to_owned), expected, "{name}");
        }
    }
    for named in [ExportRequest { fields: Some(&["diagnosis"]), ..all }, ExportRequest { order: Some("salary"), ..all }]
    {
        assert_eq!(lab.schema.export(&partner, &claims, &named).unwrap_err()[0].code(), "FORBIDDEN");
    }
}

#[test]
fn a_field_that_a_mask_can_make_null_is_nullable() {
    let mut product = load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"));
    let name_is = |product: &Product, kind: &str| {
        let schema = DataSchema::build(product, support::PORTS).unwrap();
        let person = schema.sdl().split("type Person ").nth(1).unwrap().split("\n}").next().unwrap();
        person.contains(&format!("\n  name: {kind}\n"))
    };
    // every role that does not read it sees a part of it
    assert!(name_is(&product, "String!"));
    let roles = product.contracts.iter_mut().flat_map(|c| &mut c.roles);
    roles.flat_map(|r| &mut r.masks).find(|m| m.field == "name").unwrap().mask = Mask::Null;
    assert!(name_is(&product, "String"));
}

#[test]
fn the_matrix_shows_masks() {
    let product = load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"));
    let policy = terrane_policy::Policy::new(terrane_policy::DEFAULT_MODEL, &product.policy_lines()).unwrap();
    let matrix = access_matrix(&product, &policy);
    let line = |object: &str| matrix.lines().find(|l| l.starts_with(&format!("{object} "))).unwrap();
    let cells = |object: &str| line(object).split_whitespace().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells("object"), ["analyst", "anonymous", "local", "partner", "steward", "trainee"]);
    assert_eq!(cells("people.email"), ["partial", "-", "yes", "hash", "yes", "-"]);
    assert_eq!(cells("people.salary"), ["bucket", "-", "yes", "bucket", "yes", "bucket"]);
    assert_eq!(cells("people.badge"), ["partial", "-", "yes", "null", "yes", "null"]);
}

#[test]
fn a_mask_that_hides_nothing_is_an_error() {
    let mut product = load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"));
    product.policy.push(["p", "analyst", "people.*", "read", "allow"].map(str::to_owned).to_vec());
    let findings = DataSchema::build(&product, support::PORTS).err().unwrap();
    assert!(findings.iter().all(|f| f.code == "FIELD_MASK"), "{findings:?}");
    assert_eq!(findings.len(), 14);
    assert_eq!(findings[0].locations[0].source, "contracts/people.odcs.yaml");
    assert!(findings[0].message.contains("`people.email` in clear"), "{}", findings[0].message);
}
