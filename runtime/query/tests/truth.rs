//! Truth: what the data port answers, compared with what Postgres itself says about every type, order and row filter.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use support::lab::{lab, product as lab_product};
use support::{access, schema};

const ROWS: usize = 300;

const FIELDS: &str = "stationCode takenAt region small whole big ratio exact amount free open day hour localTime tag raw doc \
                      code label mood words numbers amounts";

#[tokio::test]
async fn the_writer_decodes_what_postgres_encodes() {
    let lab = lab().await;
    let expected = lab.readings().await;
    assert_eq!(expected.len(), ROWS);
    let flat = format!("{{ allReadings: readings(first: 1000) {{ nodes {{ {FIELDS} }} }} }}");
    let answer = lab.ask(&lab.reader(), &flat, json!({}), json!({})).await;
    compare(answer["data"]["allReadings"]["nodes"].as_array().unwrap(), &expected);
    // the same through records and arrays of records
    let nested =
        format!("{{ stations {{ totalCount nodes {{ readings(first: 1000) {{ nodes {{ {FIELDS} }} }} }} }} }}");
    let answer = lab.ask(&lab.reader(), &nested, json!({}), json!({})).await;
    let stations = answer["data"]["stations"]["nodes"].as_array().unwrap();
    let rows: Vec<Value> = stations.iter().flat_map(|s| s["readings"]["nodes"].as_array().unwrap().clone()).collect();
    compare(&rows, &expected);
}

fn compare(actual: &[Value], expected: &[Value]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        for (key, value) in expected.as_object().unwrap() {
            let same = match (value.as_f64(), actual[key].as_f64()) {
                // serde_json reads long fractions to within one unit of the last place
                (Some(a), Some(b)) => (a - b).abs() <= a.abs() * if key == "ratio" { 1e-7 } else { 1e-15 },
                _ => *value == actual[key],
            };
            assert!(same, "{key}: {} instead of {value}", actual[key]);
        }
    }
}

#[tokio::test]
async fn pages_forward_and_backward_make_the_whole_list_in_any_order() {
    let lab = lab().await;
    let reader = lab.reader();
    let operation = "query P($first: Int, $after: String, $last: Int, $before: String, $o: [ReadingOrder!]) { \
                     readings(first: $first, after: $after, last: $last, before: $before, orderBy: $o) { \
                     edges { cursor node { stationCode takenAt } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let fields = [
        "STATION_CODE",
        "SMALL",
        "WHOLE",
        "BIG",
        "RATIO",
        "EXACT",
        "AMOUNT",
        "FREE",
        "OPEN",
        "DAY",
        "HOUR",
        "LOCAL_TIME",
        "TAG",
        "CODE",
        "LABEL",
        "MOOD",
    ];
    for (i, field) in fields.iter().enumerate() {
        for nulls in ["FIRST", "LAST"] {
            let direction = if i % 2 == 0 { "DESC" } else { "ASC" };
            let order = json!([{"field": field, "direction": direction, "nulls": nulls}, {"field": "OPEN", "direction": "DESC"}]);
            let whole = lab.ask(&reader, operation, json!({"first": 1000, "o": order}), json!({})).await;
            let whole = whole["data"]["readings"]["edges"].as_array().unwrap().clone();
            assert_eq!(whole.len(), ROWS);
            let mut forward = Vec::new();
            let mut after = Value::Null;
            loop {
                let page =
                    lab.ask(&reader, operation, json!({"first": 97, "after": after, "o": order}), json!({})).await;
                let page = &page["data"]["readings"];
                forward.extend(page["edges"].as_array().unwrap().clone());
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
            }
            assert_eq!(forward, whole, "{field} {direction} {nulls} forward");
            let mut backward = Vec::new();
            let mut before = Value::Null;
            loop {
                let page =
                    lab.ask(&reader, operation, json!({"last": 97, "before": before, "o": order}), json!({})).await;
                let page = &page["data"]["readings"];
                backward.splice(0..0, page["edges"].as_array().unwrap().clone());
                before = page["pageInfo"]["startCursor"].clone();
                if page["pageInfo"]["hasPreviousPage"] == false {
                    break;
                }
            }
            assert_eq!(backward, whole, "{field} {direction} {nulls} backward");
        }
    }
}

