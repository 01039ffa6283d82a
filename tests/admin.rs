//! Administration over a mesh: what stewards do on its pages is done and on record, and nobody else is shown the pages or may
//! send their forms.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use terrane_testkit::{Answer, Client, Mesh, copy_folder, product_folder, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
const BASE: &str = "/admin/continents";
const SHOUTED: &str = "SELECT code, upper(name) AS name, latitude, longitude, wikipedia_url, source_record_id FROM \
                       abstraction.continents";

/// A mesh of one product, and those who come to it.
struct Running {
    steward: Client,
    analyst: Client,
    reader: Client,
    anybody: Client,
    _mesh: Mesh,
    _state: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let state = state_directory();
        let products = state.path().join("products");
        copy_folder(&product_folder("continents"), &products.join("continents")).unwrap();
        let policies = repository().join("policies");
        let [products, policies, folder] =
            [products.as_path(), &policies, state.path()].map(|path| path.to_str().unwrap().to_owned());
        let arguments =
            ["dev", "--port", "{port}", "--products", &products, "--policies", &policies, "--state", &folder];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
        let client = |subject: &str, role: &str| {
            let made = Command::new(BINARY)
                .args(["token", "--subject", subject, "--role", role, "--state", &folder])
                .output()
                .unwrap();
            mesh.client().with_token(String::from_utf8(made.stdout).unwrap().trim())
        };
        Self {
            steward: client("sue", "steward"),
            analyst: client("ann", "analyst"),
            reader: client("eve", "reader"),
            anybody: mesh.client(),
            _mesh: mesh,
            _state: state,
        }
    }

    /// What a steward's form leads to.
    async fn send(&self, path: &str, pairs: &[(&str, &str)]) -> String {
        let sent = post(&self.steward, path, pairs, &[OWN]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{path}: {}", sent.text());
        sent.headers["location"].to_str().unwrap().to_owned()
    }

    /// Run by the form, and wait on the run's page for its end; the page.
    async fn run(&self) -> String {
        let page = self.send(&format!("{BASE}/runs"), &[("pull", "no")]).await;
        let (path, query) = page.split_once('?').unwrap();
        assert_eq!(query, "done=started");
        let started = Instant::now();
        loop {
            let live = self.steward.get(&format!("{path}/live")).await.text();
            if live.contains("data-over=\"true\"") {
                return self.steward.get(path).await.text();
            }
            assert!(started.elapsed() < Duration::from_secs(60), "the run goes on: {live}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What readers see.
    async fn names(&self) -> String {
        let answer = self.reader.graphql("{ continents(first: 20) { nodes { name } } }", json!({})).await;
        answer["data"]["continents"]["nodes"].to_string()
    }

    async fn version(&self) -> Value {
        let asked = "{ product(id: \"continents\") { info { currentVersion { version } } } }";
        self.reader.graphql(asked, json!({})).await["data"]["product"]["info"]["currentVersion"]["version"].clone()
    }

    /// The newest entries of the audit log that change something: who, what, allowed.
    async fn audited(&self, action: &str) -> Vec<(String, bool)> {
        let asked =
            "query($filter: AuditLogFilter) { auditLog(product: \"continents\", filter: $filter) { subject allowed } }";
        let answer = self.steward.graphql(asked, json!({"filter": {"action": action}})).await;
        let entries = answer["data"]["auditLog"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let entry = |entry: &Value| {
            (entry["subject"].as_str().unwrap_or("anybody").to_owned(), entry["allowed"].as_bool().unwrap())
        };
        entries.iter().map(entry).collect()
    }
}

async fn post(client: &Client, path: &str, pairs: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    client.send(Method::POST, path, &[&[FORM], headers].concat(), body).await
}

fn has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_forms_are_for_those_whom_policy_lets() {
    let running = Running::start().await;
    let run = format!("{BASE}/runs/{}", "00000000-0000-0000-0000-000000000000");
    let pages = ["", "/runs", "/versions", "/schedules", "/models", "/models/output/continents", "/quality"];
    for page in pages {
        let path = format!("{BASE}{page}");
        for (client, expected) in [
            (&running.steward, StatusCode::OK),
            (&running.analyst, StatusCode::OK),
            (&running.reader, StatusCode::NOT_FOUND),
            (&running.anybody, StatusCode::NOT_FOUND),
        ] {
            let answer = client.get(&path).await;
            assert_eq!(answer.status, expected, "{path}: {}", answer.text());
        }
        // who may only look is offered nothing to change
        let looked = running.analyst.get(&path).await.text();
        assert!(!looked.contains("method=\"post\""), "{path}: {looked}");
        let offered = running.steward.get(&path).await.text().contains("method=\"post\"");
        assert_eq!(offered, !["/versions", "/models"].contains(&page), "{path}");
    }
    assert_eq!(running.steward.get("/admin/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(running.steward.get(&run).await.status, StatusCode::NOT_FOUND);
    assert_eq!(running.steward.get(&format!("{BASE}/runs/nonsense")).await.status, StatusCode::NOT_FOUND);

    let rule = [("dataset", "continents"), ("rule", "{id: new-rule, metric: rowCount, mustBe: 7}")];
    // where it is sent, what is filled in, and what it does
    type Form<'f> = (String, &'f [(&'f str, &'f str)], &'f str);
    let forms: [Form<'_>; 7] = [
        (format!("{BASE}/runs"), &[], "runPipeline"),
        (format!("{run}/cancel"), &[], "cancelRun"),
        (format!("{BASE}/versions/1/current"), &[], "rollback"),
        (format!("{BASE}/schedules"), &[("port", "continents-source"), ("action", "never")], "setSchedule"),
        (format!("{BASE}/models/output/continents"), &[("sql", SHOUTED), ("action", "put")], "putModel"),
        (format!("{BASE}/quality"), &rule, "putQualityRule"),
        (format!("{BASE}/quality/recheck"), &[], "recheckQuality"),
    ];
    for (path, pairs, action) in &forms {
        // a form of another page, or of nobody's, is not taken
        for headers in [&[][..], &[("sec-fetch-site", "cross-site")], &[("origin", "https://evil.example")]] {
            let refused = post(&running.steward, path, pairs, headers).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
        assert!(running.audited(action).await.is_empty(), "{path}");
        for client in [&running.analyst, &running.reader, &running.anybody] {
            let refused = post(client, path, pairs, &[OWN]).await;
            assert!(refused.status.is_client_error(), "{path}: {} {}", refused.status, refused.text());
        }
        // what the product refused is on record; without signing in, nothing gets there
        assert_eq!(running.audited(action).await, [("eve".to_owned(), false), ("ann".to_owned(), false)], "{path}");
    }
    let check = [("sql", "SELECT 1 AS x"), ("action", "check")];
    let checked = post(&running.analyst, &format!("{BASE}/models/output/continents"), &check, &[OWN]).await.text();
    has(&checked, &["role=\"alert\"", "port:control"]);
    assert!(!checked.contains("What would come of it"));
    assert_eq!(running.version().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_checked_put_in_run_and_rolled_back_on_pages() {
    let running = Running::start().await;
    let editor = format!("{BASE}/models/output/continents");
    has(&running.steward.get(&format!("{BASE}/models")).await.text(), &[&editor, "abstraction.continents"]);

    // a check changes nothing, whether it finds something or not
    let bad = "SELECT code,\r\n  nam AS name FROM abstraction.continents";
    for action in ["check", "put"] {
        let shown = post(&running.steward, &editor, &[("sql", bad), ("action", action)], &[OWN]).await;
        let refused = if action == "put" { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        assert_eq!(shown.status, refused, "{}", shown.text());
        has(&shown.text(), &["It would be refused", "MODEL_COLUMN", "line 1, column 1", "  nam AS name"]);
    }
    let bad = format!("{SHOUTED} )");
    let shown = post(&running.steward, &editor, &[("sql", &bad), ("action", "check")], &[OWN]).await.text();
    has(&shown, &["MODEL_SQL", &format!("line 1, column {}", bad.len())]);
    let good = post(&running.steward, &editor, &[("sql", SHOUTED), ("action", "check")], &[OWN]).await.text();
    has(
        &good,
        &["It can be put in", "Insert on", "builds <code>output.continents</code>", "input.continents_raw.name"],
    );
    let history = "{ modelHistory(product: \"continents\", layer: \"output\", name: \"continents\") { putBy sql } }";
    assert_eq!(running.steward.graphql(history, json!({})).await["data"]["modelHistory"], json!([]));

    // put in, and built by the next run
    let done = running.send(&editor, &[("sql", SHOUTED), ("action", "put")]).await;
    assert_eq!(done, format!("{editor}?done=model-put"));
    let page = running.steward.get(&done).await.text();
    has(&page, &["The model is put in", "put in at run time", "by sue", "upper(name)", "?text="]);
    assert!(running.names().await.contains("\"Europe\""));
    let page = running.run().await;
    has(&page, &["succeeded", "model output.continents", "publish continents", "version 2"]);
    assert!(!page.contains("live.js") && !page.contains("Cancel this run"), "{page}");
    assert!(running.names().await.contains("\"EUROPE\""));

    // back to the version before: readers see it at once, and the other one is kept
    let versions = running.steward.get(&format!("{BASE}/versions")).await.text();
    let back = format!("{BASE}/versions/1/current");
    has(&versions, &["Version 2", &back, "7 rows", "contract continents-v1 1.0.0", "What version 2 was made from"]);
    assert!(!versions.contains("/versions/2/current"));
    assert_eq!(running.send(&back, &[]).await, format!("{BASE}/versions?done=rolled-back"));
    assert!(running.names().await.contains("\"Europe\""));
    has(&running.steward.get(BASE).await.text(), &["Version 2 is the newest", "1 other version is kept"]);
    let vain = post(&running.steward, &format!("{BASE}/versions/9/current"), &[], &[OWN]).await;
    assert_eq!(vain.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", vain.text());
    has(&vain.text(), &["role=\"alert\""]);

    // a text of the history is loaded, and the folder's own comes back
    let link = page_of(&running.steward.get(&editor).await.text(), "?text=");
    has(
        &running.steward.get(&format!("{editor}{link}")).await.text(),
        &["This is the text that was put in", "upper(name)"],
    );
    assert_eq!(running.send(&editor, &[("action", "back")]).await, format!("{BASE}/models?done=model-back"));
    has(&running.steward.get(&editor).await.text(), &["The text is the folder's", "came back"]);

    // a new one begins with an empty editor
    let new = running.steward.get(&format!("{BASE}/models/new?layer=abstraction&name=more")).await;
    assert_eq!(new.headers["location"], format!("{BASE}/models/abstraction/more"));
    has(&running.steward.get(&format!("{BASE}/models/abstraction/more")).await.text(), &["There is no model"]);

    let by_sue = |times: usize| vec![("sue".to_owned(), true); times];
    assert_eq!(running.audited("putModel").await, by_sue(3));
    assert_eq!(running.audited("rollback").await, by_sue(2));
    assert_eq!(running.audited("runPipeline").await, by_sue(1));
}

/// The part of a link that begins with `start`.
fn page_of(page: &str, start: &str) -> String {
    let at = page.find(start).unwrap_or_else(|| panic!("{start} is not in {page}"));
    page[at..].chars().take_while(|c| *c != '"').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_schedules_are_changed_and_a_failed_run_says_why() {
    let running = Running::start().await;
    let quality = format!("{BASE}/quality");
    let shown = running.steward.get(&quality).await.text();
    has(&shown, &["dq-seven-rows", "There are seven continents", "7", "dq-code-format", "for people", "passed"]);

    // what can't be is said where it was filled in
    for (rule, why) in [
        ("id: a\n  b: [", "neither as YAML nor as JSON"),
        ("just words", "no mapping"),
        ("id: few\nmetric: rowCounts\nmustBe: 3", "rowCounts"),
    ] {
        let pairs = [("dataset", "continents"), ("field", ""), ("rule", rule)];
        let refused = post(&running.steward, &quality, &pairs, &[OWN]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        has(&refused.text(), &["role=\"alert\"", why, rule.lines().next().unwrap()]);
    }

    // a rule is put in, blocks the next run, whose page says why, and gives way to the contract's own
    let rule = "id: dq-seven-rows\nmetric: rowCount\nmustBe: 6\ndescription: There are six";
    let pairs = [("dataset", "continents"), ("field", ""), ("rule", rule)];
    let page = format!("{quality}/continents/dq-seven-rows");
    assert_eq!(running.send(&quality, &pairs).await, format!("{page}?done=rule-put"));
    has(
        &running.steward.get(&page).await.text(),
        &["put in at run time", "mustBe: 6", "by sue", "Back to the contract"],
    );
    let failed = running.run().await;
    has(&failed, &["failed", "CHECKS_FAILED", "dq-seven-rows", "class=\"error\""]);
    has(&running.steward.get(BASE).await.text(), &["CHECKS_FAILED", "1 failure"]);
    assert_eq!(running.version().await, 1);
    // checked again between runs
    assert_eq!(running.send(&format!("{quality}/recheck"), &[]).await, format!("{quality}?done=rechecked"));
    has(
        &running.steward.get(&page).await.text(),
        &["checked again, version 1", "7, expected = 6", "What was measured over time"],
    );
    assert_eq!(running.send(&format!("{page}/back"), &[]).await, format!("{page}?done=rule-back"));
    has(&running.steward.get(&page).await.text(), &["mustBe: 7", "own came back"]);
    has(&running.run().await, &["succeeded"]);

    // a log is read on from a place
    let run = page_of(&running.steward.get(&format!("{BASE}/runs")).await.text(), &format!("{BASE}/runs/"));
    let whole = running.steward.get(&format!("{run}/live")).await.text();
    let rest = running.steward.get(&format!("{run}/live?after=0")).await.text();
    assert_eq!(whole.matches("<li").count(), rest.matches("<li").count() + 1, "{whole}");
    let ended = post(&running.steward, &format!("{run}/cancel"), &[], &[OWN]).await;
    assert_eq!(ended.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", ended.text());

    // schedules
    let schedules = format!("{BASE}/schedules");
    let port = ("port", "continents-source");
    let form = |schedule: &'static str, action: &'static str| [port, ("schedule", schedule), ("action", action)];
    has(&running.steward.get(&schedules).await.text(), &["continents-source", "0 3 * * *"]);
    let bad = post(&running.steward, &schedules, &form("at noon", "set"), &[OWN]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    has(&bad.text(), &["role=\"alert\"", "value=\"at noon\""]);
    assert_eq!(running.send(&schedules, &form("0 12 * * 1", "set")).await, format!("{schedules}?done=scheduled"));
    has(&running.steward.get(&schedules).await.text(), &["<code>0 12 * * 1</code>", "Changed by sue"]);
    running.send(&schedules, &form("0 12 * * 1", "never")).await;
    has(&running.steward.get(&schedules).await.text(), &["by no schedule", "Back to the descriptor"]);
    assert_eq!(running.send(&schedules, &form("", "back")).await, format!("{schedules}?done=unscheduled"));
    let asked = "{ schedules(product: \"continents\") { schedule changedBy } }";
    let told = running.steward.graphql(asked, json!({})).await;
    assert_eq!(told["data"]["schedules"], json!([{"schedule": "0 3 * * *", "changedBy": null}]), "{told}");

    let by_sue = |times: usize| vec![("sue".to_owned(), true); times];
    assert_eq!(running.audited("putQualityRule").await, by_sue(3));
    assert_eq!(running.audited("recheckQuality").await, by_sue(1));
    assert_eq!(running.audited("setSchedule").await, by_sue(4));
    assert_eq!(running.audited("cancelRun").await, by_sue(1));
}
