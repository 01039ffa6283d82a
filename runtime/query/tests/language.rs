//! Language: random filters, orders, pages, figures and groups, answered by the data port and by a naive evaluator.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::sync::Arc;
use support::lab::{Lab, lab};
use support::naive::{Kind, READING, STATION, TYPES, World, enum_value, figure, groups, kind, named, placed};
use support::random::Random;
use support::{access, run};
use terrane_query::Access;

/// What random operations are made of.
impl Random {
    fn filter(&mut self, world: &World, ty: usize, depth: usize) -> Value {
        let mut filter = Map::new();
        for _ in 0..self.below(3) + usize::from(depth == 0) {
            match self.below(10) {
                0 if depth < 3 => filter.insert("not".into(), self.filter(world, ty, depth + 1)),
                n @ (1 | 2) if depth < 3 => {
                    let parts = (0..self.below(3)).map(|_| self.filter(world, ty, depth + 1)).collect();
                    filter.insert(["and", "or"][n - 1].into(), Value::Array(parts))
                }
                3..=5 if depth < 3 => {
                    // readings more often than others: they are what only some callers see all of
                    let last = TYPES[ty].relations.last().unwrap();
                    let relation = if self.one_in(2) { last } else { self.pick(TYPES[ty].relations) };
                    let target = self.filter(world, relation.target, depth + 1);
                    let part = match relation.many {
                        true => json!({ *self.pick(&["some", "none", "every"]): target }),
                        false => target,
                    };
                    filter.insert(relation.name.into(), part)
                }
                _ => {
                    let (name, kind) = *self.pick(TYPES[ty].columns);
                    let sample = self.pick(&world.rows[ty])[name].clone();
                    filter.insert(name.into(), self.conditions(kind, sample))
                }
            };
        }
        Value::Object(filter)
    }

    /// Conditions on a value; `sample` is one that a row has, or null.
    fn conditions(&mut self, kind: Kind, sample: Value) -> Value {
        if sample.is_null() || self.one_in(8) {
            return json!({ "isNull": self.one_in(2) });
        }
        if matches!(kind, Kind::Texts | Kind::Ints) {
            let operator = *self.pick(&["eq", "contains", "overlaps", "containedBy", "isEmpty"]);
            return if operator == "isEmpty" { json!({operator: self.one_in(2)}) } else { json!({ operator: sample }) };
        }
        // a decimal fraction is not read back bit by bit
        let sample = if kind == Kind::Float { json!(*self.pick(&[0.5, -3.0, 1e10, 1e-5, 1.0])) } else { sample };
        if kind == Kind::Text && self.one_in(2) {
            let characters: Vec<char> = sample.as_str().unwrap().chars().collect();
            let start = self.below(characters.len());
            let end = start + self.below(characters.len() - start) + 1;
            let (range, operator) = match self.below(4) {
                0 => (0..end, "startsWith"),
                1 => (start..characters.len(), "endsWith"),
                2 => (start..end, "includes"),
                _ => (start..end, "includesInsensitive"),
            };
            return json!({operator: characters[range].iter().collect::<String>()});
        }
        match self.below(8) {
            0 => json!({"in": if self.one_in(4) { json!([]) } else { json!([sample]) }}),
            1 => json!({"notIn": if self.one_in(4) { json!([]) } else { json!([sample]) }}),
            _ if kind == Kind::Bool => json!({ *self.pick(&["eq", "ne"]): sample }),
            _ => json!({ *self.pick(&["eq", "ne", "lt", "lte", "gt", "gte"]): sample }),
        }
    }

    fn order(&mut self, ty: usize) -> Vec<Value> {
        (0..self.below(3)).map(|_| self.order_entry(ty, 0)).collect()
    }

    fn order_entry(&mut self, ty: usize, depth: usize) -> Value {
        if depth < 3 && self.one_in(3) {
            let one: Vec<_> = TYPES[ty].relations.iter().filter(|r| !r.many).collect();
            let relation = *self.pick(&one);
            return json!({ relation.name: self.order_entry(relation.target, depth + 1) });
        }
        let direction = *self.pick(&["ASC", "DESC"]);
        let nulls = *self.pick(&["FIRST", "LAST"]);
        json!({"field": self.scalar(ty), "direction": direction, "nulls": nulls})
    }

