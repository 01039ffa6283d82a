//! Fuzzes variables: turns bytes into the choice of an operation and the JSON of its variables and claims, and checks that
//! there are values for every bind, or errors with codes.
#![no_main]

mod vault;

use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Map, Value};
use std::sync::LazyLock;
use terrane_query::Prepared;

/// Between them, they have a variable at every kind of place.
const OPERATIONS: [&str; 4] = [
    "query($f: PersonFilter, $o: [PersonOrder!], $n: Int, $a: String, $s: Int, $if: Boolean!) { people(filter: $f, \
     orderBy: $o, first: $n, after: $a, offset: $s) { nodes { id name @skip(if: $if) } edges { cursor } totalCount } }",
    "query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Person { name salary } ... on Entry { topic } \
     ... on Account { label } } }",
    "query($i: ID!, $c: String!, $g: Int!, $b: String!) { person(id: $i) { name } personByBadge(badge: $b) { name } \
     personByTeamCodeAndGrade(teamCode: $c, grade: $g) { name } }",
    "query($x: [String!], $u: [UUID!], $d: Date, $t: DateTime, $j: JSON, $l: Int, $e: [Mood!], $q: Decimal) { people(last: $l, \
     filter: {aliases: {overlaps: $x}, passport: {in: $u}, born: {lt: $d}, seenAt: {gte: $t}, file: {contains: $j}, mood: {in: $e}, \
     bonus: {ne: $q}}) { totalCount } }",
];

static PREPARED: LazyLock<Vec<Prepared>> = LazyLock::new(|| {
    let vault = &*vault::VAULT;
    let prepare = |text: &str| vault.schema.prepare(text, None, &vault.accesses[0]).expect("the operations are right");
    OPERATIONS.iter().map(|text| prepare(text)).collect()
});

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((first, json)) = data.split_first() else { return Corpus::Reject };
    let Ok(Value::Object(variables)) = serde_json::from_slice::<Value>(json) else { return Corpus::Reject };
    let prepared = &PREPARED[usize::from(*first) % PREPARED.len()];
    let coded = |errors: Vec<terrane_graphql::GraphqlError>| assert!(errors.iter().all(|e| !e.code().is_empty()));
    match prepared.plan(Some(&variables)) {
        Ok((plan, values)) => {
            let statement = plan.statement.as_ref().expect("they ask for data");
            match statement.bind(&values, &Map::from_iter([("tenant".to_owned(), Value::Object(variables.clone()))])) {
                Ok(bound) => {
                    let sql = statement.sql().map_or("", |sql| &**sql);
                    assert_eq!(sql.contains(&format!("${}", bound.binds.len())), !bound.binds.is_empty());
                }
                Err(errors) => coded(errors),
            }
        }
        Err(errors) => coded(errors),
    }
    Corpus::Keep
});
