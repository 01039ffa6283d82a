//! Robust: operations and variables that are broken at random; each is refused, or runs without an error of the database.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::random::Random;
use support::{access, load, publish, run, schema};

/// A case of `tests/query`.
struct Case {
    name: String,
    product: String,
    operation: String,
    variables: Value,
    roles: String,
    claims: Map<String, Value>,
}

fn cases() -> Vec<Case> {
    let root = terrane_testkit::repository().join("tests/query");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|f| f.is_dir());
    folders.sort();
    folders
        .iter()
        .map(|folder| {
            let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
            let json = |name: &str| read(name).map(|text| serde_json::from_str(&text).unwrap()).unwrap_or(json!({}));
            Case {
                name: folder.file_name().unwrap().to_string_lossy().into_owned(),
                product: read("product").map_or_else(|| "countries".to_owned(), |p| p.trim().to_owned()),
                operation: read("operation.graphql").unwrap(),
                variables: json("variables.json"),
                roles: read("role").unwrap_or_else(|| "anonymous".to_owned()),
                claims: serde_json::from_value(json("claims.json")).unwrap(),
            }
        })
        .collect()
}

/// Names, numbers, strings and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || "_.-".contains(c);
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = &rest[length..];
    }
    tokens
}

/// The operation with a few tokens taken away, doubled, or taken from another operation.
fn broken(random: &mut Random, operation: &str, other: &str) -> String {
    let mut parts = tokens(operation);
    let others = tokens(other);
    for _ in 0..=random.below(2) {
        let at = random.below(parts.len());
        match random.below(5) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[at]),
            2 => {
                parts[at] =
                    *random.pick(&["null", "\"\"", "-1", "0", "99999999999", "1e400", "[]", "{}", "true", "\"\\\\\""])
            }
            3 => parts[at] = *random.pick(&others),
            _ => {
                let from = random.below(parts.len());
                parts.swap(at, from);
            }
        }
        if parts.is_empty() {
            break;
        }
    }
    parts.concat()
}

/// The variables with one value replaced.
fn replaced(random: &mut Random, value: &Value) -> Value {
    match value {
        Value::Object(fields) if !fields.is_empty() && !random.one_in(8) => {
            let at = random.below(fields.len());
            let replace = |(i, (k, v)): (usize, (&String, &Value))| {
                (k.clone(), if i == at { replaced(random, v) } else { v.clone() })
            };
            Value::Object(fields.iter().enumerate().map(replace).collect())
        }
        Value::Array(items) if !items.is_empty() && !random.one_in(4) => {
            let at = random.below(items.len());
            Value::Array(
                items.iter().enumerate().map(|(i, v)| if i == at { replaced(random, v) } else { v.clone() }).collect(),
            )
        }
        _ => random
            .pick(&[
                json!(null),
                json!(true),
                json!(-1),
                json!(0),
                json!(1e308),
                json!(9_223_372_036_854_775_807_i64),
                json!("9223372036854775808"),
                json!("x"),
                json!("a\0b"),
                json!("\\"),
                json!("2024-02-30"),
                json!("294277-01-01T00:00:00Z"),
                json!("NaN"),
                json!([]),
                json!({}),
                json!([null]),
                json!({"and": []}),
            ])
            .clone(),
    }
}