    /// The enum value of a column that is no list.
    fn scalar(&mut self, ty: usize) -> String {
        let scalars: Vec<_> =
            TYPES[ty].columns.iter().filter(|(_, k)| !matches!(k, Kind::Texts | Kind::Ints)).collect();
        enum_value(self.pick(&scalars).0)
    }

    fn by(&mut self, ty: usize) -> Vec<Value> {
        let mut by: Vec<Value> = Vec::new();
        for _ in 0..=self.below(2) {
            let field = self.scalar(ty);
            // fractions are not read back bit by bit, so they cannot be compared as keys
            if named(ty, &field).1 == Kind::Float || by.iter().any(|b| b["field"] == field) {
                continue;
            }
            let mut part = json!({ "field": field });
            if named(ty, part["field"].as_str().unwrap()).1 == Kind::Date && !self.one_in(4) {
                part["bucket"] = json!(*self.pick(&["YEAR", "QUARTER", "MONTH", "WEEK", "DAY"]));
            }
            by.push(part);
        }
        match by.is_empty() {
            true => vec![json!({"field": enum_value(TYPES[ty].columns[0].0)})],
            false => by,
        }
    }
}

/// An input value as it is written in an operation.
fn literal(value: &Value, key: &str) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}: {}", literal(v, k))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(|v| literal(v, key)).collect::<Vec<_>>().join(", ")),
        Value::String(text) if ["field", "direction", "nulls", "bucket", "aggregate"].contains(&key) => text.clone(),
        other => other.to_string(),
    }
}

/// The lab, what the naive evaluator knows of it, and two callers: one sees all, one only some regions.
struct Both {
    lab: Lab,
    worlds: [World; 2],
    callers: [(Arc<Access>, Value); 2],
}

async fn both() -> Both {
    let lab = lab().await;
    let rows = [lab.stations().await, lab.readings().await];
    let regions = vec!["north".to_owned(), "east".to_owned()];
    let local = access(&lab.product, &["local"]);
    Both {
        callers: [(lab.reader(), json!({})), (local, json!({ "regions": regions }))],
        worlds: [World { rows: rows.clone(), regions: None }, World { rows, regions: Some(regions) }],
        lab,
    }
}

impl Both {
    async fn ask(&self, caller: usize, operation: &str, variables: Value) -> Value {
        let (access, claims) = &self.callers[caller];
        let answer = self.lab.ask(access, operation, variables.clone(), claims.clone()).await;
        assert!(answer.get("errors").is_none(), "{operation}\n{variables}\n{answer}");
        answer["data"].clone()
    }
}

fn keys_of(ty: usize, rows: &[&Value]) -> Vec<Value> {
    let keys = |row: &Value| -> Value {
        TYPES[ty].key.iter().map(|k| ((*k).to_owned(), row[*k].clone())).collect::<Map<_, _>>().into()
    };
    rows.iter().map(|row| keys(row)).collect()
}

fn keys_in(connection: &Value) -> Vec<Value> {
    connection["edges"].as_array().unwrap().iter().map(|e| e["node"].clone()).collect()
}

