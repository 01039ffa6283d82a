//! The whole mesh in one process: federated answers, policy, catalog, ports, pages — through the real binary.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use terrane_testkit::{Client, Mesh, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

/// A mesh of the shipped products, its state, and clients of several roles.
struct Running {
    mesh: Mesh,
    state: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let state = state_directory();
        let root = repository();
        let (products, policies) = (root.join("products"), root.join("policies"));
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

    fn client(&self, role: &str) -> Client {
        if role == "anonymous" {
            return self.mesh.client();
        }
        let state = self.state.path().to_str().unwrap();
        let made =
            std::process::Command::new(BINARY).args(["token", "--role", role, "--state", state]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        self.mesh.client().with_token(String::from_utf8(made.stdout).unwrap().trim())
    }
}

const CONTINENTS: &str = "query Continents($n: Int = 3) { continents { nodes { code name
    facts { countryCount population areaKm2 density languageCount largestCountry { name } mostPopulousCountry { name } }
    countries(first: $n, orderBy: [{field: POPULATION, direction: DESC}]) {
      nodes { ...Facts } } } } }
  fragment Facts on Country { title: name capital population facts { populationRankWorld } }";

fn errors(answer: &Value) -> Vec<(String, String)> {
    let list = answer["errors"].as_array().into_iter().flatten();
    list.map(|e| (e["extensions"]["code"].as_str().unwrap_or_default().to_owned(), e["path"].to_string())).collect()
}

#[tokio::test]
async fn one_request_spans_the_three_products_and_shows_each_role_its_own() {
    let running = Running::start().await;
    let analyst = running.client("analyst").graphql(CONTINENTS, json!({})).await;
    assert_eq!(errors(&analyst), [], "{analyst}");
    let continents = analyst["data"]["continents"]["nodes"].as_array().unwrap();
    assert_eq!(continents.len(), 7);
    let asia = continents.iter().find(|c| c["code"] == "AS").unwrap();
    let names: Vec<&str> =
        asia["countries"]["nodes"].as_array().unwrap().iter().map(|c| c["title"].as_str().unwrap()).collect();
    assert_eq!(names, ["China", "India", "Indonesia"]);
    assert_eq!(asia["facts"]["mostPopulousCountry"]["name"], "China");
    assert_eq!(asia["countries"]["nodes"][0]["facts"]["populationRankWorld"], 1);
    // variables reach the subgraph
    let one = running.client("analyst").graphql(CONTINENTS, json!({"n": 1})).await;
    assert_eq!(one["data"]["continents"]["nodes"][0]["countries"]["nodes"].as_array().unwrap().len(), 1);
    // who may not read populations keeps the rest of the answer
    let anonymous = running.client("anonymous").graphql(CONTINENTS, json!({})).await;
    let found = errors(&anonymous);
    assert!(!found.is_empty() && found.iter().all(|(code, _)| code == "FORBIDDEN"), "{found:?}");
    let asia = anonymous["data"]["continents"]["nodes"].as_array().unwrap().iter().find(|c| c["code"] == "AS").unwrap();
    assert_eq!(
        (&asia["name"], &asia["facts"]["countryCount"], &asia["facts"]["population"]),
        (&json!("Asia"), &json!(51), &Value::Null)
    );
    // ordering by what may not be read would tell its order
    assert_eq!(asia["countries"], Value::Null);
    // a reader has a role of the products and may read what anonymous may not: official names
    let official = "{ country(code: \"DE\") { name officialName population } }";
    let reader = running.client("reader").graphql(official, json!({})).await;
    assert_eq!(
        reader["data"]["country"],
        json!({"name": "Germany", "officialName": "Federal Republic of Germany", "population": null})
    );
    assert_eq!(errors(&reader), [("FORBIDDEN".to_owned(), "[\"country\",\"population\"]".to_owned())]);
    let anonymous = running.client("anonymous").graphql(official, json!({})).await;
    assert_eq!(anonymous["data"]["country"]["officialName"], Value::Null);
    // the product decides by itself, also when the gateway is passed by
    let direct = running.client("anonymous").graphql_at("/products/countries/graphql", official, json!({})).await;
    assert_eq!(direct["data"]["country"]["population"], Value::Null);
    let filtered = "{ countries(filter: {population: {gt: \"1000000000\"}}) { nodes { name } } }";
    let direct = running.client("reader").graphql_at("/products/countries/graphql", filtered, json!({})).await;
    assert_eq!(errors(&direct)[0].0, "FORBIDDEN");
}

