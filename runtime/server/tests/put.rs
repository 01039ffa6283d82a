//! What is put in at run time: models and quality rules are checked before they are taken, hold in the next run, have a
//! history, and can be taken back; what a check found is shown to who may know it.

#![allow(clippy::unwrap_used, reason = "a test")]

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{
    ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, check_due_rules, router,
};
use terrane_testkit::{Client, fresh_database, product_folder};

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

/// A product on a socket, with nothing published, a steward's client, and nobody's.
async fn served(product: &str) -> (ProductService, Client, Client) {
    let url = fresh_database().await;
    let auth = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
    let options = ServiceOptions {
        folder: product_folder(product),
        store: StoreOptions::new(&url),
        authenticator: Authenticator::new(&auth).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(service.clone())).into_future());
    let nobody = Client::new(base);
    (service, nobody.with_token(token("steward")), nobody)
}

fn token(role: &str) -> String {
    let roles = vec![role.to_owned()];
    issue(SECRET, &TokenRequest { subject: "grace".to_owned(), roles, lifetime_seconds: 3600, ..Default::default() })
        .unwrap()
}

async fn run(service: &ProductService) -> terrane_runtime::Run {
    service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull: true }).await.unwrap()
}

const PUT: &str = "mutation($layer: String!, $name: String!, $sql: String) { putModel(layer: $layer, name: $name, sql: $sql) \
                   { path putBy } }";

async fn put(client: &Client, layer: &str, name: &str, sql: Option<&str>) -> Value {
    client.graphql(PUT, json!({"layer": layer, "name": name, "sql": sql})).await
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}

async fn names(service: &ProductService) -> Vec<String> {
    let rows = sqlx::query_scalar("SELECT name FROM output.continents ORDER BY code");
    rows.fetch_all(service.store().query()).await.unwrap()
}

#[tokio::test]
async fn a_model_is_put_in_used_by_the_next_run_and_taken_back() {
    let (service, steward, _) = served("continents").await;
    assert_eq!(run(&service).await.state, "succeeded");
    let text = "SELECT upper(trim(code)) AS code, upper(trim(name)) AS name, \
                nullif(trim(latitude), '')::double precision AS latitude, \
                nullif(trim(longitude), '')::double precision AS longitude, \
                'https://' || nullif(trim(wikipedia), '') AS wikipedia_url, \
                nullif(trim(geonameid), '')::bigint AS source_record_id FROM input.continents_raw";
    let done = put(&steward, "abstraction", "continents", Some(text)).await;
    let path = "models/abstraction/continents.sql";
    assert_eq!(done["data"]["putModel"], json!({"path": path, "putBy": "grace"}), "{done}");
    assert!(names(&service).await.contains(&"Europe".to_owned()), "nothing has changed yet");
    assert!(service.is_stale().await.unwrap(), "the next start would run it");
    assert_eq!(run(&service).await.state, "succeeded");
    assert!(names(&service).await.contains(&"EUROPE".to_owned()));
    let asked = "{ models { layer name isPut reads } modelHistory(layer: \"abstraction\", name: \"continents\") { sql putBy } }";
    let shown = steward.graphql(asked, Value::Null).await;
    assert_eq!(shown["data"]["models"][0]["isPut"], json!(true), "{shown}");
    assert_eq!(shown["data"]["models"][1]["reads"], json!(["abstraction.continents"]), "{shown}");
    // taken back, and it is on record that it was there
    put(&steward, "abstraction", "continents", None).await;
    assert_eq!(run(&service).await.state, "succeeded");
    assert!(names(&service).await.contains(&"Europe".to_owned()));
    let history = steward.graphql(asked, Value::Null).await;
    assert_eq!(
        history["data"]["modelHistory"],
        json!([{"sql": null, "putBy": "grace"}, {"sql": text, "putBy": "grace"}])
    );
}

