//! Hostile: SQL where values are expected, in every place that the schema has for one, changes nothing and gets a proper
//! answer; texts and variables that are no operations get errors with codes; and bytes that are no rows are no panic.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use support::ways::{Guesses, Way, ways};
use support::{access, create, fetch, load_folder, schema};
use terrane_graphql::GraphqlError;
use terrane_manifest::{Product, RowFilter};
use terrane_query::{Access, DataSchema, Prepared, RowSource};

const ATTACKS: &[&str] = &[
    "'; DROP TABLE output.people; --",
    "\"; DELETE FROM output.people; --",
    "') OR TRUE OR ('' = '",
    "\\'; INSERT INTO output.teams VALUES ('x', 'x', 'x', 1); --",
    "$$; UPDATE output.people SET name = 'x'; $$",
    "$1 $2 $99",
    "E'\\\\' || pg_sleep(1) || '",
    "%_\\%\u{202e}\u{FFFF}é\n\r\t",
    "nul \0 nul",
    "/* */ -- ; COPY output.people TO PROGRAM 'true'",
    "{\"a\": \"'\"}",
    "{}",
    "NaN",
    "infinity",
    "2020-01-01'; DROP TABLE output.teams; --",
];

/// SQL for every scalar, and for the values of enums, too.
struct Attacks;

impl Guesses for Attacks {
    fn of(&self, scalar: &str) -> Vec<Value> {
        let texts = ATTACKS.iter().map(|text| json!(text));
        match scalar {
            "String" | "ID" => texts.collect(),
            "JSON" => texts.flat_map(|text| [json!({ text.as_str().unwrap(): text }), text]).collect(),
            // what is no value of these is refused before there is a statement: a few are enough
            _ => texts
                .step_by(5)
                .chain([json!(1e300), json!(-1), json!("1"), json!([]), json!({}), json!(true)])
                .collect(),
        }
    }

    fn of_enum(&self, values: Vec<Value>) -> Vec<Value> {
        ATTACKS.iter().take(2).map(|text| json!(text)).chain(values.into_iter().take(1)).collect()
    }
}

fn vault() -> Product {
    load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"))
}

fn assert_coded(errors: &[GraphqlError], of: &str) {
    assert!(!errors.is_empty(), "{of}: refused without an error");
    for error in errors {
        assert!(!error.code().is_empty() && error.code() != "INTERNAL_SERVER_ERROR", "{of}: {error:?}");
    }
}

async fn database(product: &Product) -> PgPool {
    let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let tables: String = product.outputs().map(create).collect();
    let rows = "INSERT INTO output.teams VALUES ('a', 't', 'Alpha', 1); INSERT INTO output.accounts VALUES ('h', 1, 'l'); \
                INSERT INTO output.entries VALUES (1, 't', 1, 'h', 1); \
                INSERT INTO output.people (id, tenant, name, badge, salary, team_code, grade, profile) VALUES ('1', 't', 'Ada', 'X1', 1, 'a', 1, '{}')";
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA output; {tables} {rows}"))).execute(&pool).await.unwrap();
    pool
}

/// Everything that is in the tables, and what tables there are.
async fn contents(pool: &PgPool) -> String {
    let text = "SELECT (SELECT jsonb_agg(to_jsonb(t)) FROM output.people t)::text || (SELECT jsonb_agg(to_jsonb(t)) FROM output.teams t)::text \
                || (SELECT jsonb_agg(to_jsonb(t)) FROM output.entries t)::text || (SELECT jsonb_agg(to_jsonb(t)) FROM output.accounts t)::text \
                || (SELECT string_agg(c.oid::regclass::text, ',' ORDER BY c.oid) FROM pg_class c WHERE relnamespace = 'output'::regnamespace)";
    sqlx::query(text).fetch_one(pool).await.unwrap().get(0)
}

struct Target {
    pool: PgPool,
    access: Arc<Access>,
    schema: Arc<DataSchema>,
}

