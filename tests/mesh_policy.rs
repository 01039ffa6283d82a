//! Mesh rules at the gateway, over HTTP: a denied field can't be used in any way, and a changed file of rules holds at once.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use terrane_testkit::{Client, Mesh, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

/// The products allow analysts to read all of these.
const RULES: &str = "p, clerk, Country.population, read, deny\np, clerk, Country.alpha3, read, deny\n\
                     p, clerk, Country.capital, read, deny\np, clerk, Country.neighbourCountries, read, deny\n";

/// Selections, with the path at which there is nothing.
const SELECTIONS: &[(&str, &str)] = &[
    ("{ country(code: \"DE\") { name population } }", "/country/population"),
    ("{ country(code: \"DE\") { name people: population } }", "/country/people"),
    (
        "{ countries(first: 1) { nodes { name ...F } } } fragment F on Country { population }",
        "/countries/nodes/0/population",
    ),
    ("{ countries(first: 1) { edges { node { name population } } } }", "/countries/edges/0/node/population"),
    ("{ countries { aggregate { count max { population } } } }", "/countries/aggregate/max/population"),
    ("{ countries { aggregate { count min { population } } } }", "/countries/aggregate/min/population"),
    ("{ countries { aggregate { count sum { population } } } }", "/countries/aggregate/sum/population"),
    ("{ countries { aggregate { count avg { population } } } }", "/countries/aggregate/avg/population"),
    ("{ countries { aggregate { count stddev { population } } } }", "/countries/aggregate/stddev/population"),
    ("{ countries { aggregate { count distinct { population } } } }", "/countries/aggregate/distinct/population"),
    (
        "{ countries { groups(by: [{field: CONTINENT_CODE}], first: 1) { count keys { population } } } }",
        "/countries/groups/0/keys/population",
    ),
    (
        "{ countries { groups(by: [{field: CONTINENT_CODE}], first: 1) { count sum { population } } } }",
        "/countries/groups/0/sum/population",
    ),
    (
        "{ continent(code: \"EU\") { name countries(first: 1) { nodes { population } } } }",
        "/continent/countries/nodes/0/population",
    ),
    ("{ country(code: \"DE\") { name neighbourCountries { totalCount } } }", "/country/neighbourCountries"),
];

/// Uses of inputs, with variables.
fn inputs() -> Vec<(&'static str, Value)> {
    let with = |ty: &str, usage: &str| -> &'static str {
        format!("query($v: {ty}) {{ countries({usage}) {{ totalCount nodes {{ name }} }} }}").leak()
    };
    let list = |usage: &str| -> &'static str { format!("{{ countries({usage}) {{ nodes {{ name }} }} }}").leak() };
    let many = json!({"gt": "1000000"});
    vec![
        (list("filter: {population: {gt: \"1000000\"}}"), json!({})),
        (list("filter: {population: {isNull: true}}"), json!({})),
        (list("filter: {and: [{population: {gt: \"1\"}}]}"), json!({})),
        (list("filter: {or: [{name: {eq: \"x\"}}, {not: {population: {gt: \"1\"}}}]}"), json!({})),
        (list("filter: {neighbourCountries: {some: {name: {eq: \"France\"}}}}"), json!({})),
        (list("orderBy: [{field: POPULATION}]"), json!({})),
        (list("orderBy: {field: POPULATION, direction: DESC}"), json!({})),
        (list("search: \"Berlin\""), json!({})),
        (list("orderBy: [{field: RELEVANCE}]"), json!({})),
        ("{ countryByAlpha3(alpha3: \"DEU\") { name } }", json!({})),
        ("query($a: String!) { countryByAlpha3(alpha3: $a) { name } }", json!({"a": "DEU"})),
        ("{ countries { groups(by: [{field: POPULATION}]) { count } } }", json!({})),
        (
            "{ countries { groups(by: [{field: CONTINENT_CODE}], having: {sum: {population: {gt: \"1\"}}}) { count } } }",
            json!({}),
        ),
        (
            "{ countries { groups(by: [{field: CONTINENT_CODE}], having: {not: {max: {population: {gt: \"1\"}}}}) { count } } }",
            json!({}),
        ),
        (
            "{ countries { groups(by: [{field: CONTINENT_CODE}], orderBy: [{field: POPULATION, aggregate: SUM}]) { count } } }",
            json!({}),
        ),
        ("{ continents { nodes { countries(filter: {population: {gt: \"1\"}}) { totalCount } } } }", json!({})),
        ("{ continents { nodes { countries(orderBy: [{field: POPULATION}]) { totalCount } } } }", json!({})),
        ("{ ...F } fragment F on Query { countries(filter: {population: {gt: \"1\"}}) { totalCount } }", json!({})),
        (with("CountryFilter", "filter: $v"), json!({"v": {"population": many}})),
        (with("CountryFilter", "filter: $v"), json!({"v": {"and": [{"not": {"population": many}}]}})),
        (with("[CountryFilter!]", "filter: {or: $v}"), json!({"v": [{"population": many}]})),
        (with("BigIntFilter", "filter: {population: $v}"), json!({"v": many})),
        (with("[CountryOrder!]", "orderBy: $v"), json!({"v": [{"field": "POPULATION"}]})),
        (with("[CountryOrder!]", "orderBy: $v"), json!({"v": {"field": "POPULATION"}})),
        (with("CountryOrderField!", "orderBy: [{field: $v}]"), json!({"v": "POPULATION"})),
        (with("CountryFilter = {population: {gt: \"1\"}}", "filter: $v"), json!({})),
        (with("CountryOrderField! = POPULATION", "orderBy: [{field: $v}]"), json!({})),
        (with("String", "search: $v"), json!({"v": "Berlin"})),
        (
            "query($v: CountryHaving) { countries { groups(by: [{field: CONTINENT_CODE}], having: $v) { count } } }",
            json!({"v": {"avg": {"population": {"gt": "1"}}}}),
        ),
        (
            "query($v: [CountryGroupBy!]!) { countries { groups(by: $v) { count } } }",
            json!({"v": [{"field": "POPULATION"}]}),
        ),
        (
            "query($v: CountryGroupField) { countries { groups(by: [{field: NAME}], orderBy: [{field: $v}]) { count } } }",
            json!({"v": "POPULATION"}),
        ),
    ]
}