#[tokio::test]
async fn the_graph_is_introspectable_and_speaks_graphql_over_http() {
    let running = Running::start().await;
    let client = running.mesh.client();
    let schema = client
        .graphql(
            "{ __schema { queryType { name } types { name } } __type(name: \"Country\") { fields { name } } }",
            json!({}),
        )
        .await;
    let fields: Vec<&str> =
        schema["data"]["__type"]["fields"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert!(fields.contains(&"continent") && fields.contains(&"facts") && fields.contains(&"capital"), "{fields:?}");
    let get = client.get("/graphql?query=%7B__typename%7D").await;
    assert_eq!(get.json(), json!({"data": {"__typename": "Query"}}));
    let mutation = client.get("/graphql?query=mutation%7BrunPipeline(product:%22countries%22)%7Bid%7D%7D").await;
    assert_eq!(mutation.status, 405);
    let form = client.send(Method::POST, "/graphql", &[("content-type", "text/plain")], "{}").await;
    assert_eq!(form.status, 415);
    let accept = [("content-type", "application/json"), ("accept", "application/graphql-response+json")];
    let invalid = client.send(Method::POST, "/graphql", &accept, json!({"query": "{ nope }"}).to_string()).await;
    assert_eq!(invalid.status, 400);
    assert_eq!(invalid.json()["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert!(invalid.json().get("data").is_none());
    let broken = client.send(Method::POST, "/graphql", &accept, "{\"query\": 1}").await;
    assert_eq!(broken.status, 400);
    deferred_fields_come_in_parts(&client).await;
    let forged = client.with_token("a.b.c").graphql("{ __typename }", json!({})).await;
    assert_eq!(errors(&forged)[0].0, "UNAUTHENTICATED");
    assert_eq!(client.get("/health/live").await.status, 200);
    let metrics = client.get("/metrics").await.text();
    assert!(
        metrics.contains("terrane_graphql_requests_total{server=\"gateway\",outcome=\"answered\",status=\"2xx\"}"),
        "{metrics}"
    );
}

/// `@defer` over HTTP: in parts for who takes them, at once for others.
async fn deferred_fields_come_in_parts(client: &Client) {
    let query = "{ continent(code: \"EU\") { name ... @defer(label: \"facts\") { facts { countryCount } } } }";
    let body = json!({ "query": query }).to_string();
    let json = [("content-type", "application/json"), ("accept", "application/json")];
    let whole = client.send(Method::POST, "/graphql", &json, body.clone()).await;
    assert_eq!(whole.json(), json!({"data": {"continent": {"name": "Europe", "facts": {"countryCount": 53}}}}));
    let mixed = [("content-type", "application/json"), ("accept", "multipart/mixed, application/json")];
    let parts = client.send(Method::POST, "/graphql", &mixed, body).await;
    assert_eq!(
        (
            parts.status.as_u16(),
            parts.headers["content-type"].to_str().unwrap().starts_with("multipart/mixed; boundary=")
        ),
        (200, true)
    );
    let text = parts.text();
    let found: Vec<Value> = text
        .split("\r\n---")
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .map(|(_, json)| serde_json::from_str(json).unwrap())
        .collect();
    let pending = json!([{"id": "0", "path": ["continent"], "label": "facts"}]);
    let facts = json!([{"id": "0", "data": {"facts": {"countryCount": 53}}}]);
    assert_eq!(
        found,
        [
            json!({"data": {"continent": {"name": "Europe"}}, "pending": pending, "hasNext": true}),
            json!({"incremental": facts, "completed": [{"id": "0"}], "hasNext": false}),
        ]
    );
    assert!(text.ends_with("\r\n-----\r\n"), "{text:?}");
}

#[tokio::test]
async fn the_catalog_asks_the_products_as_the_caller() {
    let running = Running::start().await;
    let query = "{ products { id available info { name version owner { name } updatedAt
        datasets { name rows fields { name readable } } lineage { edges { from to } } qualityResults { passed } } } }";
    let answer = running.client("analyst").graphql(query, json!({})).await;
    assert_eq!(errors(&answer), []);
    let products = answer["data"]["products"].as_array().unwrap();
    let ids: Vec<&str> = products.iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["cities", "continents", "countries", "earthquakes", "geography"]);
    let countries = &products[2]["info"];
    assert_eq!(countries["datasets"][0]["rows"], 250);
    let readable = |info: &Value, name: &str| {
        info["datasets"][0]["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap()["readable"]
            .clone()
    };
    assert_eq!(readable(countries, "population"), true);
    let anonymous = running.client("anonymous").graphql(query, json!({})).await;
    assert_eq!(readable(&anonymous["data"]["products"][2]["info"], "population"), false);
    let found = running
        .mesh
        .client()
        .graphql("{ products(search: \"capital\") { id } product(id: \"nope\") { id } }", json!({}))
        .await;
    assert_eq!(found["data"], json!({"products": [{"id": "cities"}, {"id": "countries"}], "product": null}));
    // control is for roles that have it
    let run = "mutation { runPipeline(product: \"countries\") { state version steps { kind name rows } } }";
    let refused = running.client("analyst").graphql(run, json!({})).await;
    assert_eq!(errors(&refused)[0].0, "FORBIDDEN");
    let done = running.client("steward").graphql(run, json!({})).await;
    assert_eq!(
        (&done["data"]["runPipeline"]["state"], &done["data"]["runPipeline"]["version"]),
        (&json!("succeeded"), &json!(2))
    );
    let kinds: Vec<&str> =
        done["data"]["runPipeline"]["steps"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert!(["pull", "model", "check", "publish"].iter().all(|k| kinds.contains(k)), "{kinds:?}");
    // both attempts are on record
    let log = "{ auditLog(filter: {action: \"runPipeline\"}) { action subject roles allowed } }";
    let log = running.client("steward").graphql_at("/products/countries/graphql", log, json!({})).await;
    let entries: Vec<(&str, bool)> = log["data"]["auditLog"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["roles"][0].as_str().unwrap(), e["allowed"].as_bool().unwrap()))
        .collect();
    assert_eq!(entries, [("steward", true), ("analyst", false)]);
    // the same from the command line
    let state = running.state.path().to_str().unwrap();
    let ran = std::process::Command::new(BINARY)
        .args(["run", "continents", "--url", &running.mesh.base(), "--state", state])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("version 2 published"), "{told}");
    let steps: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for (kind, count) in [("pull", 1), ("model", 2), ("check", 1), ("publish", 1)] {
        assert_eq!(steps.iter().filter(|step| **step == kind).count(), count, "each step once: {told}");
    }
}