impl Target {
    /// Run a way; a failing statement panics in `fetch`. Whether it came to a statement.
    async fn attack(&self, prepared: &Prepared, way: &Way, claims: &Map<String, Value>) -> bool {
        let (plan, values) = match prepared.plan(Some(&way.variables)) {
            Ok(planned) => planned,
            Err(errors) => {
                assert_coded(&errors, &way.label);
                return false;
            }
        };
        let statement = plan.statement.as_ref().unwrap();
        let bound = match statement.bind(&values, claims) {
            Ok(bound) => bound,
            Err(errors) => {
                assert_coded(&errors, &way.label);
                return false;
            }
        };
        let sql = statement.sql().map_or("SELECT WHERE FALSE", |text| text);
        assert!(
            !sql.contains([';', '\\', '%', '{']) && !sql.contains("--") && !sql.contains("DROP"),
            "{}: {sql}",
            way.label
        );
        let mut rows = fetch(&self.pool, sql, &bound.binds).await;
        let mut out = Vec::new();
        statement.write(&bound, &mut rows, &mut out).unwrap();
        serde_json::from_slice::<Value>(&out).unwrap_or_else(|e| panic!("{}: {e}", way.label));
        true
    }
}

#[tokio::test]
async fn sql_in_every_place_of_a_value_changes_nothing() {
    let product = vault();
    let pool = database(&product).await;
    let target = Target { access: access(&product, &["steward"]), schema: schema(&product), pool };
    let before = contents(&target.pool).await;
    let mut prepared: HashMap<&str, Prepared> = HashMap::new();
    let ways = ways(&target.schema.full_sdl(), &Attacks);
    let (mut ran, mut refused) = (0, 0);
    for way in &ways {
        let prepared = prepared
            .entry(&way.text)
            .or_insert_with(|| target.schema.prepare(&way.text, None, &target.access).unwrap());
        match target.attack(prepared, way, &Map::new()).await {
            true => ran += 1,
            false => refused += 1,
        }
    }
    assert!(ran > 500 && refused > 500, "{ran} ran, {refused} were refused");
    assert_eq!(contents(&target.pool).await, before);
}

/// A contract's constants are in the statement's text (ADR 21): each is compared as the text or number it is.
#[tokio::test]
async fn sql_in_constants_of_row_filters_changes_nothing() {
    let whole = vault();
    let pool = database(&whole).await;
    let before = contents(&pool).await;
    let quoted = |text: &str| format!("tenant = '{}'", text.replace('\'', "''"));
    let hostile = ATTACKS.iter().filter(|attack| !attack.contains('\0')).map(|attack| (quoted(attack), 0));
    let plain = [
        ("tenant = 't'", 1),
        ("tenant <> 't'", 0),
        ("tenant IN ('it''s', 't')", 1),
        ("grade = -9223372036854775808", 0),
        ("NOT grade > -1", 0),
        ("grade >= 1 AND grade < 9223372036854775807", 1),
    ];
    for (filter, rows) in hostile.chain(plain.map(|(filter, rows)| (filter.to_owned(), rows))) {
        let mut product = vault();
        let roles = product.contracts.iter_mut().flat_map(|contract| &mut contract.roles);
        for role in roles.filter(|role| role.row_filter.is_some()) {
            role.row_filter = Some(RowFilter::parse(&filter).unwrap());
        }
        let access = access(&product, &["local"]);
        let prepared = schema(&product).prepare("{ people { totalCount } }", None, &access).unwrap();
        let (plan, values) = prepared.plan(None).unwrap();
        let statement = plan.statement.as_ref().unwrap();
        let bound = statement.bind(&values, &Map::new()).unwrap();
        let mut fetched = fetch(&pool, statement.sql().unwrap(), &bound.binds).await;
        let mut out = Vec::new();
        statement.write(&bound, &mut fetched, &mut out).unwrap();
        let answer: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(answer["people"]["totalCount"], rows, "{filter}: {answer}");
    }
    assert_eq!(contents(&pool).await, before);
}

