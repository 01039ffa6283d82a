//! The audit log: who did what is on record before it is answered, is seen by those who may, and can't be changed unseen.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::BTreeMap;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{
    AuditOptions, ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router,
};
use terrane_testkit::{fresh_database, product_folder};
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const LOG: &str = "query($filter: AuditLogFilter, $before: Int, $first: Int! = 50) { auditLog(filter: $filter, before: \
    $before, first: $first) { position subject roles credential action object dataset allowed rules code status request \
    clientName forwarded version rows bytes ends broken detail operations { kind name hash ports rules rows reads { dataset \
    fields masked denied } } } }";
const VERIFY: &str = "query($position: Int, $hash: String) { auditVerification(position: $position, hash: $hash) { intact \
    entries removedThrough position hash brokenAt broken } }";

/// A process that serves the product `countries`.
struct Served {
    service: ProductService,
    router: Router,
    login: PgPool,
    url: String,
}

impl Served {
    async fn open(url: &str, audit: AuditOptions) -> Self {
        let options = ServiceOptions {
            folder: product_folder("countries"),
            store: StoreOptions { audit, ..StoreOptions::new(url) },
            authenticator: Authenticator::new(&JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() })
                .unwrap(),
            upstreams: Upstreams::new(),
        };
        let service = ProductService::open(options).await.unwrap();
        Self {
            router: router(service.clone()),
            service,
            login: PgPool::connect_lazy(url).unwrap(),
            url: url.to_owned(),
        }
    }

    async fn published() -> Self {
        Self::published_with(AuditOptions::default()).await
    }

    async fn published_with(audit: AuditOptions) -> Self {
        let served = Self::open(&fresh_database().await, audit).await;
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
        assert_eq!(served.service.run(&request).await.unwrap().state, "succeeded");
        served
    }

    fn as_who(&self, subject: &str, role: &str) -> Who {
        let roles = vec![role.to_owned()];
        let request = TokenRequest { subject: subject.to_owned(), roles, lifetime_seconds: 3600, claims: Map::new() };
        Who { router: self.router.clone(), token: Some(issue(SECRET, &request).unwrap()) }
    }

    fn nobody(&self) -> Who {
        Who { router: self.router.clone(), token: None }
    }

    /// As who may do anything with the database.
    async fn tamper(&self, sql: &'static str) {
        // by record: each becomes a block of its own
        let text = format!(
            "ALTER TABLE control.audit_blocks DISABLE TRIGGER USER; CREATE TABLE public.audit AS TABLE control.audit; {sql}; \
             DELETE FROM control.audit_blocks; INSERT INTO control.audit_blocks SELECT position, position, (record ->> \
             'at')::bigint, (record ->> 'at')::bigint, array_remove(ARRAY[record ->> 'subject'], NULL), ARRAY[record ->> \
             'action'], ARRAY[record::text], ARRAY[hash] FROM public.audit; DROP TABLE public.audit; ALTER TABLE \
             control.audit_blocks ENABLE TRIGGER USER"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&self.login).await.unwrap();
    }
}

/// Somebody at a process.
struct Who {
    router: Router,
    token: Option<String>,
}