#[tokio::test]
async fn row_filters_are_part_of_every_statement() {
    let lab = lab().await;
    let local = access(&lab.product, &["local"]);
    let operation = "query R($r: [_Any!]!) { readings(first: 1000) { totalCount nodes { region } } \
                     stations { nodes { readings(first: 1000) { totalCount nodes { region } } } } \
                     reading(stationCode: \"s1\", takenAt: \"2024-01-01T01:00:01.000123Z\") { region } \
                     _entities(representations: $r) { ... on Reading { region } } }";
    let representations =
        json!({"r": [{"__typename": "Reading", "stationCode": "s1", "takenAt": "2024-01-01T01:00:01.000123Z"}]});
    // reading 1 is of region `south`
    for (claims, rows, found) in [
        (json!({"regions": ["north"]}), 100, false),
        (json!({"regions": ["south", "east"]}), 200, true),
        (json!({"regions": "south"}), 100, true),
        (json!({"regions": []}), 0, false),
        (json!({"regions": 7}), 0, false),
        (json!({}), 0, false),
    ] {
        let answer = lab.ask(&local, operation, representations.clone(), claims.clone()).await;
        let data = &answer["data"];
        assert_eq!(data["readings"]["totalCount"], rows, "{claims}");
        assert_eq!(data["readings"]["nodes"].as_array().unwrap().len(), rows);
        let nested: u64 = data["stations"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["readings"]["totalCount"].as_u64().unwrap())
            .sum();
        assert_eq!(nested, rows as u64);
        assert_eq!(data["reading"].is_object(), found);
        assert_eq!(data["_entities"][0].is_object(), found);
    }
    // a role without a filter sees all, also beside one with
    let both = access(&lab.product, &["local", "reader"]);
    let answer = lab.ask(&both, operation, representations, json!({})).await;
    assert_eq!(answer["data"]["readings"]["totalCount"], ROWS);
}

#[tokio::test]
async fn filters_on_every_type_agree_with_sql() {
    let lab = lab().await;
    let reader = lab.reader();
    for (filter, sql) in [
        (json!({"small": {"gte": 0}}), "small >= 0"),
        (json!({"big": {"lt": "0"}}), "big < 0"),
        (json!({"ratio": {"gt": 0.5, "lte": 100000}}), "ratio > 0.5 AND ratio <= 100000"),
        (json!({"amount": {"ne": "0.000001"}}), "amount <> 0.000001"),
        (json!({"open": {"eq": true}}), "open"),
        (json!({"day": {"gte": "1900-01-01"}}), "day >= '1900-01-01'"),
        (json!({"hour": {"lt": "12:00:00"}}), "hour < '12:00'"),
        (json!({"localTime": {"lt": "1900-01-01T00:00:00Z"}}), "local_time < '1900-01-01'"),
        (json!({"takenAt": {"gte": "2024-01-02T00:00:00+01:00"}}), "taken_at >= '2024-01-02T00:00:00+01:00'"),
        (
            json!({"tag": {"gt": "80000000-0000-0000-0000-000000000000"}}),
            "tag > '80000000-0000-0000-0000-000000000000'",
        ),
        (json!({"doc": {"contains": {"b": {"c": 4}}}}), "doc @> '{\"b\": {\"c\": 4}}'"),
        (json!({"code": {"like": "a%"}}), "code::text LIKE 'a%'"),
        (json!({"code": {"in": ["a", "b"]}}), "code IN ('a', 'b')"),
        (json!({"mood": {"notIn": ["very good"]}}), "mood <> 'very good'"),
        (json!({"words": {"overlaps": ["w2"]}}), "words && '{w2}'"),
        (json!({"numbers": {"eq": [1, 2]}}), "numbers = '{1,2}'"),
        (json!({"amounts": {"contains": ["-4"]}}), "amounts @> '{-4}'"),
        (json!({"not": {"whole": {"isNull": true}}}), "whole IS NOT NULL"),
        (json!({"or": []}), "FALSE"),
        (json!({"and": []}), "TRUE"),
    ] {
        let count = format!("SELECT count(*) FROM output.readings WHERE {sql}");
        let expected: i64 = sqlx::query(AssertSqlSafe(count)).fetch_one(&lab.pool).await.unwrap().get(0);
        let operation = "query F($f: ReadingFilter) { readings(filter: $f) { totalCount } }";
        let answer = lab.ask(&reader, operation, json!({ "f": filter }), json!({})).await;
        assert_eq!(answer["data"]["readings"]["totalCount"], expected, "{filter}: {answer}");
    }
}