#[tokio::test]
async fn what_binds_runs() {
    let pool = sqlx::PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let mut products = BTreeMap::new();
    for name in ["cities", "continents", "countries", "earthquakes", "geography"] {
        let product = load(name);
        publish(&pool, &product).await;
        products.insert(name.to_owned(), (schema(&product), product));
    }
    let lab = support::lab::product();
    support::lab::fill(&pool, &lab).await;
    products.insert("lab".to_owned(), (schema(&lab), lab));
    let cases = cases();
    let mut random = Random(4);
    let (mut ran, mut refused) = (0, 0);
    for case in &cases {
        let (schema, product) = &products[&case.product];
        let access = access(product, &case.roles.split_whitespace().collect::<Vec<_>>());
        for _ in 0..40 {
            let other = &cases[random.below(cases.len())].operation;
            let has_variables = case.variables.as_object().is_some_and(|v| !v.is_empty());
            let (operation, variables) = match has_variables && random.one_in(2) {
                true => (case.operation.clone(), replaced(&mut random, &case.variables)),
                false => (broken(&mut random, &case.operation, other), case.variables.clone()),
            };
            let Value::Object(variables) = variables else { continue };
            // the database's refusal of a statement would be a panic
            let (_, answer) = run(Some(&pool), schema, &access, &operation, &variables, &case.claims).await;
            match answer {
                Some(text) if text.starts_with("{\"errors\"") => {
                    refused += 1;
                    assert!(!text.contains("INTERNAL"), "{}: {operation}\n{text}", case.name);
                }
                Some(_) => ran += 1,
                None => {}
            }
        }
    }
    assert!(ran > 300 && refused > 1_000, "{ran} ran, {refused} were refused");
}

#[test]
fn what_chooses_columns_decides_the_text_and_values_do_not() {
    let product = support::lab::product();
    let schema = schema(&product);
    let reader = access(&product, &["reader"]);
    let operation = "query S($o: [ReadingOrder!], $f: ReadingFilter, $by: [ReadingGroupBy!]!, $b: DateBucket, $h: ReadingHaving, \
                     $go: [ReadingGroupOrder!], $fn: AggregateFunction, $n: Int, $s: String) { \
                     readings(filter: $f, orderBy: $o, first: $n, search: $s) { nodes { region } \
                     groups(by: $by, having: $h, orderBy: $go, first: $n) { count } \
                     days: groups(by: [{field: DAY, bucket: $b}], orderBy: [{aggregate: $fn, field: SMALL}]) { count } } }";
    let prepared = schema.prepare(operation, None, &reader).unwrap();
    let base = json!({"o": [{"field": "SMALL"}], "f": {"station": {"name": {"eq": "a"}}}, "by": [{"field": "REGION"}], "b": "YEAR",
                      "h": {"count": {"gt": 1}}, "go": [{"aggregate": "COUNT"}], "fn": "SUM", "n": 1, "s": "north"});
    let plan = |name: &str, value: Value| {
        let mut variables = base.clone();
        variables[name] = value;
        let (plan, _) = prepared.plan(variables.as_object()).unwrap();
        plan
    };
    let first = plan("n", json!(1));
    for (name, value) in [
        ("n", json!(7)),
        ("f", json!({"station": {"name": {"eq": "b"}}})),
        ("h", json!({"count": {"gt": 9}})),
        ("s", json!("south")),
    ] {
        assert!(Arc::ptr_eq(&first, &plan(name, value)), "a value of `{name}` made another plan");
    }
    let text = |plan: &terrane_query::Plan| plan.statement.as_ref().unwrap().sql().unwrap().to_string();
    for (name, value) in [
        ("o", json!([{"field": "WHOLE"}])),
        ("o", json!([{"field": "SMALL", "direction": "DESC"}])),
        ("o", json!([{"station": {"field": "NAME"}}])),
        ("o", json!([{"field": "RELEVANCE"}])),
        ("f", json!({"station": {"code": {"eq": "a"}}})),
        ("f", json!({"station": {"readings": {"every": {}}}})),
        ("by", json!([{"field": "MOOD"}])),
        ("by", json!([{"field": "TAKEN_AT", "bucket": "HOUR"}])),
        ("b", json!("WEEK")),
        ("h", json!({"sum": {"small": {"gt": "1"}}})),
        ("go", json!([{"aggregate": "MAX", "field": "BIG"}])),
        ("fn", json!("STDDEV")),
        ("s", json!(null)),
    ] {
        assert_ne!(text(&first), text(&plan(name, value.clone())), "{name}: {value}");
    }
}
