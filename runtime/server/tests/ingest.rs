//! The input port over HTTP and GraphQL, its bad rows under policy, and runs that start by themselves.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{
    ProductService, RunRequest, RunTrigger, Schedules, ServiceOptions, StoreOptions, Upstream, Upstreams,
    local_transport, router,
};
use terrane_testkit::fresh_database;
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A product that passes the rows of its input dataset on.
fn product(folder: &Path, id: &str, port: &str) {
    let descriptor = format!(
        "apiVersion: v1.1.0\nkind: DataProduct\nid: {id}\nname: {id}\nversion: 1.0.0\nstatus: active\n\
         team: {{members: [{{username: a@example.org, role: owner}}]}}\ninputPorts:\n  - name: source\n    version: 1.0.0\n    \
         contractId: raw\n    customProperties: [{port}]\noutputPorts: [{{name: out, version: 1.0.0, contractId: out}}]\n"
    );
    let fields = "\n    properties:\n      - {name: id, logicalType: integer, primaryKey: true, required: true, classification: public}\n      \
                  - {name: salary, logicalType: integer, classification: restricted}\n";
    let contract = |name: &str, more: &str| {
        format!(
            "apiVersion: v3.2.0\nkind: DataContract\nid: {name}\nversion: 1.0.0\nstatus: active\nroles:\n  - {{role: analyst, \
             access: read, customProperties: [{{property: maxClassification, value: public}}]}}\n  - {{role: steward, access: \
             read, customProperties: [{{property: maxClassification, value: restricted}}]}}\nschema:\n  - name: {name}\n    \
             logicalType: object\n    customProperties: [{more}]{fields}"
        )
    };
    write(folder, "dataproduct.odps.yaml", &descriptor);
    let ingest = "{property: ingest, value: {onBadRows: reject, maxRejects: 2}}";
    write(folder, "contracts/raw.odcs.yaml", &contract("raw", ingest));
    write(folder, "contracts/out.odcs.yaml", &contract("out", "{property: graphqlType, value: Out}"));
    write(folder, "models/output/out.sql", "SELECT id, salary FROM input.raw");
    write(
        folder,
        "policy.csv",
        "p, steward, port:input, write, allow\np, steward, port:control, admin, allow\n\
         p, steward, port:observability, read, allow\np, analyst, port:observability, read, allow\n",
    );
}

struct Served {
    service: ProductService,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn open(id: &str, port: &str, upstreams: Upstreams) -> Self {
        let folder = tempfile::tempdir().unwrap();
        product(folder.path(), id, port);
        let jwt = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
        let options = ServiceOptions {
            folder: folder.path().to_path_buf(),
            store: StoreOptions::new(fresh_database().await),
            authenticator: Authenticator::new(&jwt).unwrap(),
            upstreams,
        };
        let service = ProductService::open(options).await.unwrap_or_else(|e| panic!("{e}"));
        Self { router: router(service.clone()), service, _folder: folder }
    }

    async fn send(&self, path: &str, role: &str, content_type: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", token(role)))
            .header("content-type", content_type)
            .body(body.into())
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn ask(&self, role: &str, query: &str) -> Value {
        let body = json!({ "query": query }).to_string();
        self.send("/graphql", role, "application/json", body).await.1
    }

    async fn count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM input.raw").fetch_one(self.service.store().owner()).await.unwrap()
    }

    async fn run(&self) {
        let run = self.service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull: true }).await.unwrap();
        assert_eq!(run.state, "succeeded", "{run:?}");
    }

    async fn triggers(&self) -> Vec<String> {
        self.service.store().runs(20).await.unwrap().into_iter().map(|run| run.trigger).collect()
    }
}

fn token(role: &str) -> String {
    let request = TokenRequest {
        subject: "tester".to_owned(),
        roles: vec![role.to_owned()],
        lifetime_seconds: 3600,
        ..TokenRequest::default()
    };
    issue(SECRET, &request).unwrap()
}

const PUSH: &str = "{property: connector, value: {kind: push}}";