#[tokio::test]
async fn lists_agree_with_a_naive_evaluator() {
    let both = both().await;
    let mut random = Random(1);
    let mut found = 0;
    for round in 0..300 {
        let caller = random.below(2);
        let world = &both.worlds[caller];
        let ty = random.below(2);
        let (filter, order) = (random.filter(world, ty, 0), random.order(ty));
        let (name, list, key) = (TYPES[ty].name, TYPES[ty].list, TYPES[ty].key.join(" "));
        // every other operation has its values in its text
        let (definitions, arguments, variables) = if round % 2 == 0 {
            let variables = json!({"f": filter, "o": order});
            (format!("$f: {name}Filter, $o: [{name}Order!], "), "filter: $f, orderBy: $o".to_owned(), variables)
        } else {
            let arguments = format!("filter: {}, orderBy: {}", literal(&filter, ""), literal(&json!(order), ""));
            (String::new(), arguments, json!({}))
        };
        let expected = world.list(ty, world.visible(ty), &filter, &order);
        found += expected.len();
        let whole = format!(
            "query L({definitions}$n: Int = 1000) {{ {list}({arguments}, first: $n) {{ totalCount edges {{ cursor node {{ {key} }} }} }} }}"
        );
        let answer = both.ask(caller, &whole, variables.clone()).await;
        let connection = &answer[list];
        let told = format!("{whole}\n{variables}");
        assert_eq!(connection["totalCount"], expected.len(), "{told}");
        assert_eq!(keys_in(connection), keys_of(ty, &expected), "{told}");
        if expected.is_empty() {
            continue;
        }
        // pages at any row, in both directions and by number
        let (at, size) = (random.below(expected.len()), random.below(20));
        let cursor = connection["edges"][at]["cursor"].as_str().unwrap();
        let fields = format!("edges {{ node {{ {key} }} }} pageInfo {{ hasNextPage hasPreviousPage }}");
        let pages = format!(
            "query P({definitions}$c: String) {{ after: {list}({arguments}, first: {size}, after: $c) {{ {fields} }} \
             before: {list}({arguments}, last: {size}, before: $c) {{ {fields} }} \
             offset: {list}({arguments}, first: {size}, offset: {at}) {{ {fields} }} }}"
        );
        let mut variables = variables;
        variables["c"] = json!(cursor);
        let answer = both.ask(caller, &pages, variables).await;
        let (start, end) = (at.saturating_sub(size), (at + 1 + size).min(expected.len()));
        assert_eq!(keys_in(&answer["after"]), keys_of(ty, &expected[at + 1..end]), "{pages}\n{told}");
        assert_eq!(answer["after"]["pageInfo"]["hasNextPage"], end < expected.len(), "{pages}\n{told}");
        assert_eq!(keys_in(&answer["before"]), keys_of(ty, &expected[start..at]), "{pages}\n{told}");
        assert_eq!(answer["before"]["pageInfo"]["hasPreviousPage"], start > 0, "{pages}\n{told}");
        let by_number = &expected[at..(at + size).min(expected.len())];
        assert_eq!(keys_in(&answer["offset"]), keys_of(ty, by_number), "{pages}\n{told}");
    }
    assert!(found > 5_000, "the filters leave only {found} rows");
}

/// Functions and fields that are asked of each type.
const FIGURES: [&str; 2] = [
    "count distinct { name parentCode } min { name } max { code }",
    "count distinct { region small label open } sum { small big amount exact } avg { whole amount exact } stddev { small exact } \
     min { whole amount day label takenAt } max { big exact tag: region }",
];

const ASKED: [&[(&str, &[&str])]; 2] = [
    &[("distinct", &["name", "parentCode"]), ("min", &["name"]), ("max", &["code"])],
    &[
        ("distinct", &["region", "small", "label", "open"]),
        ("sum", &["small", "big", "amount", "exact"]),
        ("avg", &["whole", "amount", "exact"]),
        ("stddev", &["small", "exact"]),
        ("min", &["whole", "amount", "day", "label", "takenAt"]),
        ("max", &["big", "exact"]),
    ],
];

fn assert_figures(ty: usize, answer: &Value, rows: &[&Value], told: &str) {
    assert_eq!(answer["count"], rows.len(), "{told}");
    for (function, fields) in ASKED[ty] {
        for field in *fields {
            let values: Vec<&Value> = rows.iter().map(|r| &r[*field]).collect();
            let kind = kind(ty, field).unwrap();
            let expected = figure(function, kind, &values);
            let rounded = kind == Kind::Float || matches!(*function, "avg" | "stddev");
            let actual = &answer[*function][*field];
            let number = |v: &Value| v.as_f64().or_else(|| v.as_str().and_then(|t| t.parse().ok()));
            let same = match (number(&expected), number(actual)) {
                // only exact numbers are the same to the last digit
                (Some(a), Some(b)) if rounded => (a - b).abs() <= a.abs().max(b.abs()) * 1e-9,
                _ => expected == *actual,
            };
            assert!(same, "{function} {field}: {actual} instead of {expected}\n{told}");
        }
    }
}