#[tokio::test]
async fn files_go_out_and_rows_come_in_under_the_same_policy() {
    let running = Running::start().await;
    let (anonymous, analyst, steward) =
        (running.client("anonymous"), running.client("analyst"), running.client("steward"));
    let csv = anonymous.get("/products/countries/output/countries.csv").await;
    let text = csv.text();
    let header = text.lines().next().unwrap();
    assert!(
        header.starts_with("code,") && !header.contains("population") && !header.contains("official_name"),
        "{header}"
    );
    assert_eq!(text.lines().count(), 251);
    assert!(text.contains("\r\nNA,") && text.contains("\r\nNO,"));
    let rows = analyst.get("/products/countries/output/countries.json?fields=code,population,languages").await.json();
    let china = rows.as_array().unwrap().iter().find(|r| r["code"] == "CN").unwrap();
    assert!(china["population"].as_i64().unwrap() > 1_000_000_000 && china["languages"].is_array());
    let lines = analyst.get("/products/countries/output/countries.ndjson").await.text();
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 250);
    let parquet = analyst.get("/products/countries/output/countries.parquet").await;
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    assert_eq!(anonymous.get("/products/countries/output/countries.csv?fields=population").await.status, 403);
    assert_eq!(anonymous.get("/products/countries/output/nope.csv").await.status, 404);
    let etag = csv.headers["etag"].to_str().unwrap().to_owned();
    let again =
        anonymous.send(Method::GET, "/products/countries/output/countries.csv", &[("if-none-match", &etag)], "").await;
    assert_eq!(again.status, 304);
    // rows come in
    let path = "/products/continents/input/continents_raw?mode=append";
    let current = steward.get("/products/continents/output/continents.ndjson").await.text();
    assert_eq!(current.lines().count(), 7);
    let ndjson = [("content-type", "application/x-ndjson"), ("idempotency-key", "k1")];
    assert_eq!(analyst.send(Method::POST, path, &ndjson, "{}").await.status, 403);
    let bad = steward.send(Method::POST, path, &ndjson, "{\"nope\": 1}\n").await;
    assert_eq!((bad.status.as_u16(), bad.json()["error"]["code"].clone()), (422, json!("BAD_ROW")));
    let dictionary = "{ product { inputPorts { dataset } } }";
    let ports = steward.graphql_at("/products/continents/graphql", dictionary, json!({})).await;
    let dataset = ports["data"]["product"]["inputPorts"][0]["dataset"].as_str().unwrap().to_owned();
    assert_eq!(dataset, "continents_raw");
    let csv = [("content-type", "text/csv"), ("idempotency-key", "k2")];
    let header = std::fs::read_to_string(repository().join("products/continents/data/continents.csv")).unwrap();
    let rows = header.lines().take(2).collect::<Vec<_>>().join("\n");
    let first = steward.send(Method::POST, path, &csv, rows.clone()).await;
    assert_eq!(
        (first.status.as_u16(), first.json()["rows"].clone(), first.json()["repeated"].clone()),
        (200, json!(1), json!(false)),
        "{}",
        first.text()
    );
    let second = steward.send(Method::POST, path, &csv, rows).await;
    assert_eq!(
        (second.json()["batch"].clone(), second.json()["repeated"].clone()),
        (first.json()["batch"].clone(), json!(true))
    );
    // the row is there twice now: a run over the input layer as it is finds that, and publishes nothing
    let run = "mutation { runPipeline(pull: false) { state errorCode error } }";
    let run = steward.graphql_at("/products/continents/graphql", run, json!({})).await;
    assert_eq!(run["data"]["runPipeline"]["errorCode"], "CHECKS_FAILED", "{run}");
    assert_eq!(steward.get("/products/continents/output/continents.ndjson").await.text(), current);
}