#[tokio::test]
async fn bad_rows_are_told_to_the_sender_and_to_others_as_far_as_policy_lets_them() {
    let served = Served::open("people", PUSH, Upstreams::new()).await;
    let path = "/input/raw?mode=append";
    let (status, answer) = served.send(path, "steward", "text/csv", "id,salary\n1,100\ntwo,200\n3,much\n").await;
    assert_eq!((status, answer["rows"].clone(), answer["rejected"].clone()), (StatusCode::OK, json!(1), json!(2)));
    let salary = json!({"row": 3, "field": "salary", "value": "much", "reason": "is no whole number"});
    assert_eq!(answer["rejects"][1], salary);
    let (status, answer) = served.send(path, "steward", "application/octet-stream", "[{\"id\":4},{},{},{}]").await;
    assert_eq!((status, answer["error"]["code"].clone()), (StatusCode::UNPROCESSABLE_ENTITY, json!("BAD_ROW")));
    assert_eq!(answer["error"]["rejects"][0]["reason"], "is required, and has no value");
    assert_eq!(served.count().await, 1);
    let query = "{ rejects(dataset: \"raw\") { row field value refused } }";
    let seen = |answer: &Value| -> Vec<Value> {
        answer["data"]["rejects"].as_array().unwrap().iter().filter(|r| r["refused"] == false).cloned().collect()
    };
    let steward = served.ask("steward", query).await;
    assert_eq!(steward["data"]["rejects"].as_array().unwrap().len(), 5, "{steward}");
    assert_eq!(seen(&steward)[0]["value"], "much");
    assert_eq!(seen(&steward)[1]["value"], "two");
    let analyst = served.ask("analyst", query).await;
    assert_eq!(
        (seen(&analyst)[0]["value"].clone(), seen(&analyst)[0]["field"].clone()),
        (Value::Null, json!("salary"))
    );
    assert_eq!(seen(&analyst)[1]["value"], "two");
    assert_eq!(served.ask("nobody", query).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

/// A form of the GraphQL multipart request specification.
fn form(query: &str, variables: &Value, map: &Value, files: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let operations = json!({ "query": query, "variables": variables });
    let mut body = format!(
        "--X\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{operations}\r\n--X\r\ncontent-disposition: \
         form-data; name=\"map\"\r\n\r\n{map}\r\n"
    )
    .into_bytes();
    for (part, name, content_type, content) in files {
        body.extend_from_slice(
            format!(
                "--X\r\ncontent-disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\ncontent-type: \
                 {content_type}\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--X--\r\n");
    body
}

#[tokio::test]
async fn the_mutation_takes_rows_and_files_of_a_form() {
    let served = Served::open("people", PUSH, Upstreams::new()).await;
    let rows = "mutation { ingest(dataset: \"raw\", rows: [{id: 1, salary: 10}, {id: \"2\"}], idempotencyKey: \"a\") { rows \
                rejected repeated drift rejects { row reason } } }";
    let answer = served.ask("steward", rows).await;
    assert_eq!(answer["data"]["ingest"]["rows"], 2, "{answer}");
    assert_eq!(served.ask("steward", rows).await["data"]["ingest"]["repeated"], true);
    assert_eq!(served.ask("analyst", rows).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let multipart = "multipart/form-data; boundary=X";
    let upload =
        "mutation ($file: Upload!) { ingest(dataset: \"raw\", file: $file, mode: APPEND) { batch rows rejected } }";
    let body = form(
        upload,
        &json!({"file": null}),
        &json!({"0": ["variables.file"]}),
        &[("0", "rows.csv", "application/octet-stream", b"ID;Salary\n3;30\n4;x\n")],
    );
    let (status, answer) = served.send("/graphql", "steward", multipart, body.clone()).await;
    assert_eq!((status, answer["data"]["ingest"]["rows"].clone()), (StatusCode::OK, json!(1)), "{answer}");
    assert_eq!((answer["data"]["ingest"]["rejected"].clone(), served.count().await), (json!(1), 3));
    assert_eq!(served.send("/graphql", "analyst", multipart, body.clone()).await.0, StatusCode::FORBIDDEN);
    // two files by their places in a list would be two variables here; each has its own content
    let two = "mutation ($a: Upload!, $b: Upload!) { a: ingest(dataset: \"raw\", file: $a, mode: APPEND) { rows } b: \
               ingest(dataset: \"raw\", file: $b, mode: APPEND) { rows } }";
    let body = form(
        two,
        &json!({"a": null, "b": null}),
        &json!({"x": ["variables.a"], "y": ["variables.b"]}),
        &[("y", "b.ndjson", "application/x-ndjson", b"{\"id\":5}\n"), ("x", "a.tsv", "", b"id\tsalary\n6\t1\n7\t2\n")],
    );
    let (_, answer) = served.send("/graphql", "steward", multipart, body).await;
    assert_eq!(answer["data"], json!({"a": {"rows": 2}, "b": {"rows": 1}}), "{answer}");
    // forms that are none, and files that are none
    for (variables, map, files) in [
        (
            json!({"file": null}),
            json!({"0": ["variables.nope"]}),
            vec![("0", "a.csv", "text/csv", b"id\n1\n".as_slice())],
        ),
        (
            json!({"file": "x"}),
            json!({"0": ["variables.file"]}),
            vec![("0", "a.csv", "text/csv", b"id\n1\n".as_slice())],
        ),
        (json!({"file": null}), json!({"0": ["variables.file"]}), vec![]),
        (json!({"file": null}), json!([]), vec![]),
        (json!({"file": null}), json!({}), vec![("0", "a.csv", "text/csv", b"id\n1\n".as_slice())]),
    ] {
        let (status, answer) =
            served.send("/graphql", "steward", multipart, form(upload, &variables, &map, &files)).await;
        assert_eq!(
            (status, answer["errors"][0]["extensions"]["code"].clone()),
            (StatusCode::BAD_REQUEST, json!("BAD_REQUEST"))
        );
    }
    let forged = json!({ "query": upload, "variables": {"file": "\u{0}upload:0"} }).to_string();
    let (_, answer) = served.send("/graphql", "steward", "application/json", forged).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    let request =
        Request::post("/graphql").header("content-type", multipart).body(Body::from(body_without_token())).unwrap();
    let answer = served.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let large = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(served.send("/graphql", "steward", "application/json", large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

fn body_without_token() -> Vec<u8> {
    form("{ __typename }", &json!({}), &json!({}), &[])
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_schedule_runs_once_for_each_time_that_is_due_on_whichever_replica() {
    let port =
        "{property: connector, value: {kind: file, path: data/rows.csv}}, {property: schedule, value: '0 3 * * *'}";
    let served = Served::open("people", port, Upstreams::new()).await;
    write(served._folder.path(), "data/rows.csv", "id,salary\n1,1\n");
    let (mut one, mut other) = (Schedules::default(), Schedules::default());
    // a port that is new waits for its next time
    assert!(!one.look(&served.service, at("2026-01-01T12:00:00Z")).await);
    assert!(!one.look(&served.service, at("2026-01-02T02:59:59Z")).await);
    assert!(one.look(&served.service, at("2026-01-02T03:00:01Z")).await);
    assert!(!other.look(&served.service, at("2026-01-02T03:00:02Z")).await);
    assert_eq!(served.triggers().await, ["schedule"]);
    // times that passed while nobody looked are made up for once
    assert!(other.look(&served.service, at("2026-01-05T00:00:00Z")).await);
    assert!(!one.look(&served.service, at("2026-01-05T00:00:01Z")).await);
    // a run that is under way is waited for
    let store = served.service.store();
    let running = store.start_run(RunTrigger::Manual, None, false).await.unwrap();
    let ended = async {
        while store.runs(1).await.unwrap()[0].state != "queued" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running.succeed().await.unwrap();
    };
    assert!(tokio::join!(one.look(&served.service, at("2026-01-05T03:00:10Z")), ended).0);
    assert!(!one.look(&served.service, at("2026-01-05T03:00:20Z")).await);
    // another schedule takes the descriptor's place, from now on
    let set = |schedule: &str| {
        format!(
            "mutation {{ setSchedule(port: \"source\", schedule: {schedule}) {{ schedule declared changedBy nextDue }} }}"
        )
    };
    let changed = served.ask("steward", &set("\"*/5 * * * *\"")).await["data"]["setSchedule"].clone();
    assert_eq!((changed["schedule"].clone(), changed["changedBy"].clone()), (json!("*/5 * * * *"), json!("tester")));
    let now = Utc::now();
    assert!(at(changed["nextDue"].as_str().unwrap()) <= now + TimeDelta::minutes(5));
    assert!(one.look(&served.service, now + TimeDelta::minutes(6)).await);
    served.ask("steward", &set("\"never\"")).await;
    assert!(!one.look(&served.service, now + TimeDelta::days(7)).await);
    assert_eq!(served.ask("steward", &set("\"soon\"")).await["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(served.ask("analyst", &set("null")).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
    served.ask("steward", &set("null")).await;
    let schedules = served.ask("analyst", "{ schedules { port schedule declared changedBy onPublish } }").await;
    let expected = json!([{"port": "source", "schedule": "0 3 * * *", "declared": "0 3 * * *", "changedBy": null, "onPublish": false}]);
    assert_eq!(schedules["data"]["schedules"], expected);
}

#[tokio::test]
async fn a_publish_of_the_product_that_is_read_starts_a_run() {
    let source = Served::open("people", PUSH, Upstreams::new()).await;
    let authorization = HeaderValue::from_str(&format!("Bearer {}", token("steward"))).unwrap();
    let upstream = Upstream { transport: local_transport(source.router.clone()), authorization: Some(authorization) };
    let port = "{property: connector, value: {kind: product, product: people, dataset: out}}, {property: trigger, value: upstream}";
    let reader = Served::open("copies", port, Upstreams::from([("people".to_owned(), upstream)])).await;
    let (mut schedules, now) = (Schedules::default(), at("2026-01-01T00:00:00Z"));
    assert!(!schedules.look(&reader.service, now).await, "nothing is published yet");
    source.send("/input/raw", "steward", "text/csv", "id\n1\n2\n").await;
    source.run().await;
    assert!(schedules.look(&reader.service, now).await);
    assert_eq!((reader.count().await, reader.triggers().await), (2, vec!["upstream".to_owned()]));
    assert!(!schedules.look(&reader.service, now).await);
    source.send("/input/raw?mode=append", "steward", "text/csv", "id\n3\n").await;
    assert!(!schedules.look(&reader.service, now).await);
    source.run().await;
    assert!(schedules.look(&reader.service, now).await);
    assert_eq!(reader.count().await, 3);
    // the step says when there is nothing new
    reader.run().await;
    let steps = reader.service.store().steps(&[reader.service.store().runs(1).await.unwrap()[0].id]).await.unwrap();
    assert_eq!(steps[0].detail.as_deref(), Some("the source has not changed"));
}