#[tokio::test]
async fn a_model_that_could_do_harm_or_does_not_fit_is_refused() {
    let (service, steward, nobody) = served("continents").await;
    let columns = "name, latitude, longitude, wikipedia_url, source_record_id";
    for (layer, name, sql, expected) in [
        ("output", "continents", "DROP TABLE output.continents".to_owned(), "MODEL_SQL"),
        ("output", "continents", "SELECT * FROM security.policies".to_owned(), "MODEL_SQL"),
        ("output", "continents", "SELECT pg_sleep(100)".to_owned(), "MODEL_SQL"),
        ("output", "continents", "SELECT 1; SELECT 2".to_owned(), "MODEL_SQL"),
        ("output", "continents", format!("SELECT {columns} FROM abstraction.continents"), "MODEL_COLUMN"),
        ("output", "continents", "SELECT code FROM abstraction.nowhere".to_owned(), "MODEL_COLUMN"),
        ("output", "others", "SELECT 1 AS code".to_owned(), "MODEL_CONTRACT"),
        ("abstraction", "continents", "SELECT code FROM output.continents".to_owned(), "MODEL_CYCLE"),
        // what only Postgres knows: a text is no number, and another model would miss a column
        ("output", "continents", "SELECT code, name, name AS latitude, longitude, wikipedia_url, source_record_id FROM abstraction.continents".to_owned(), "MODEL_FAILED"),
        ("abstraction", "continents", "SELECT code FROM input.continents_raw".to_owned(), "MODEL_FAILED"),
        ("abstraction", "more", "SELECT lower(latitude, 3) AS x FROM input.continents_raw".to_owned(), "MODEL_FAILED"),
        ("../../etc", "passwd", "SELECT 1 AS x".to_owned(), "MODEL_FILE"),
    ] {
        let answer = put(&steward, layer, name, Some(&sql)).await;
        assert_eq!(code(&answer), expected, "{sql}: {answer}");
    }
    let answer = put(&nobody, "abstraction", "more", Some("SELECT 1 AS x")).await;
    assert_eq!(code(&answer), "FORBIDDEN");
    assert!(service.store().put_models().await.unwrap().is_empty(), "nothing is kept of what is refused");
}

#[tokio::test]
async fn a_model_is_checked_without_being_put_in() {
    let (service, steward, nobody) = served("continents").await;
    assert_eq!(run(&service).await.state, "succeeded");
    let asked = "query($layer: String!, $name: String!, $sql: String!) { checkModel(layer: $layer, name: $name, sql: $sql) { \
                 accepted plan materialized reads diagnostics { code severity message file line column } columns { column \
                 direct origins } stages { name action detail } } }";
    let check = async |name: &str, sql: &str| {
        let answer = steward.graphql(asked, json!({"layer": "abstraction", "name": name, "sql": sql})).await;
        answer["data"]["checkModel"].as_object().unwrap_or_else(|| panic!("{answer}")).clone()
    };
    let own = service.product().models.iter().find(|m| m.layer.name() == "abstraction").unwrap().sql.clone();

    // what would come of it: how it is made, of what, and what goes with it
    let good = check("continents", &format!("\n  {}", own.replacen("SELECT", "SELECT DISTINCT", 1))).await;
    assert_eq!((&good["accepted"], &good["diagnostics"]), (&json!(true), &json!([])), "{good:?}");
    assert!(good["plan"].as_str().unwrap().contains("continents_raw"), "{good:?}");
    assert_eq!(good["reads"], json!(["input.continents_raw"]));
    let column = good["columns"].as_array().unwrap().iter().find(|c| c["column"] == "code").unwrap();
    assert_eq!(column["origins"], json!(["input.continents_raw.code"]), "{good:?}");
    let stages = good["stages"].as_array().unwrap();
    let said: Vec<_> = stages.iter().map(|s| (s["name"].as_str().unwrap(), s["action"].as_str().unwrap())).collect();
    assert_eq!(said, [("abstraction.continents", "build"), ("output.continents", "build")], "{good:?}");
    // the same text again would change nothing
    let same = check("continents", &own).await;
    assert!(same["stages"].as_array().unwrap().iter().all(|stage| stage["action"] == "keep"), "{same:?}");

    // what is wrong is told with its place: by the parser, by what is known of the product, by Postgres
    for (sql, code, place) in [
        ("SELECT code\nFROM input.continents_raw )", "MODEL_SQL", (2, 27)),
        ("SELECT 1 AS x; SELECT 2 AS y", "MODEL_SQL", (1, 1)),
        ("SELECT code FROM abstraction.nowhere", "MODEL_TABLE", (1, 1)),
        ("\n\nSELECT code,\n  name FROM abstraction.continents WHERE lower(name, 3) = 'x'", "MODEL_FAILED", (2, 42)),
    ] {
        let bad = check("more", sql).await;
        let found = &bad["diagnostics"][0];
        assert_eq!((&bad["accepted"], &bad["plan"]), (&json!(false), &Value::Null), "{bad:?}");
        assert_eq!((found["code"].as_str(), found["severity"].as_str()), (Some(code), Some("error")), "{bad:?}");
        assert_eq!((&found["line"], &found["column"]), (&json!(place.0), &json!(place.1)), "{bad:?}");
    }
    // a model that another one needs
    let breaks = check("continents", "SELECT code FROM input.continents_raw").await;
    assert_eq!(breaks["diagnostics"][0]["file"], json!("models/output/continents.sql"), "{breaks:?}");

    // nothing is put in, nothing of it runs, and it is for who may put in
    assert!(service.store().put_models().await.unwrap().is_empty());
    let slow = check("more", "SELECT count(*) AS x FROM generate_series(1, 1000000000000) AS n").await;
    assert_eq!(slow["accepted"], json!(true), "{slow:?}");
    let analyst = nobody.with_token(token("analyst"));
    for other in [&nobody, &analyst] {
        let answer =
            other.graphql(asked, json!({"layer": "abstraction", "name": "more", "sql": "SELECT 1 AS x"})).await;
        assert_eq!(code(&answer), "FORBIDDEN");
    }
}