struct Running {
    mesh: Mesh,
    state: tempfile::TempDir,
}

impl Running {
    async fn start(rules: &str) -> Self {
        let state = state_directory();
        let policies = state.path().join("policies");
        fs::create_dir_all(&policies).unwrap();
        fs::write(policies.join("mesh.csv"), rules).unwrap();
        let products = repository().join("products");
        let arguments = [
            "dev",
            "--port",
            "{port}",
            "--products",
            products.to_str().unwrap(),
            "--policies",
            policies.to_str().unwrap(),
            "--state",
            state.path().to_str().unwrap(),
        ];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
        Self { mesh, state }
    }

    fn client(&self, roles: &[&str]) -> Client {
        let mut arguments = vec!["token", "--state", self.state.path().to_str().unwrap()];
        roles.iter().for_each(|role| arguments.extend(["--role", role]));
        let made = std::process::Command::new(BINARY).args(&arguments).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        self.mesh.client().with_token(String::from_utf8(made.stdout).unwrap().trim())
    }

    /// Let other rules take the place of those in the file, in one step.
    fn rules(&self, text: &str) {
        let policies = self.state.path().join("policies");
        fs::write(policies.join("new"), text).unwrap();
        fs::rename(policies.join("new"), policies.join("mesh.csv")).unwrap();
    }
}

fn codes(answer: &Value) -> Vec<&str> {
    let list = answer["errors"].as_array().into_iter().flatten();
    list.map(|error| error["extensions"]["code"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_denied_field_cannot_be_used_in_any_way_and_changed_rules_hold_at_once() {
    let running = Running::start(RULES).await;
    let (clerk, analyst) = (running.client(&["analyst", "clerk"]), running.client(&["analyst"]));
    for (query, nothing) in SELECTIONS {
        let answer = clerk.graphql(query, json!({})).await;
        assert_eq!(codes(&answer), ["FORBIDDEN"], "{query} {answer}");
        assert_eq!(answer["data"].pointer(nothing), Some(&Value::Null), "{query} {answer}");
        let path: Vec<String> = answer["errors"][0]["path"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
            .collect();
        assert_eq!(format!("/{}", path.join("/")), *nothing, "{query}");
        let answer = analyst.graphql(query, json!({})).await;
        assert_eq!(codes(&answer), [""; 0], "{query} {answer}");
    }
    for (query, variables) in inputs() {
        let answer = clerk.graphql(query, variables.clone()).await;
        assert_eq!((codes(&answer), answer.get("data")), (vec!["FORBIDDEN"], None), "{query} {variables} {answer}");
        let answer = analyst.graphql(query, variables.clone()).await;
        // the product itself has something against some of them, but not that they are forbidden
        assert!(!codes(&answer).contains(&"FORBIDDEN"), "{query} {variables} {answer}");
    }
    // what does not speak of them is answered
    let fine = "query($f: CountryFilter) { countries(filter: $f, orderBy: [{field: NAME}]) { totalCount } }";
    let answer = clerk.graphql(fine, json!({"f": {"and": [{"name": {"startsWith": "G"}}]}})).await;
    assert!(answer["data"]["countries"]["totalCount"].as_u64().unwrap() > 5, "{answer}");
    rules_are_read_anew(&running, &clerk).await;
}

/// Change the file, and wait for what each change is to bring about.
async fn rules_are_read_anew(running: &Running, clerk: &Client) {
    let population = "{ country(code: \"DE\") { population } }";
    let denied = |answer: &Value| codes(answer) == ["FORBIDDEN"];
    running.rules("# nothing is denied\n");
    until(|| async { !denied(&clerk.graphql(population, json!({})).await) }).await;
    running.rules("p, clerk, Country.population, read, deny\n");
    until(|| async { denied(&clerk.graphql(population, json!({})).await) }).await;
    running.rules("p, clerk, Country.population, read\n");
    let refused = "terrane_gateway_file_changes_total{file=\"policy\",outcome=\"refused\"} 1";
    let metrics = || async { clerk.get("/metrics").await.text() };
    until(|| async { metrics().await.contains(refused) }).await;
    assert!(denied(&clerk.graphql(population, json!({})).await), "the last good rules hold");
    running.rules("# and again nothing\n");
    until(|| async { !denied(&clerk.graphql(population, json!({})).await) }).await;
}

async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