#[tokio::test]
async fn sql_in_claims_and_representations_changes_nothing() {
    let product = vault();
    let pool = database(&product).await;
    let target = Target { access: access(&product, &["local", "trainee"]), schema: schema(&product), pool };
    let before = contents(&target.pool).await;
    let text = "query($r: [_Any!]!) { people { totalCount nodes { name } } team(code: \"a\") { title members { totalCount } } \
                _entities(representations: $r) { ... on Person { name } ... on Team { title } } }";
    let prepared = target.schema.prepare(text, None, &target.access).unwrap();
    let kinds = ATTACKS.iter().map(|text| json!(text)).chain([
        json!(1),
        json!(null),
        json!(true),
        json!({"a": 1}),
        json!([[1]]),
    ]);
    for value in kinds {
        for (claim, kind, key) in [
            (value.clone(), json!("Person"), json!("1")),
            (json!([value]), json!("Team"), json!("a")),
            (json!("t"), value.clone(), json!("1")),
            (json!("t"), json!("Person"), value.clone()),
        ] {
            for representation in [json!({"__typename": kind, "id": key, "code": key}), value.clone()] {
                let way = Way {
                    label: format!("claim {claim}, {representation}"),
                    text: text.to_owned(),
                    variables: json!({ "r": [representation] }).as_object().unwrap().clone(),
                };
                let claims = Map::from_iter([("tenant".to_owned(), claim.clone())]);
                target.attack(&prepared, &way, &claims).await;
            }
        }
    }
    assert_eq!(contents(&target.pool).await, before);
}

#[test]
fn sql_in_names_is_no_operation() {
    let product = vault();
    let (schema, access) = (schema(&product), access(&product, &["steward"]));
    for attack in ATTACKS.iter().filter(|a| !a.chars().all(char::is_alphabetic)) {
        for text in [
            format!("{{ {attack}: people {{ totalCount }} }}"),
            format!("{{ people {{ {attack} }} }}"),
            format!("query(${attack}: Int) {{ people(first: ${attack}) {{ totalCount }} }}"),
            format!("{{ people(orderBy: [{{field: {attack}}}]) {{ totalCount }} }}"),
            format!("{{ people(filter: {{{attack}: {{eq: 1}}}}) {{ totalCount }} }}"),
            format!("{{ people {{ totalCount }} }} fragment {attack} on Person {{ name }}"),
        ] {
            let result = schema.prepare(&text, None, &access).and_then(|p| p.plan(None).map(|_| ()));
            assert_coded(&result.unwrap_err(), &text);
        }
        let named = schema.prepare(
            "query A { people { totalCount } } query B { people { totalCount } }",
            Some(attack),
            &access,
        );
        assert_coded(&named.err().unwrap(), attack);
    }
    // names that are strange and allowed
    for name in ["_", "__x", "DROP", "null", &"a".repeat(300)] {
        let text = format!(
            "query {name}(${name}: Int) {{ {name}: people(first: ${name}) {{ {name}: totalCount nodes {{ {name}: name }} }} }}"
        );
        let prepared = schema.prepare(&text, None, &access).unwrap();
        assert!(
            !prepared
                .plan(None)
                .unwrap()
                .0
                .statement
                .as_ref()
                .unwrap()
                .sql()
                .unwrap()
                .contains(&name.to_lowercase().repeat(2))
        );
    }
}

/// A schema, two accesses to it, and its ways of use.
type Vault = (Arc<DataSchema>, [Arc<Access>; 2], Vec<Way>);

static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let product = vault();
    let schema = schema(&product);
    let ways = ways(&schema.full_sdl(), &Attacks);
    (schema, [access(&product, &["steward"]), access(&product, &["partner"])], ways)
});