#[tokio::test]
async fn the_rules_that_hold_are_told_as_they_can_be_put_in() {
    let (service, steward, nobody) = served("countries").await;
    let asked = "{ qualityRules { dataset field id rule isPut } }";
    let told = async || steward.graphql(asked, Value::Null).await["data"]["qualityRules"].as_array().unwrap().clone();
    let rules = told().await;
    assert!(!rules.is_empty() && rules.iter().all(|rule| rule["isPut"] == false), "{rules:?}");
    // each can be put in as it was told, and is the contract's still
    let put = "mutation($dataset: String!, $field: String, $id: String!, $rule: JSON) { putQualityRule(dataset: $dataset, field: \
               $field, id: $id, rule: $rule) { id } }";
    for rule in &rules {
        let answer = steward.graphql(put, rule.clone()).await;
        assert!(answer["errors"].is_null(), "{rule}: {answer}");
    }
    assert_eq!(told().await, rules);
    let mut changed = rules[0].clone();
    changed["rule"]["description"] = json!("another one");
    steward.graphql(put, changed.clone()).await;
    changed["isPut"] = json!(true);
    assert_eq!(told().await[0], changed);
    assert_eq!(code(&nobody.graphql(asked, Value::Null).await), "FORBIDDEN");
    drop(service);
}

#[tokio::test]
async fn a_rule_is_put_in_blocks_the_next_run_and_is_taken_back() {
    let (service, steward, nobody) = served("countries").await;
    assert_eq!(run(&service).await.state, "succeeded");
    let put = "mutation($rule: JSON) { putQualityRule(dataset: \"countries\", field: \"population\", id: \"small\", rule: \
               $rule) { id putBy } }";
    let rule = json!({"id": "small", "metric": "invalidValues", "arguments": {"pattern": "^[0-9]{1,7}$"}, "mustBe": 0});
    let done = steward.graphql(put, json!({"rule": rule})).await;
    assert_eq!(done["data"]["putQualityRule"], json!({"id": "small", "putBy": "grace"}), "{done}");
    let failed = run(&service).await;
    assert_eq!((failed.state.as_str(), failed.error_code.as_deref()), ("failed", Some("CHECKS_FAILED")), "{failed:?}");
    // what was found: the steward reads the field, nobody else knows a number or a row
    let asked = "{ qualityHistory(dataset: \"countries\", rule: \"small\") { runId version result { passed measured sample } } }";
    let found = steward.graphql(asked, Value::Null).await;
    let result = &found["data"]["qualityHistory"][0]["result"];
    assert_eq!(result["passed"], json!(false), "{found}");
    assert!(result["measured"].as_str().unwrap().parse::<u32>().unwrap() > 50, "{found}");
    assert!(result["sample"][0]["code"].is_string(), "{found}");
    let hidden = nobody.graphql(asked, Value::Null).await;
    let result = &hidden["data"]["qualityHistory"][0]["result"];
    assert_eq!(*result, json!({"passed": false, "measured": null, "sample": []}), "{hidden}");
    // a warning flags, and a rule that is taken back is gone
    let mut flagged = rule.clone();
    flagged["severity"] = json!("warning");
    steward.graphql(put, json!({"rule": flagged})).await;
    assert_eq!(run(&service).await.state, "succeeded");
    let taken = steward.graphql(put, json!({"rule": null})).await;
    assert!(taken["errors"].is_null(), "{taken}");
    assert_eq!(run(&service).await.state, "succeeded");
    let newest = steward.graphql("{ qualityResults { rule } }", Value::Null).await;
    assert!(!newest.to_string().contains("\"small\""));
    let history =
        steward.graphql("{ qualityRuleHistory(dataset: \"countries\", id: \"small\") { rule } }", Value::Null).await;
    assert_eq!(history["data"]["qualityRuleHistory"], json!([{"rule": null}, {"rule": flagged}, {"rule": rule}]));
    // what is wrong is refused
    for (wrong, expected) in [
        (json!({"id": "small", "metric": "sums", "mustBe": 0}), "QUALITY_METRIC"),
        (json!({"id": "other", "metric": "nullValues", "mustBe": 0}), "QUALITY_ID"),
        (json!({"id": "small", "metric": "nullValues"}), "QUALITY_OPERATOR"),
        (json!({"id": "small", "type": "sql", "query": "SELECT pg_sleep(9)", "mustBe": 0}), "QUALITY_SQL"),
        (
            json!({"id": "small", "type": "sql", "query": "SELECT sum(nothing) FROM {object}", "mustBe": 0}),
            "QUALITY_SQL",
        ),
    ] {
        let answer = steward.graphql(put, json!({"rule": wrong})).await;
        assert_eq!(code(&answer), expected, "{wrong}: {answer}");
    }
}