#[tokio::test]
async fn ten_thousand_representations_are_one_statement() {
    let lab = lab().await;
    let representations: Vec<Value> =
        (0..10_000).map(|i| json!({"__typename": "Station", "code": format!("s{}", i % 20)})).collect();
    let operation = "query E($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Station { code } } }";
    let answer = lab.ask(&lab.reader(), operation, json!({ "r": representations }), json!({})).await;
    let entities = answer["data"]["_entities"].as_array().unwrap();
    assert_eq!(entities.len(), 10_000);
    assert_eq!(entities[7], json!({"__typename": "Station", "code": "s7"}));
    assert_eq!(entities[17], Value::Null);
}

#[test]
fn ports_and_introspection_are_split_off() {
    let product = lab_product();
    let schema = schema(&product);
    let reader = access(&product, &["reader"]);
    let text = "query Q($v: String, $c: ID!) { b: product { ...P } station(code: $c) { name } __schema { queryType { name } } \
                t: __typename _service { sdl } } fragment P on ProductInfo { name version(of: $v) }";
    let prepared = schema.prepare(text, None, &reader).unwrap();
    let variables: Map<String, Value> = serde_json::from_value(json!({"v": "1", "c": "s1"})).unwrap();
    let (plan, values) = prepared.plan(Some(&variables)).unwrap();
    let keys: Vec<&str> = plan.slots.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(keys, ["b", "station", "__schema", "t", "_service"]);
    let ports = plan.ports.as_ref().unwrap();
    assert_eq!(ports.variables, ["v"]);
    assert!(ports.text.contains("fragment P") && !ports.text.contains("station"), "{}", ports.text);
    assert_eq!(prepared.introspect(&values).unwrap()["__schema"]["queryType"]["name"], "Query");
    assert!(plan.statement.as_ref().unwrap().sql().is_some());
}

#[test]
fn hostile_operations_are_refused_quickly() {
    let product = lab_product();
    let schema = schema(&product);
    let reader = access(&product, &["reader"]);
    // fragments that double at each level
    let mut bomb = String::from("{ stations { nodes { ...F0 } } }");
    for i in 0..30 {
        bomb += &format!(
            " fragment F{i} on Station {{ a{i}: readings {{ nodes {{ station {{ ...F{0} }} }} }} b{i}: readings {{ nodes {{ station {{ ...F{0} }} }} }} }}",
            i + 1
        );
    }
    bomb += " fragment F30 on Station { name }";
    let deep = format!(
        "{{ stations {{ nodes {{ {} name {} }} }} }}",
        "readings { nodes { station { ".repeat(30),
        "} } }".repeat(30)
    );
    let wide = format!("{{ {} }}", (0..200).map(|i| format!("a{i}: stations {{ totalCount }} ")).collect::<String>());
    let related = format!(
        "{{ stations(filter: {}{{}}{}) {{ totalCount }} }}",
        "{parent: {children: {some: ".repeat(8),
        "}}}".repeat(8)
    );
    let conditions = "{children: {every: {code: {eq: \"s1\"}}}},".repeat(400);
    let many = format!("{{ stations(filter: {{or: [{conditions}]}}) {{ totalCount }} }}");
    let having = format!(
        "{{ stations {{ groups(by: [{{field: NAME}}], having: {}{{}}{}) {{ count }} }} }}",
        "{not: ".repeat(20),
        "}".repeat(20)
    );
    let filter = format!("{{ stations(filter: {}{{}}{}) {{ totalCount }} }}", "{not: ".repeat(40), "}".repeat(40));
    for text in [
        bomb,
        deep,
        wide,
        filter,
        related,
        many,
        having,
        "{".repeat(100_000),
        "{ stations(first: 99999999999) { totalCount } }".into(),
    ] {
        let result = schema.prepare(&text, None, &reader).and_then(|p| p.plan(None).map(|_| ()));
        assert!(result.is_err(), "{}", &text[..60]);
    }
}