#[tokio::test]
async fn figures_agree_with_a_naive_evaluator() {
    let both = both().await;
    let mut random = Random(2);
    let mut grouped = 0;
    for _ in 0..150 {
        let caller = random.below(2);
        let world = &both.worlds[caller];
        let ty = if random.one_in(4) { STATION } else { READING };
        let filter = if random.one_in(3) { json!({}) } else { random.filter(world, ty, 1) };
        let by = random.by(ty);
        let counted = ["gte", "lt"][random.below(2)];
        let least = random.below(4);
        let having = json!({"or": [{"count": {counted: least}}, {"distinct": {TYPES[ty].columns[0].0: {"gt": 5}}}]});
        let descending = random.one_in(2);
        let order = json!([{"aggregate": "COUNT", "direction": if descending { "DESC" } else { "ASC" }},
                           {"field": by[0]["field"], "direction": "DESC", "nulls": "FIRST"}]);
        let names: Vec<&str> = by.iter().map(|b| named(ty, b["field"].as_str().unwrap()).0).collect();
        let (name, list, figures) = (TYPES[ty].name, TYPES[ty].list, FIGURES[ty]);
        let operation = format!(
            "query A($f: {name}Filter, $by: [{name}GroupBy!]!, $h: {name}Having, $o: [{name}GroupOrder!], $n: Int, $s: Int) {{ \
             {list}(filter: $f, first: 0) {{ totalCount aggregate {{ {figures} }} \
             groups(by: $by, having: $h, orderBy: $o, first: $n, offset: $s) {{ keys {{ {} }} {figures} }} }} }}",
            names.join(" ")
        );
        let (size, offset) = (random.below(60), random.below(3));
        let variables = json!({"f": filter, "by": by, "h": having, "o": order, "n": size, "s": offset});
        let told = format!("{operation}\n{variables}");
        let answer = both.ask(caller, &operation, variables).await;
        let rows = world.list(ty, world.visible(ty), &filter, &[]);
        assert_figures(ty, &answer[list]["aggregate"], &rows, &told);
        let mut expected = groups(ty, &rows, &by);
        expected.retain(|(_, rows)| {
            let first: Vec<&Value> = rows.iter().map(|r| &r[TYPES[ty].columns[0].0]).collect();
            let count = if counted == "lt" { rows.len() < least } else { rows.len() >= least };
            count || figure("distinct", Kind::Text, &first).as_u64() > Some(5)
        });
        expected.sort_by(|(a, some), (b, others)| {
            let count = if descending { others.len().cmp(&some.len()) } else { some.len().cmp(&others.len()) };
            let key = |name: &str, down| placed(kind(ty, name).unwrap(), &a[name], &b[name], down, down);
            let by_keys = names.iter().map(|name| key(name, false)).find(|o| o.is_ne());
            count.then(key(names[0], true)).then(by_keys.unwrap_or(Ordering::Equal))
        });
        let page: Vec<_> = expected.iter().skip(offset).take(size).collect();
        let actual = answer[list]["groups"].as_array().unwrap();
        assert_eq!(actual.len(), page.len(), "{told}");
        for (actual, (keys, rows)) in actual.iter().zip(page) {
            assert_eq!(actual["keys"], Value::Object(keys.clone()), "{told}");
            assert_figures(ty, actual, rows, &told);
        }
        grouped += actual.len();
    }
    assert!(grouped > 1_000, "only {grouped} groups were compared");
}