#[tokio::test]
async fn a_plan_says_what_a_run_would_build_and_lineage_says_from_what() {
    let (service, steward, _) = served("countries").await;
    let asked = "query($pull: Boolean!) { pipelinePlan(pull: $pull) { level kind name action } }";
    let actions = |answer: &Value| -> Vec<(String, String)> {
        let stages = answer["data"]["pipelinePlan"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let text = |stage: &Value, key: &str| stage[key].as_str().unwrap().to_owned();
        stages.iter().map(|stage| (text(stage, "name"), text(stage, "action"))).collect()
    };
    let action = |all: &[(String, String)], name: &str| all.iter().find(|(n, _)| n == name).unwrap().1.clone();
    let before = actions(&steward.graphql(asked, json!({"pull": false})).await);
    assert_eq!(action(&before, "output.countries"), "build");
    assert_eq!(run(&service).await.state, "succeeded");
    let after = actions(&steward.graphql(asked, json!({"pull": false})).await);
    assert_eq!(action(&after, "output.countries"), "keep", "{after:?}");
    let pulling = actions(&steward.graphql(asked, json!({"pull": true})).await);
    assert_eq!(action(&pulling, "output.countries"), "build-if-changed", "{pulling:?}");
    // the same sources again: nothing is built, and the version is the same
    let again = run(&service).await;
    let steps = service.store().steps(&[again.id]).await.unwrap();
    let models: Vec<_> = steps.iter().filter(|step| step.kind == "model").collect();
    assert!(
        models.len() == 6 && models.iter().all(|s| s.detail.as_ref().unwrap().starts_with("taken over")),
        "{models:#?}"
    );
    let lineage = steward.graphql("{ lineage { columns { node column direct origins } } }", Value::Null).await;
    let columns = lineage["data"]["lineage"]["columns"].as_array().unwrap();
    let languages = columns.iter().find(|c| c["node"] == "output.countries" && c["column"] == "languages").unwrap();
    assert_eq!(languages["origins"], json!(["input.countries_raw.languages"]), "{languages}");
}

#[tokio::test]
async fn a_rule_with_a_schedule_is_checked_again_once_for_each_time_that_is_due() {
    let (service, steward, _) = served("countries").await;
    assert_eq!(run(&service).await.state, "succeeded");
    let put = "mutation($rule: JSON) { putQualityRule(dataset: \"countries\", field: \"population\", id: \"small\", rule: \
               $rule) { id } }";
    let rule = json!({"id": "small", "metric": "invalidValues", "arguments": {"pattern": "^[0-9]{1,7}$"}, "mustBe": 0,
                      "severity": "warning", "schedule": "0 3 * * *", "scheduler": "cron"});
    let done = steward.graphql(put, json!({"rule": rule})).await;
    assert_eq!(done["data"]["putQualityRule"]["id"], "small", "{done}");
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let history = async || {
        let asked = "{ qualityHistory(dataset: \"countries\", rule: \"small\") { runId version result { passed } } }";
        steward.graphql(asked, Value::Null).await["data"]["qualityHistory"].clone()
    };
    // a rule that is new waits for its next time
    assert_eq!(check_due_rules(&service, at("2026-01-01T12:00:00Z")).await.unwrap(), 0);
    assert_eq!(check_due_rules(&service, at("2026-01-02T02:59:59Z")).await.unwrap(), 0);
    assert_eq!(history().await, json!([]));
    let found = json!([{"runId": null, "version": 1, "result": {"passed": false}}]);
    // two replicas: one of them checks
    let (one, other) = tokio::join!(
        check_due_rules(&service, at("2026-01-02T03:00:00Z")),
        check_due_rules(&service, at("2026-01-02T03:00:01Z"))
    );
    assert_eq!(one.unwrap() + other.unwrap(), 1, "one rule of many, by one of them");
    assert_eq!(history().await, found);
    assert_eq!(check_due_rules(&service, at("2026-01-02T23:00:00Z")).await.unwrap(), 0);
    // nothing of what is published has changed
    assert_eq!(service.store().current_version().await.unwrap().unwrap().version, 1);
    assert_eq!(check_due_rules(&service, at("2026-01-05T03:00:00Z")).await.unwrap(), 1);
    assert_eq!(history().await.as_array().unwrap().len(), 2);
}