impl Who {
    async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
        let request = match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let (head, body) = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes().to_vec())
    }

    /// Ask under an id.
    async fn ask_as(&self, id: &str, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = Request::post("/graphql").header("content-type", "application/json").header("x-request-id", id);
        serde_json::from_slice(&self.send(request, body).await.1).unwrap()
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        self.ask_as("unnamed", query, variables).await
    }

    async fn log(&self, filter: Value) -> Vec<Value> {
        let answer = self.ask(LOG, json!({ "filter": filter })).await;
        answer["data"]["auditLog"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// The entries of a request, in order.
    async fn of(&self, request: &str) -> Vec<Value> {
        let mut entries = self.log(json!({ "request": request })).await;
        entries.reverse();
        entries
    }

    async fn verify(&self, noted: Value) -> Value {
        let mut answer = self.ask(VERIFY, noted).await;
        assert!(answer["errors"].is_null(), "{answer}");
        answer["data"]["auditVerification"].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_access_is_on_record_with_what_was_read_and_by_which_rule() {
    let served = Served::published().await;
    let [reader, steward] = [("rita", "reader"), ("sam", "steward")].map(|(who, role)| served.as_who(who, role));
    let text = "query Big { countries(first: 3, filter: {areaKm2: {gt: 1}}, orderBy: [{field: CODE}]) { nodes { name population } } }";
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("x-request-id", "q-1")
        .header("x-client-name", "a notebook")
        .header("x-forwarded-for", "192.0.2.7");
    let (_, body) = reader.send(request, json!({ "query": text }).to_string()).await;
    let [query] = steward.of("q-1").await.try_into().unwrap();
    assert_eq!(
        (&query["subject"], &query["action"], &query["roles"], &query["status"]),
        (&json!("rita"), &json!("query"), &json!(["reader"]), &json!(200))
    );
    assert_eq!((&query["clientName"], &query["forwarded"]), (&json!("a notebook"), &json!("192.0.2.7")));
    assert_eq!(query["bytes"], body.len());
    // the population is denied to readers, and so that is not all allowed
    assert_eq!((&query["allowed"], &query["code"]), (&json!(false), &json!("FORBIDDEN")));
    let operation = &query["operations"][0];
    let read =
        json!({"dataset": "countries", "fields": ["area_km2", "code", "name"], "masked": [], "denied": ["population"]});
    assert_eq!(
        (&operation["name"], &operation["reads"], &operation["rows"]),
        (&json!("Big"), &json!([read]), &json!(3))
    );
    let rules: Vec<&str> = operation["rules"].as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect();
    assert!(rules.contains(&"no line allows read on countries.population"), "{rules:?}");
    assert!(rules.contains(&"p, reader, countries.name, read, allow"), "{rules:?}");
    assert_eq!(operation["hash"].as_str().unwrap().len(), 32);
    assert!(query["credential"].as_str().unwrap().starts_with("bearer "), "{query}");

    // entities, in another shape of the same table
    let entities = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Country { name } } }";
    let representations =
        json!({"r": [{"__typename": "Country", "code": "NO"}, {"__typename": "Country", "code": "FR"}]});
    reader.ask_as("e-1", entities, representations).await;
    let [entry] = steward.of("e-1").await.try_into().unwrap();
    assert_eq!((&entry["allowed"], &entry["operations"][0]["rows"]), (&json!(true), &json!(2)));
    assert_eq!(entry["operations"][0]["reads"][0]["fields"], json!(["code", "name"]));
    // what asks for the form alone is no access
    reader.ask_as("i-1", "{ __schema { queryType { name } } _service { sdl } product { id } }", json!({})).await;
    assert_eq!(steward.of("i-1").await.len(), 0);
    // the port that tools read by
    reader.ask_as("r-1", "{ rows(dataset: \"countries\", columns: [\"code\"], first: 5) { rows } }", json!({})).await;
    let [rows] = steward.of("r-1").await.try_into().unwrap();
    assert_eq!(rows["operations"][0]["ports"], json!(["rows"]));
    // one more than the page has: it says whether there is a next page
    assert_eq!(
        (&rows["operations"][1]["rows"], &rows["operations"][1]["reads"][0]["dataset"]),
        (&json!(6), &json!("countries"))
    );
    assert_eq!(rows["rules"], json!(["p, reader, port:discovery, read, allow"]));

    // what is refused as a whole, and who is not known
    reader.ask_as("f-1", "{ countries(filter: {population: {gt: 1}}) { totalCount } }", json!({})).await;
    let [refused] = steward.of("f-1").await.try_into().unwrap();
    assert_eq!((&refused["allowed"], &refused["code"]), (&json!(false), &json!("FORBIDDEN")));
    let forged = Who { router: served.router.clone(), token: Some("forged".to_owned()) };
    forged.ask_as("u-1", "{ countries { totalCount } }", json!({})).await;
    let [unknown] = steward.of("u-1").await.try_into().unwrap();
    assert_eq!(
        (&unknown["allowed"], &unknown["code"], &unknown["status"]),
        (&json!(false), &json!("UNAUTHENTICATED"), &json!(401))
    );
    assert_eq!(unknown["subject"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_feeds_are_on_record_with_their_end_and_changes_before_they_are_made() {
    let served = Served::published().await;
    let [analyst, steward] = [("anna", "analyst"), ("sam", "steward")].map(|(who, role)| served.as_who(who, role));
    let named = |request: http::request::Builder, id: &str| request.header("x-request-id", id);
    let (_, file) =
        analyst.send(named(Request::get("/output/countries.csv?fields=code,name&limit=7"), "x-1"), "").await;
    let [begin, end] = steward.of("x-1").await.try_into().unwrap();
    assert_eq!((&begin["action"], &begin["ends"], &end["ends"]), (&json!("export"), &json!(false), &json!(true)));
    assert_eq!((&end["operations"][0]["rows"], &end["bytes"]), (&json!(7), &json!(file.len())));
    assert_eq!(end["broken"], false);
    let (status, _) =
        served.nobody().send(named(Request::get("/output/countries.csv?fields=official_name"), "x-2"), "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let [refused] = steward.of("x-2").await.try_into().unwrap();
    assert_eq!(
        (&refused["allowed"], &refused["status"], &refused["credential"]),
        (&json!(false), &json!(403), &json!("none"))
    );

    // a feed that its client leaves
    let request = named(Request::get("/output/countries/changes?fields=code"), "c-1");
    let response = analyst.router.clone().oneshot(
        request
            .header("authorization", format!("Bearer {}", analyst.token.as_deref().unwrap()))
            .body(Body::empty())
            .unwrap(),
    );
    let response = response.await.unwrap();
    let [opened] = steward.of("c-1").await.try_into().unwrap();
    assert_eq!((&opened["action"], &opened["ends"]), (&json!("changes"), &json!(false)));
    drop(response);
    let [_, left] = steward.of("c-1").await.try_into().unwrap();
    assert_eq!((&left["ends"], &left["broken"]), (&json!(true), &json!(true)));

    // changes: with their arguments, and with their end
    let run = "mutation { runPipeline(pull: false) { state } }";
    steward.ask_as("m-1", run, json!({})).await;
    let [before, after] = steward.of("m-1").await.try_into().unwrap();
    assert_eq!(
        (&before["action"], &before["detail"], &before["ends"]),
        (&json!("runPipeline"), &json!({"pull": false}), &json!(false))
    );
    assert_eq!(before["rules"], json!(["p, steward, port:control, run, allow"]));
    assert_eq!((&after["action"], &after["ends"]), (&json!("mutation"), &json!(true)));
    analyst.ask_as("m-2", run, json!({})).await;
    let denied = &steward.of("m-2").await[0];
    assert_eq!((&denied["action"], &denied["allowed"]), (&json!("runPipeline"), &json!(false)));
    assert_eq!(denied["rules"], json!(["no line allows run on port:control"]));
    // steps of access are in the log once, by the record of access
    let ask = "mutation { grant(subject: \"eve\", role: \"analyst\", purpose: \"a study\", duration: \"1h\") { id } }";
    let granted = steward.ask_as("g-1", ask, json!({})).await;
    let log = steward.log(json!({"action": "grantAccess"})).await;
    assert_eq!((log.len(), &log[0]["detail"]["grant"]), (1, &granted["data"]["grant"]["id"]));
    let eve = served.as_who("eve", "reader");
    eve.ask_as("g-2", "{ countries(first: 1) { nodes { population } } }", json!({})).await;
    let by_grant = &steward.of("g-2").await[0];
    assert_eq!((&by_grant["allowed"], &by_grant["roles"]), (&json!(true), &json!(["analyst", "reader"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_reads_the_log_and_nobody_changes_it() {
    let served = Served::published().await;
    let steward = served.as_who("sam", "steward");
    for who in [served.as_who("rita", "reader"), served.as_who("anna", "analyst"), served.nobody()] {
        for ask in
            ["{ auditLog { position } }", "{ auditVerification { intact } }", "{ usage { datasets { consumer } } }"]
        {
            let answer = who.ask(ask, json!({})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
        }
        assert_eq!(who.send(Request::get("/audit/log.ndjson"), "").await.0, StatusCode::FORBIDDEN);
    }
    // that is on record, too
    assert_eq!(steward.log(json!({"action": "exportAudit", "allowed": false})).await.len(), 3);
    let store = served.service.store();
    for statement in ["SELECT * FROM control.audit", "SELECT * FROM control.usage", "SELECT * FROM control.audit_head"]
    {
        assert!(sqlx::query(statement).execute(store.query()).await.is_err(), "query: {statement}");
        assert!(sqlx::query(statement).execute(store.pipeline()).await.is_err(), "pipeline: {statement}");
    }
    for statement in [
        "UPDATE control.audit_blocks SET hashes = '{}'",
        "DELETE FROM control.audit_blocks",
        "TRUNCATE control.audit_blocks",
        "INSERT INTO control.audit_checkpoints (position, hash) VALUES (1, '')",
        "DELETE FROM control.usage",
    ] {
        assert!(sqlx::query(statement).execute(store.control()).await.is_err(), "control: {statement}");
    }
    // the owner of the tables does not either, by mistake
    for statement in [
        "UPDATE control.audit_blocks SET hashes = '{}'",
        "DELETE FROM control.audit_blocks",
        "TRUNCATE control.audit_blocks",
    ] {
        assert!(sqlx::query(statement).execute(store.owner()).await.is_err(), "owner: {statement}");
    }

    // pages: every entry once, in order
    let mut seen = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = steward.ask(LOG, json!({"before": before, "first": 3})).await;
        let page: Vec<i64> =
            page["data"]["auditLog"].as_array().unwrap().iter().map(|e| e["position"].as_i64().unwrap()).collect();
        let Some(last) = page.last() else { break };
        before = json!(last);
        seen.extend(page);
    }
    assert_eq!(seen, (1..=seen[0]).rev().collect::<Vec<i64>>());

    // the same as files
    let (status, text) = steward.send(Request::get("/audit/log.ndjson"), "").await;
    assert_eq!(status, StatusCode::OK);
    let lines: Vec<Value> =
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= seen.len(), "{} of {}", lines.len(), seen.len());
    assert!(lines.iter().zip(1..).all(|(line, position)| line["position"] == position));
    let (_, csv) = steward.send(Request::get("/audit/log.csv?action=exportAudit"), "").await;
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.starts_with("position,at,action,") && csv.lines().count() >= 4, "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_removes_or_reorders_entries_is_found_out() {
    let served = Served::published().await;
    let steward = served.as_who("sam", "steward");
    for _ in 0..12 {
        steward.ask("{ countries { totalCount } }", json!({})).await;
    }
    let whole = steward.verify(json!({})).await;
    assert_eq!((&whole["intact"], &whole["brokenAt"]), (&json!(true), &Value::Null));
    let noted = json!({"position": whole["position"], "hash": whole["hash"]});
    assert_eq!(steward.verify(noted.clone()).await["intact"], true);
    sqlx::raw_sql(
        "CREATE TABLE public.good AS TABLE control.audit; CREATE TABLE public.good_head AS TABLE control.audit_head",
    )
    .execute(&served.login)
    .await
    .unwrap();
    let cases = [
        ("UPDATE public.audit SET record = replace(record::text, 'sam', 'tom')::json WHERE position = 5", 5, "changed"),
        ("DELETE FROM public.audit WHERE position = 6", 6, "the record was removed"),
        ("DELETE FROM public.audit WHERE position IN (7, 8)", 7, "the records 7 to 8 were removed"),
        (
            "WITH a AS (SELECT * FROM public.audit WHERE position = 3), b AS (SELECT * FROM public.audit WHERE position = 4), \
             c AS (UPDATE public.audit t SET record = b.record, hash = b.hash FROM b WHERE t.position = 3) \
             UPDATE public.audit t SET record = a.record, hash = a.hash FROM a WHERE t.position = 4",
            3,
            "place was changed",
        ),
        ("DELETE FROM public.audit WHERE position <= 2", 1, "the records 1 to 2 were removed"),
        (
            "INSERT INTO control.audit_checkpoints SELECT position, hash FROM public.audit WHERE position = 2; \
             DELETE FROM public.audit WHERE position <= 2",
            2,
            "not because they were old",
        ),
    ];
    for (how, at, what) in cases {
        served.tamper(how).await;
        let found = steward.verify(json!({})).await;
        assert_eq!((&found["intact"], &found["brokenAt"]), (&json!(false), &json!(at)), "{how}: {found}");
        assert!(found["broken"].as_str().unwrap().contains(what), "{found}");
        // as it was, with all that was appended since taken back
        served
            .tamper("DELETE FROM public.audit; INSERT INTO public.audit SELECT * FROM public.good; DELETE FROM control.audit_checkpoints; \
                     UPDATE control.audit_head h SET position = g.position, hash = g.hash FROM public.good_head g")
            .await;
    }
    // who takes away the newest entries leaves the head behind; who changes that as well is found out by what was noted
    served.tamper("DELETE FROM public.audit WHERE position > 9").await;
    let found = served.service.store().verify_audit(None).await.unwrap();
    assert_eq!(found.broken.unwrap().position, 10);
    let cut = "DELETE FROM public.audit WHERE position > 9; UPDATE control.audit_head SET position = 9, hash = (SELECT hash \
               FROM public.audit WHERE position = 9)";
    served.tamper(cut).await;
    let store = served.service.store();
    assert_eq!(store.verify_audit(None).await.unwrap().broken, None);
    let expected = (whole["position"].as_i64().unwrap(), whole["hash"].as_str().unwrap().to_owned());
    assert!(store.verify_audit(Some(expected)).await.unwrap().broken.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_came_together_are_each_proved_and_so_is_what_they_are_looked_up_by() {
    let served = Served::published().await;
    let (rita, steward) = (served.as_who("rita", "reader"), served.as_who("sam", "steward"));
    for _ in 0..40 {
        rita.ask("{ countries { totalCount } }", json!({})).await;
    }
    assert_eq!(steward.verify(json!({})).await["intact"], true);
    let first: i64 = sqlx::query_scalar("SELECT first FROM control.audit_blocks ORDER BY last - first DESC LIMIT 1")
        .fetch_one(&served.login)
        .await
        .unwrap();
    let by_all = async |sql: String| {
        let text = format!(
            "ALTER TABLE control.audit_blocks DISABLE TRIGGER USER; {sql}; ALTER TABLE control.audit_blocks ENABLE TRIGGER USER"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&served.login).await.unwrap();
    };
    by_all(format!("CREATE TABLE public.good AS SELECT * FROM control.audit_blocks WHERE first = {first}")).await;
    for (how, at) in [
        ("records[2] = records[3]", first + 1),
        ("hashes[3] = hashes[2]", first + 2),
        ("records = records[1:3] || records[5:]", first + 3),
        ("records = records[1:2], hashes = hashes[1:2]", first),
        ("subjects = '{}'", first),
        ("until = until + 1", first),
    ] {
        by_all(format!("UPDATE control.audit_blocks SET {how} WHERE first = {first}")).await;
        let broken = served.service.store().verify_audit(None).await.unwrap().broken.unwrap();
        assert_eq!(broken.position, at, "{how}: {broken:?}");
        by_all(format!(
            "DELETE FROM control.audit_blocks WHERE first = {first}; INSERT INTO control.audit_blocks TABLE public.good"
        ))
        .await;
    }
    assert_eq!(served.service.store().verify_audit(None).await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_removed_and_the_rest_still_proves_itself() {
    let served = Served::published_with(AuditOptions { key: Some("k".repeat(40)), ..AuditOptions::default() }).await;
    let steward = served.as_who("sam", "steward");
    for _ in 0..5 {
        steward.ask("{ countries { totalCount } }", json!({})).await;
    }
    let before = steward.verify(json!({})).await;
    let store = served.service.store();
    assert_eq!(store.prune_audit(chrono::Utc::now() - chrono::Duration::days(1)).await.unwrap(), 0, "nothing is old");
    let removed = store.prune_audit(chrono::Utc::now()).await.unwrap();
    assert_eq!(
        removed as i64,
        before["position"].as_i64().unwrap() + i64::from(removed as i64 > before["position"].as_i64().unwrap())
    );
    steward.ask("{ countries { totalCount } }", json!({})).await;
    let after = steward.verify(json!({})).await;
    assert_eq!((&after["intact"], &after["removedThrough"]), (&json!(true), &json!(removed)), "{after}");
    assert!(!steward.log(json!({"action": "pruneAudit"})).await.is_empty());
    // again: the newer checkpoint takes the place of the older
    store.prune_audit(chrono::Utc::now()).await.unwrap();
    assert_eq!(steward.verify(json!({})).await["intact"], true);
    // without the key, the chain is another one
    let url = served.url.clone();
    let other = Served::open(&url, AuditOptions::default()).await;
    assert!(other.service.store().verify_audit(None).await.unwrap().broken.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_what_a_naive_count_says() {
    let served = Served::published().await;
    let steward = served.as_who("sam", "steward");
    let people = [("anna", "analyst"), ("rita", "reader"), ("sam", "steward")];
    // (fields of the contract, in GraphQL's names)
    let fields = [("name", "name"), ("population", "population"), ("area_km2", "areaKm2"), ("capital", "capital")];
    // (consumer, field): requests and denials; and rows by consumer
    let mut naive: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    let mut rows: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for round in 0..24_usize {
        let (who, role) = people[round % 3];
        let picked: Vec<_> = (0..fields.len()).filter(|i| (round >> (i % 3)) & 1 == 1 || *i == round % 4).collect();
        let names: Vec<&str> = picked.iter().map(|i| fields[*i].1).collect();
        let first = round % 5 + 1;
        let text = format!(
            "{{ countries(first: {first}, orderBy: [{{field: CODE}}]) {{ nodes {{ {} }} }} }}",
            names.join(" ")
        );
        let answer = served.as_who(who, role).ask(&text, json!({})).await;
        assert_eq!(answer["data"]["countries"]["nodes"].as_array().unwrap().len(), first, "{answer}");
        let asked = picked.iter().map(|i| fields[*i].0).chain(["code"]);
        for field in asked {
            let count = naive.entry((who.to_owned(), field.to_owned())).or_default();
            let denied = field == "population" && role == "reader";
            *(if denied { &mut count.1 } else { &mut count.0 }) += 1;
        }
        let sum = rows.entry(who.to_owned()).or_default();
        *sum = (sum.0 + 1, sum.1 + first as i64);
    }
    let usage = "query($c: String) { usage(consumer: $c) { datasets { consumer dataset requests rows } \
        fields { consumer dataset field requests denied deprecated } unusedFields { dataset field } } }";
    let told = steward.ask(usage, json!({})).await;
    let told = &told["data"]["usage"];
    let number = |value: &Value| value.as_i64().unwrap();
    let counted: BTreeMap<(String, String), (i64, i64)> = told["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            assert_eq!(line["dataset"], "countries");
            let key = (line["consumer"].as_str().unwrap().to_owned(), line["field"].as_str().unwrap().to_owned());
            (key, (number(&line["requests"]), number(&line["denied"])))
        })
        .collect();
    assert_eq!(counted, naive);
    let datasets: BTreeMap<String, (i64, i64)> = told["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["consumer"].as_str().unwrap().to_owned(), (number(&line["requests"]), number(&line["rows"]))))
        .collect();
    assert_eq!(datasets, rows);
    let unused = told["unusedFields"].as_array().unwrap();
    let dataset = served.service.product().outputs().next().unwrap();
    assert_eq!(unused.len(), dataset.fields.len() - 5);
    let of_anna = steward.ask(usage, json!({"c": "anna"})).await;
    assert!(of_anna["data"]["usage"]["fields"].as_array().unwrap().iter().all(|line| line["consumer"] == "anna"));

    // who still reads an earlier version
    steward.ask("mutation { runPipeline { version } }", json!({})).await;
    let request = Request::post("/graphql").header("content-type", "application/json").header("terrane-as-of", "1");
    let anna = served.as_who("anna", "analyst");
    let (status, body) =
        anna.send(request, json!({"query": "{ countries(first: 2) { nodes { code } } }"}).to_string()).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let earlier =
        steward.ask("{ usage { earlierVersions { consumer dataset version requests rows } } }", json!({})).await;
    let line = json!({"consumer": "anna", "dataset": "countries", "version": 1, "requests": 1, "rows": 2});
    assert_eq!(earlier["data"]["usage"]["earlierVersions"], json!([line]), "{earlier}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_over_twice_is_written_once_and_replicas_share_the_chain() {
    let served = Served::published().await;
    let url = served.url.clone();
    let other = Served::open(&url, AuditOptions::default()).await;
    let spool = uuid::Uuid::new_v4();
    let record =
        |seq: i64| json!({"at": 1, "action": "query", "subject": null, "allowed": true, "seq": seq}).to_string();
    let texts: Vec<String> = (1..=4).map(record).collect();
    let mut records: Vec<&str> = texts.iter().map(String::as_str).collect();
    // what no process wrote: it is left out, and said to be
    records.insert(1, "{\"at\": 1, \"acti");
    let store = served.service.store();
    let taken = store.take_spooled(spool, &records[..3]).await.unwrap();
    assert_eq!((taken.appended, taken.damaged), (2, 1));
    // killed after the commit and before the segment was removed: the next one takes it all again
    let (one, two) =
        tokio::join!(store.take_spooled(spool, &records), other.service.store().take_spooled(spool, &records));
    assert_eq!(one.unwrap().appended + two.unwrap().appended, 2);
    // both processes write at the same time
    let ask = |router: &Router, id: &str| {
        let who = Who { router: router.clone(), token: None };
        let id = id.to_owned();
        async move {
            for number in 0..40 {
                who.ask_as(&format!("{id}-{number}"), "{ countries(first: 1) { nodes { code } } }", json!({})).await;
            }
        }
    };
    tokio::join!(ask(&served.router, "a"), ask(&other.router, "b"));
    served.service.close().await;
    other.service.close().await;
    let found = store.verify_audit(None).await.unwrap();
    assert_eq!(found.broken, None);
    let named: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT record ->> 'request') FROM control.audit WHERE record ->> 'request' ~ '^[ab]-[0-9]+$'",
    )
    .fetch_one(&served.login)
    .await
    .unwrap();
    assert_eq!(named, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_put_on_record_nothing_is_answered_or_all_is() {
    let url = fresh_database().await;
    let full = |refuse_unrecorded| AuditOptions { spool_bytes: 1, refuse_unrecorded, ..AuditOptions::default() };
    let [strict, lax] = [Served::open(&url, full(true)).await, Served::open(&url, full(false)).await];
    let lock = strict.login.begin().await.unwrap();
    let mut lock = lock;
    // who holds the head keeps all others from moving what waits
    sqlx::query("SELECT 1 FROM control.audit_head FOR UPDATE").execute(&mut *lock).await.unwrap();
    let ask = async |served: &Served| {
        let request = Request::get("/graphql?query={countries{totalCount}}");
        let (status, body) = served.nobody().send(request, "").await;
        (status.as_u16(), serde_json::from_slice::<Value>(&body).unwrap())
    };
    let first = ask(&strict).await;
    assert_eq!(first.0, 200, "{}", first.1);
    let (status, body) = ask(&strict).await;
    assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (503, &json!("AUDIT_UNAVAILABLE")));
    for _ in 0..3 {
        assert_eq!(ask(&lax).await.0, 200);
    }
    lock.rollback().await.unwrap();
    strict.service.close().await;
    assert_eq!(ask(&strict).await.0, 200, "what waited was moved, and there is room again");
}