#[tokio::test]
async fn nested_lists_agree_with_a_naive_evaluator() {
    let both = both().await;
    let mut random = Random(3);
    let many: Vec<_> = TYPES[STATION].relations.iter().filter(|r| r.many).collect();
    for _ in 0..100 {
        let caller = random.below(2);
        let world = &both.worlds[caller];
        let relation = *random.pick(&many);
        let target = relation.target;
        let (name, key) = (TYPES[target].name, TYPES[target].key.join(" "));
        // the same list twice, with other arguments each time
        let filters = [random.filter(world, target, 1), random.filter(world, target, 1)];
        let orders = [random.order(target), random.order(target)];
        let size = random.below(12);
        let part = |alias: &str, which: usize| {
            format!(
                "{alias}: {}(filter: $f{which}, orderBy: $o{which}, first: $n) {{ totalCount edges {{ node {{ {key} }} }} \
                 aggregate {{ {} }} }}",
                relation.name, FIGURES[target]
            )
        };
        let operation = format!(
            "query N($f0: {name}Filter, $f1: {name}Filter, $o0: [{name}Order!], $o1: [{name}Order!], $n: Int!) {{ \
             stations {{ nodes {{ code {} {} }} }} }}",
            part("a", 0),
            part("b", 1)
        );
        let variables = json!({"f0": filters[0], "f1": filters[1], "o0": orders[0], "o1": orders[1], "n": size});
        let told = format!("{operation}\n{variables}");
        let answer = both.ask(caller, &operation, variables).await;
        for (station, row) in answer["stations"]["nodes"].as_array().unwrap().iter().zip(world.visible(STATION)) {
            for (which, alias) in ["a", "b"].into_iter().enumerate() {
                let rows = world.list(target, world.related(row, relation), &filters[which], &orders[which]);
                assert_eq!(station[alias]["totalCount"], rows.len(), "{told}");
                let page = &rows[..size.min(rows.len())];
                assert_eq!(keys_in(&station[alias]), keys_of(target, page), "{told}");
                assert_figures(target, &station[alias]["aggregate"], &rows, &told);
            }
        }
    }
}

#[tokio::test]
async fn days_without_a_start_of_their_span_are_spans_of_their_own() {
    let both = both().await;
    sqlx::raw_sql(
        "UPDATE output.readings SET day = NULL, local_time = NULL;
         UPDATE output.readings SET day = d, local_time = t, taken_at = z FROM (VALUES
           ('s1', '-infinity'::date, '-infinity'::timestamp, '-infinity'::timestamptz),
           ('s2', 'infinity', 'infinity', 'infinity'),
           ('s3', '4714-11-24 BC', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00Z BC'),
           ('s4', '5874897-12-31', '294276-12-31 23:59:59', '294276-12-31 23:59:59Z')) AS v(c, d, t, z)
         WHERE station_code = c AND readings.taken_at < '2024-01-01T10:00:00Z'",
    )
    .execute(&both.lab.pool)
    .await
    .unwrap();
    for bucket in ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR"] {
        let days =
            if bucket == "HOUR" { "" } else { "a: groups(by: [{field: DAY, bucket: $b}]) { keys { day } count }" };
        let operation = format!(
            "query B($b: DateBucket) {{ readings(filter: {{stationCode: {{in: [\"s1\", \"s2\", \"s3\", \"s4\"]}}}}, first: 0) {{ {days} \
             b: groups(by: [{{field: LOCAL_TIME, bucket: $b}}]) {{ keys {{ localTime }} count }} \
             c: groups(by: [{{field: TAKEN_AT, bucket: $b}}], first: 1) {{ keys {{ takenAt }} count }} }} }}"
        );
        let answer = both.ask(0, &operation, json!({ "b": bucket })).await;
        let group = |alias: &str, index: usize, field: &str| answer["readings"][alias][index]["keys"][field].clone();
        if bucket != "HOUR" {
            let keys = [0, 1, 2, 3, 4].map(|i| group("a", i, "day"));
            assert_eq!(
                keys,
                [json!("-infinity"), json!("4714-11-24 BC"), json!("5874897-12-31"), json!("infinity"), json!(null)],
                "{bucket}"
            );
        }
        assert_eq!(group("b", 0, "localTime"), "-infinity", "{bucket}");
        assert_eq!(group("b", 1, "localTime"), "4714-11-24T00:00:00Z BC", "{bucket}");
        assert_eq!(group("c", 0, "takenAt"), "-infinity", "{bucket}");
    }
}