#[tokio::test]
async fn discovery_speaks_to_people_and_machines() {
    let running = Running::start().await;
    let client = running.mesh.client();
    let json = client.get("/products/countries/discovery").await.json();
    for key in [
        "name",
        "version",
        "owner",
        "description",
        "domain",
        "links",
        "datasets",
        "lineage",
        "qualityResults",
        "outputPorts",
        "updatedAt",
    ] {
        assert!(!json[key].is_null(), "{key}");
    }
    let agreements: Vec<&str> = json["links"].as_array().unwrap().iter().map(|l| l["kind"].as_str().unwrap()).collect();
    assert!(agreements.contains(&"dataSharingAgreement") && agreements.contains(&"dataConsumptionAgreement"));
    let html = client.send(Method::GET, "/products/countries/discovery", &[("accept", "text/html")], "").await;
    assert!(html.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(html.text().contains("Countries") && html.text().contains("<html"));
    let yaml = client.send(Method::GET, "/products/countries/discovery", &[("accept", "application/yaml")], "").await;
    assert!(yaml.text().contains("kind: DataProduct") && yaml.text().contains("kind: DataContract"));
    let market = client.send(Method::GET, "/", &[("accept", "text/html")], "").await.text();
    assert!(["Continents", "Countries", "Geography"].iter().all(|name| market.contains(name)));
    let page = client.get("/marketplace/countries").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(client.get("/graphiql").await.status, 200);
    assert_eq!(client.send(Method::GET, "/marketplace/nope", &[("accept", "text/html")], "").await.status, 404);
}