/// What is put into operations: punctuation, words of the language, names of the schema.
fn piece() -> impl Strategy<Value = String> {
    let marks = vec![
        "{", "}", "(", ")", "[", "]", ":", "!", "$", "@", "...", "|", "\"", "\"\"\"", "#", ",", "\\", "\0", "\u{feff}",
    ];
    let words = vec![
        "query ",
        " on ",
        "fragment ",
        "null",
        "true",
        " @skip(if: true)",
        " ...{ __typename }",
        "people",
        "-1",
        "1e999",
    ];
    prop_oneof![
        prop::sample::select(marks).prop_map(str::to_owned),
        prop::sample::select(words).prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

/// A change of a text at some place.
#[derive(Debug, Clone)]
enum Change {
    Insert(Index, String),
    Delete(Index, usize),
    Repeat(Index, usize, u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), piece()).prop_map(|(at, text)| Change::Insert(at, text)),
        (any::<Index>(), 1..20usize).prop_map(|(at, length)| Change::Delete(at, length)),
        (any::<Index>(), 1..30usize, 1..40u8).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        match change {
            Change::Insert(at, text) => {
                let at = at.index(chars.len() + 1);
                chars.splice(at..at, text.chars());
            }
            Change::Delete(at, length) if !chars.is_empty() => {
                let at = at.index(chars.len());
                chars.drain(at..(at + length).min(chars.len()));
            }
            Change::Repeat(at, length, times) if !chars.is_empty() => {
                let at = at.index(chars.len());
                let part: Vec<char> = chars[at..(at + length).min(chars.len())].to_vec();
                chars.splice(at..at, part.repeat(usize::from(*times)));
            }
            Change::Delete(..) | Change::Repeat(..) => {}
        }
    }
    chars.into_iter().collect()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(ATTACKS).prop_map(Value::from),
        prop::sample::select(vec!["ASC", "NAME", "Person", "1", "2020-01-01"]).prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "field",
            "direction",
            "eq",
            "in",
            "and",
            "or",
            "not",
            "name",
            "salary",
            "__typename",
            "id",
            "isNull"
        ])
        .prop_map(str::to_owned),
        "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Rows of any bytes.
struct Garbage {
    rows: Vec<Vec<Option<Vec<u8>>>>,
    next: usize,
}

impl RowSource for Garbage {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.rows.len()
    }

    fn column(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(self.next.checked_sub(1)?)?;
        row.get(index % row.len().max(1))?.as_deref()
    }
}

fn rows() -> impl Strategy<Value = Vec<Vec<Option<Vec<u8>>>>> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        // lengths and counts that are likely ones
        prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 1, 2, 25, 255]), 0..80),
    ];
    prop::collection::vec(prop::collection::vec(prop::option::weighted(0.9, bytes), 1..6), 0..4)
}

/// Compile, bind and write: whatever comes, errors have codes.
fn try_all(text: &str, variables: &Map<String, Value>, rows: &[Vec<Option<Vec<u8>>>]) {
    let (schema, accesses, _) = &*VAULT;
    for access in accesses {
        let planned = schema.prepare(text, None, access).and_then(|p| p.plan(Some(variables)));
        let (plan, values) = match planned {
            Ok(planned) => planned,
            Err(errors) => {
                assert_coded(&errors, text);
                continue;
            }
        };
        let Some(statement) = &plan.statement else { continue };
        match statement.bind(&values, variables) {
            Ok(bound) => {
                let mut rows = Garbage { rows: rows.to_vec(), next: 0 };
                // rows that are not the statement's are an error of ours, never a panic
                let _ = statement.write(&bound, &mut rows, &mut Vec::new());
            }
            Err(errors) => assert_coded(&errors, text),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbled_operations_get_errors_with_codes(at in any::<Index>(), changes in prop::collection::vec(change(), 0..6), rows in rows()) {
        let way = at.get(&VAULT.2);
        try_all(&changed(&way.text, &changes), &way.variables, &rows);
    }

    #[test]
    fn garbled_variables_get_errors_with_codes(at in any::<Index>(), values in prop::collection::vec(json_value(), 8), rows in rows()) {
        let way = at.get(&VAULT.2);
        let mut variables = way.variables.clone();
        for (slot, value) in variables.values_mut().zip(&values) {
            *slot = value.clone();
        }
        try_all(&way.text, &variables, &rows);
    }

    #[test]
    fn texts_that_are_no_operations_get_errors_with_codes(text in "\\PC{0,60}", value in json_value()) {
        let variables = value.as_object().cloned().unwrap_or_default();
        try_all(&text, &variables, &[]);
    }
}