#[tokio::test]
async fn ranked_pages_make_the_whole_list() {
    let both = both().await;
    let operation = "query R($n: Int, $c: String, $d: OrderDirection) { \
                     readings(search: \"north or zoë or 17\", first: $n, after: $c, orderBy: [{field: RELEVANCE, direction: $d}, {field: WHOLE}]) { \
                     totalCount edges { cursor node { stationCode takenAt region } } } }";
    for (caller, direction) in [(0, "DESC"), (1, "ASC")] {
        let whole = both.ask(caller, operation, json!({"n": 1000, "d": direction})).await;
        let whole = whole["readings"]["edges"].as_array().unwrap();
        let north = |edge: &Value| edge["node"]["region"] == "north";
        assert!(whole.len() > 150 && whole.iter().any(north) && !whole.iter().all(north));
        let (mut pages, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = both.ask(caller, operation, json!({"n": 41, "c": cursor, "d": direction})).await;
            assert_eq!(page["readings"]["totalCount"], whole.len());
            let edges = page["readings"]["edges"].as_array().unwrap();
            pages.extend(edges.iter().cloned());
            match edges.last() {
                Some(edge) => cursor = edge["cursor"].clone(),
                None => break,
            }
        }
        assert_eq!(pages, *whole);
        // a cursor of the other direction is another list's
        let other = if direction == "ASC" { "DESC" } else { "ASC" };
        let variables = json!({"n": 1, "c": whole[0]["cursor"], "d": other});
        let (access, claims) = &both.callers[caller];
        let refused = both.lab.ask(access, operation, variables, claims.clone()).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
}

/// Texts that would do something if they were ever a part of a statement's text.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE output.readings; --",
    "' OR '1'='1",
    "\\'; SELECT 1; --\\\\",
    "$1",
    "\"; --",
    "%_\\%",
    "E'\\x27'",
    "/*",
    "$$; SELECT 1; $$",
    ":claim.regions",
    "{\"$ne\": null}",
    "\u{2019}\u{ff07}",
    "<-> & | !",
];

#[tokio::test]
async fn hostile_texts_are_values_in_every_position() {
    let both = both().await;
    let reader = &both.callers[0].0;
    let operation = "query I($t: String!, $l: [String!], $j: JSON, $c: ID!, $f: ReadingFilter, $r: [_Any!]!) { \
                     readings(filter: {or: [{label: {eq: $t}}, {region: {in: $l}}, {mood: {like: $t}}, {label: {startsWith: $t}}, \
                     {label: {endsWith: $t}}, {region: {includes: $t}}, {code: {includesInsensitive: $t}}, {words: {contains: $l}}, \
                     {doc: {hasKey: $t}}, {raw: {contains: $j}}, $f]}) { totalCount } \
                     search: readings(search: $t) { totalCount groups(by: [{field: REGION}], having: {min: {label: {gt: $t}}}) { count } } \
                     station(code: $c) { code } _entities(representations: $r) { ... on Station { code } } }";
    let mut texts = Vec::new();
    for hostile in HOSTILE.iter().copied().chain(["harmless"]) {
        let variables = json!({"t": hostile, "l": [hostile], "j": {hostile: hostile}, "c": hostile,
                               "f": {"label": {"ilike": hostile}}, "r": [{"__typename": "Station", "code": hostile}]});
        let Value::Object(variables) = variables else { unreachable!() };
        let schema = &both.lab.schema;
        let (sql, answer) = run(Some(&both.lab.pool), schema, reader, operation, &variables, &Map::new()).await;
        texts.push(sql);
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        assert!(answer.get("errors").is_none(), "{hostile}: {answer}");
        assert_eq!(answer["data"]["station"], Value::Null, "{hostile}");
        assert_eq!(answer["data"]["_entities"], json!([null]), "{hostile}");
        // a text that is no pattern is found where a row has it, which is nowhere
        if !hostile.contains(['%', '_']) {
            assert_eq!(answer["data"]["readings"]["totalCount"], 0, "{hostile}");
        }
        let forged = format!("{{ readings(after: {0}) {{ totalCount nodes {{ region }} }} }}", json!(hostile));
        let refused = both.lab.ask(reader, &forged, json!({}), json!({})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{hostile}");
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "a value changed the statement");
    assert_eq!(both.lab.readings().await.len(), 300);
}
