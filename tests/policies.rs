//! Policies at run time, over real processes: what is put in at one of them holds at the others and at the gateway within a
//! second, whatever is kept or open; what must not be put in is refused; and the page and the command line that do so.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use terrane_testkit::{Answer, Client, Events, Mesh, copy_folder, fresh_database, product_folder, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const LIMIT: Duration = Duration::from_secs(120);
/// From a policy on until it holds everywhere.
const ENFORCED: Duration = Duration::from_secs(1);
const PLACE: &str = "{ earthquakes(first: 1) { nodes { id place } } }";
const FELT: &str = "{ earthquakes(first: 1, filter: {id: {eq: \"pol-1\"}}) { nodes { feltReports } } }";
const TOLD: &str =
    "subscription { earthquakeChanges(filter: {id: {startsWith: \"pol-\"}}) { changes { row { id place } } } }";
const LINES: &str = "{ policyLines { state text folderText overtaken put { reason } lines { line origin madeOf } } }";
const PREVIEW: &str = "query($text: String) { policyPreview(text: $text) { state after locksOut widening narrowing \
    diagnostics { code line } changes { role object action before after widens } changedGrants grants { subject fields \
    lostWith inVain } } }";
const PUT: &str = "mutation($text: String, $reason: String!, $expected: String) { putPolicy(text: $text, reason: $reason, \
    expected: $expected) { position after } }";

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The product `earthquakes`, whose answers may be kept for an hour, in a folder of its own; and `countries`, which it reads.
struct Quakes {
    logs: tempfile::TempDir,
    folder: PathBuf,
    database: String,
    countries: Mesh,
}

impl Quakes {
    async fn new() -> Self {
        let logs = state_directory();
        let folder = logs.path().join("earthquakes");
        copy_folder(&product_folder("earthquakes"), &folder).unwrap();
        let contract = folder.join("contracts/earthquakes.odcs.yaml");
        let text = fs::read_to_string(&contract).unwrap();
        let own = "      - {property: graphqlType, value: Earthquake, vendor: terrane}\n";
        assert!(text.contains(own));
        let kept = format!("{own}      - {{property: cacheMaxAge, value: 3600, vendor: terrane}}\n");
        fs::write(&contract, text.replace(own, &kept)).unwrap();
        let read = product_folder("countries");
        let (read, of) = (read.to_str().unwrap(), fresh_database().await);
        let arguments =
            ["product", read, "--listen", "127.0.0.1:{port}", "--database-url", &of, "--jwt-secret", SECRET];
        let countries = Mesh::start(Path::new(BINARY), &arguments, &logs.path().join("countries.log")).await;
        Self { logs, folder, database: fresh_database().await, countries }
    }

    /// Another process of it, on the same database.
    async fn process(&self, name: &str) -> Mesh {
        let folder = self.folder.to_str().unwrap();
        let read = format!("countries={}/graphql", self.countries.base());
        let arguments = [
            "product",
            folder,
            "--upstream",
            &read,
            "--listen",
            "127.0.0.1:{port}",
            "--database-url",
            &self.database,
            "--jwt-secret",
            SECRET,
        ];
        Mesh::start(Path::new(BINARY), &arguments, &self.logs.path().join(name)).await
    }

    /// A gateway that reaches the product at one of its processes.
    async fn gateway(&self, process: &Mesh) -> Mesh {
        let config = self.logs.path().join("gateway.yaml");
        let text = format!(
            "subgraphs:\n  - {{name: earthquakes, url: \"{}/graphql\", product: true}}\nauth: {{jwt: {{secret: \
             {SECRET}}}}}\npoll_seconds: 1\n",
            process.base()
        );
        fs::write(&config, text).unwrap();
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
        Mesh::start(Path::new(BINARY), &arguments, &self.logs.path().join("gateway.log")).await
    }
}

fn token(subject: &str, role: &str) -> String {
    let made = Command::new(BINARY)
        .args(["token", "--subject", subject, "--role", role])
        .env("TERRANE_JWT_SECRET", SECRET)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

async fn lines(client: &Client) -> Value {
    let answer = client.graphql(LINES, Value::Null).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"]["policyLines"].clone()
}

async fn preview(client: &Client, text: Option<&str>) -> Value {
    let answer = client.graphql(PREVIEW, json!({ "text": text })).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"]["policyPreview"].clone()
}

async fn put(client: &Client, text: Option<&str>, expected: &Value) -> Value {
    client.graphql(PUT, json!({ "text": text, "reason": "as decided", "expected": expected })).await
}

/// Put in what was looked at.
async fn apply(client: &Client, text: Option<&str>) {
    let shown = preview(client, text).await;
    let answer = put(client, text, &shown["state"]).await;
    assert_eq!(answer["data"]["putPolicy"]["after"], shown["after"], "{answer}");
}

async fn place(client: &Client) -> Value {
    client.graphql(PLACE, Value::Null).await["data"]["earthquakes"]["nodes"][0]["place"].clone()
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("not refused: {answer}"))
}

async fn report(steward: &Client, quake: &str) {
    let data = json!({"quake_id": quake, "magnitude": 4.5, "place": "1km N of Lima, Peru", "latitude": -12,
        "longitude": -77, "kind": "earthquake", "status": "automatic", "tsunami": false, "felt_reports": 7,
        "updated_at": "2018-02-06T00:00:01Z"});
    let event = json!({"specversion": "1.0", "id": format!("{quake}@1"), "source": "/tests", "type": "quake",
        "time": "2018-02-06T00:00:00Z", "data": data});
    let headers = [("content-type", "application/cloudevents+json")];
    let answer = steward.send(Method::POST, "/input/quake_reports/events", &headers, event.to_string()).await;
    assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
}

/// The next change that is told: `id` and `place`.
async fn told(events: &mut Events) -> (Value, Value) {
    loop {
        let told = events.next(LIMIT).await;
        let changes = &told["data"]["earthquakeChanges"]["changes"];
        if let Some(last) = changes.as_array().unwrap_or_else(|| panic!("{told}")).last() {
            return (last["row"]["id"].clone(), last["row"]["place"].clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_put_in_at_one_process_holds_everywhere_within_a_second() {
    let quakes = Quakes::new().await;
    let mut first = quakes.process("first.log").await;
    let second = quakes.process("second.log").await;
    let gateway = quakes.gateway(&second).await;
    let steward = first.client().with_token(token("alan", "steward"));
    let (here, there, mesh) = (first.client(), second.client(), gateway.client());
    let file = async |client: &Client| client.get("/output/earthquakes.csv?fields=id,place&limit=1").await.status;
    report(&steward, "pol-1").await;
    until("the report is published", LIMIT, async || {
        let found = "{ earthquake(id: \"pol-1\") { id } }";
        there.graphql(found, Value::Null).await["data"]["earthquake"]["id"] == "pol-1"
    })
    .await;

    // before: everybody reads the place, the gateway keeps it, and a subscription tells it
    let hits = "terrane_gateway_cache_hits_total{subgraph=\"earthquakes\"}";
    until("the gateway answers with what it keeps", LIMIT, async || {
        let metrics = mesh.get("/metrics").await.text();
        place(&mesh).await.is_string() && metrics.lines().any(|line| line.starts_with(hits) && !line.ends_with(" 0"))
    })
    .await;
    assert_eq!(file(&there).await, StatusCode::OK);
    let mut events = there.events(TOLD).await;
    report(&steward, "pol-2").await;
    assert_eq!(told(&mut events).await, (json!("pol-2"), json!("1km N of Lima, Peru")));

    // shown, and applied
    let before = lines(&steward).await;
    let own = before["text"].as_str().unwrap();
    assert!(own.starts_with("# This product's own rules"), "with its comments: {own}");
    let closed = format!("{own}\np, anonymous, earthquakes.place, read, deny\n");
    let shown = preview(&steward, Some(&closed)).await;
    let change = json!({"role": "anonymous", "object": "earthquakes.place", "action": "read", "before": "allow",
        "after": "deny", "widens": false});
    assert_eq!((&shown["changes"], &shown["widening"], &shown["narrowing"]), (&json!([change]), &json!(0), &json!(1)));
    assert_eq!((&shown["state"], &shown["locksOut"]), (&before["state"], &json!(false)));
    assert!(place(&here).await.is_string(), "looking changes nothing");
    let answer = put(&steward, Some(&closed), &shown["state"]).await;
    assert_eq!(answer["data"]["putPolicy"], json!({"position": 1, "after": shown["after"]}), "{answer}");

    // it holds where it was put in before that is answered, and elsewhere within a second
    let refused = here.graphql(PLACE, Value::Null).await;
    assert_eq!((code(&refused), &refused["data"]["earthquakes"]["nodes"][0]["place"]), ("FORBIDDEN", &Value::Null));
    let started = Instant::now();
    let left = || ENFORCED.saturating_sub(started.elapsed());
    until("the other process refuses it", left(), async || place(&there).await.is_null()).await;
    until("the gateway forgets what it kept", left(), async || !place(&mesh).await.is_string()).await;
    assert_eq!((file(&here).await, file(&there).await), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    let filtered = "{ earthquakes(first: 1, filter: {place: {eq: \"x\"}}) { nodes { id } } }";
    assert_eq!(code(&there.graphql(filtered, Value::Null).await), "FORBIDDEN");
    report(&steward, "pol-3").await;
    assert_eq!(told(&mut events).await, (json!("pol-3"), Value::Null), "the open subscription tells it no longer");
    let reader = there.with_token(token("eve", "reader"));
    assert!(place(&reader).await.is_string(), "others are let be");
    let schema = "{ __type(name: \"Earthquake\") { fields { name type { kind } } } }";
    let schema = there.graphql(schema, Value::Null).await;
    let fields = schema["data"]["__type"]["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == "place").unwrap();
    assert_eq!(field["type"]["kind"], "SCALAR", "what somebody does not get may be null");

    refused_ones(&steward, &reader, own, &shown["state"]).await;

    // wider, and back, put in at the other process
    let steward_there = there.with_token(token("alan", "steward"));
    let open = format!("{own}\np, anonymous, earthquakes.felt_reports, read, allow\n");
    let shown = preview(&steward_there, Some(&open)).await;
    assert_eq!((&shown["widening"], &shown["narrowing"]), (&json!(2), &json!(0)), "{shown}");
    assert!(shown["changes"].as_array().unwrap().iter().all(|change| change["widens"] == true), "{shown}");
    apply(&steward_there, Some(&open)).await;
    let felt = async |client: &Client| {
        client.graphql(FELT, Value::Null).await["data"]["earthquakes"]["nodes"][0]["feltReports"].clone()
    };
    assert_eq!(felt(&there).await, 7);
    until("everybody reads both", Duration::from_secs(5), async || {
        place(&mesh).await.is_string() && felt(&mesh).await == 7 && felt(&here).await == 7
    })
    .await;

    // killed right after the answer: it holds when it is back, beside what the folder denies since then
    apply(&steward, Some(&closed)).await;
    first.end("KILL");
    until("the other process refuses it again", ENFORCED, async || place(&there).await.is_null()).await;
    let mut policy = fs::read_to_string(quakes.folder.join("policy.csv")).unwrap();
    policy.push_str("\np, anonymous, earthquakes.kind, read, deny\n");
    fs::write(quakes.folder.join("policy.csv"), policy).unwrap();
    let third = quakes.process("third.log").await;
    let kind = "{ earthquakes(first: 1) { nodes { kind } } }";
    assert!(place(&third.client()).await.is_null());
    assert_eq!(code(&third.client().graphql(kind, Value::Null).await), "FORBIDDEN");
    let steward = third.client().with_token(token("alan", "steward"));
    let now = lines(&steward).await;
    assert_eq!((&now["overtaken"], now["text"].as_str().unwrap()), (&json!(true), closed.as_str()));
    let since =
        now["lines"].as_array().unwrap().iter().filter(|line| line["madeOf"].as_str().unwrap().contains("since"));
    assert_eq!(
        since.map(|line| line["line"].as_str().unwrap()).next(),
        Some("p, anonymous, earthquakes.kind, read, deny")
    );
    apply(&steward, None).await;
    assert!(place(&third.client()).await.is_string());
    assert_eq!(code(&third.client().graphql(kind, Value::Null).await), "FORBIDDEN", "the folder's own is back");
    let now = lines(&steward).await;
    assert_eq!((&now["overtaken"], &now["put"], &now["text"]), (&json!(false), &Value::Null, &now["folderText"]));

    on_record(&quakes.database, &steward).await;
}

/// What must not be put in, and who must not.
async fn refused_ones(steward: &Client, reader: &Client, own: &str, stale: &Value) {
    let now = lines(steward).await;
    let harmless = format!("{own}\np, nobody, port:audit, read, allow\n");
    assert_eq!(code(&put(steward, Some(&harmless), stale).await), "POLICY_CHANGED_MEANWHILE");
    for (text, refused, line) in [
        (format!("{own}\nnonsense"), "POLICY_LINE", true),
        (format!("{own}\np, anonymous, earthquakes.nothing, read, deny"), "POLICY_OBJECT", true),
        (format!("{own}\np, steward, port:control, admin, deny"), "POLICY_LOCKS_OUT", false),
        (String::new(), "POLICY_LOCKS_OUT", false),
    ] {
        let shown = preview(steward, Some(&text)).await;
        assert_eq!(shown["locksOut"], !line, "{shown}");
        let found = shown["diagnostics"].as_array().unwrap();
        assert_eq!(found.iter().any(|found| found["code"] == refused && found["line"].is_i64()), line, "{shown}");
        assert_eq!(code(&put(steward, Some(&text), &now["state"]).await), refused, "{text}");
    }
    assert_eq!(code(&put(reader, Some(&harmless), &now["state"]).await), "FORBIDDEN");
    assert_eq!(code(&reader.graphql(LINES, Value::Null).await), "FORBIDDEN");
    assert_eq!(code(&reader.graphql(PREVIEW, json!({ "text": harmless })).await), "FORBIDDEN");
    let anew = lines(steward).await;
    assert_eq!((&anew["state"], &anew["text"]), (&now["state"], &now["text"]), "nothing of it was put in");

    // what it would take from a grant
    let grant = "mutation { grant(subject: \"eve\", fields: [\"earthquakes.felt_reports\"], purpose: \"a study\", duration: \
                 \"1h\") { state } }";
    let granted = steward.graphql(grant, Value::Null).await;
    assert_eq!(granted["data"]["grant"]["state"], "active", "{granted}");
    let denied = format!("{own}\np, reader, earthquakes.felt_reports, read, deny\n");
    let shown = preview(steward, Some(&denied)).await;
    let lost =
        json!({"subject": "eve", "fields": ["earthquakes.felt_reports"], "lostWith": ["reader"], "inVain": false});
    assert_eq!((&shown["changedGrants"], &shown["grants"]), (&json!(1), &json!([lost])), "{shown}");
}

/// The history is told and stays, and each attempt is in the audit log.
async fn on_record(database: &str, steward: &Client) {
    let history = "{ policyHistory(first: 10) { position text reason putBy widening narrowing before after } }";
    let history = steward.graphql(history, Value::Null).await["data"]["policyHistory"].clone();
    let history = history.as_array().unwrap();
    assert_eq!(history.iter().map(|put| put["position"].as_i64().unwrap()).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert!(history.iter().all(|put| put["putBy"] == "alan" && put["reason"] == "as decided"), "{history:?}");
    assert_eq!((&history[0]["text"], &history[3]["narrowing"]), (&Value::Null, &json!(1)));
    assert_eq!(history[1]["before"], history[2]["after"], "each is of what held before");
    let login = PgPool::connect(database).await.unwrap();
    for change in ["DELETE FROM security.put_policies", "UPDATE security.put_policies SET text = ''"] {
        let error = sqlx::query(change).execute(&login).await.unwrap_err().to_string();
        assert!(error.contains("only ever added"), "{error}");
    }
    let records: Vec<Value> =
        sqlx::query_scalar("SELECT record::jsonb FROM control.audit WHERE record::jsonb ->> 'action' = 'putPolicy'")
            .fetch_all(&login)
            .await
            .unwrap();
    let denied = records.iter().filter(|record| record["allowed"] == false);
    assert_eq!(denied.map(|record| record["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["eve"]);
    for put in history {
        let of =
            |record: &&Value| record["detail"]["after"] == put["after"] && record["detail"]["before"] == put["before"];
        let record = records.iter().find(of).unwrap_or_else(|| panic!("{put} is not in {records:?}"));
        assert_eq!((&record["subject"], &record["detail"]["widening"]), (&json!("alan"), &put["widening"]));
        assert_eq!(record["detail"]["reason"], "as decided");
    }
}

async fn post(client: &Client, path: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let form = ("content-type", "application/x-www-form-urlencoded");
    client.send(Method::POST, path, &[&[form], headers].concat(), body).await
}

/// The value of a hidden field of a page.
fn hidden<'p>(page: &'p str, name: &str) -> &'p str {
    let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    page.split_once(&field).and_then(|(_, rest)| rest.split_once('"')).unwrap_or_else(|| panic!("{page}")).0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_command_line_show_the_effect_before_they_apply_it() {
    const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
    let state = state_directory();
    let folder = state.path().join("products/continents");
    copy_folder(&product_folder("continents"), &folder).unwrap();
    let (products, kept) = (state.path().join("products"), state.path().join("state"));
    let [products, kept] = [products, kept].map(|path| path.to_str().unwrap().to_owned());
    let arguments = ["dev", "--port", "{port}", "--products", &products, "--state", &kept];
    let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
    let token = |role: &str| {
        let arguments = ["token", "--subject", "alan", "--role", role, "--state", &kept];
        let made = Command::new(BINARY).args(arguments).output().unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let (steward, analyst) = (token("steward"), token("analyst"));
    let [client, other] = [&steward, &analyst].map(|token| mesh.client().with_token(token.as_str()));
    let name = async || {
        let answer = mesh.client().graphql("{ continent(code: \"AF\") { code name } }", Value::Null).await;
        answer["data"]["continent"]["name"].clone()
    };
    assert_eq!(name().await, "Africa");

    // the page is the steward's
    let page = client.get("/admin/continents/policy").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("p, steward, port:control, admin, allow") && !page.text().contains("Apply"));
    assert_eq!(other.get("/admin/continents/policy").await.status, StatusCode::NOT_FOUND);
    assert_eq!(mesh.client().get("/admin/continents/policy").await.status, StatusCode::NOT_FOUND);

    // the effect, and nothing yet; what was written comes back as text
    let own = fs::read_to_string(folder.join("policy.csv")).unwrap();
    let closed = format!("{own}\r\n# \"<b>\"\r\np, anonymous, continents.name, read, deny\r\n");
    let effect = post(&client, "/admin/continents/policy/effect", &[OWN], &[("text", &closed)]).await;
    let shown = effect.text();
    assert_eq!(effect.status, StatusCode::OK, "{shown}");
    assert!(shown.contains("anonymous could read continents.name, and will no longer"), "{shown}");
    assert!(shown.contains("Takes away") && shown.contains("Apply") && !shown.contains("\"<b>\""), "{shown}");
    assert_eq!(name().await, "Africa");
    let bad = post(&client, "/admin/continents/policy/effect", &[OWN], &[("text", "nonsense")]).await.text();
    assert!(bad.contains("Line 1: `nonsense` is no policy line") && !bad.contains("Apply"), "{bad}");

    // applied as it was shown; from the own pages only, and not without having looked
    let apply = "/admin/continents/policy/apply";
    let filled = [("expected", hidden(&shown, "expected")), ("text", closed.as_str()), ("reason", "an emergency")];
    assert_eq!(post(&client, apply, &[], &filled).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&other, apply, &[OWN], &filled).await.status, StatusCode::FORBIDDEN);
    let unseen = post(&client, apply, &[OWN], &filled[1..]).await;
    assert_eq!(unseen.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unseen.text());
    assert_eq!(name().await, "Africa");
    let applied = post(&client, apply, &[OWN], &filled).await;
    assert_eq!(applied.status, StatusCode::SEE_OTHER, "{}", applied.text());
    until("the name is closed", ENFORCED, async || name().await.is_null()).await;
    let stale = post(&client, apply, &[OWN], &filled).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.text());
    let page = client.get(applied.headers["location"].to_str().unwrap()).await.text();
    assert!(page.contains("Put in: it holds everywhere"), "{page}");
    assert!(page.contains("Put in by alan") && page.contains("an emergency"), "{page}");

    // the command line: explained by what holds, and brought back
    let cli = |arguments: &[&str]| -> Output {
        let base = mesh.base();
        Command::new(BINARY).arg("policy").args(arguments).args(["--url", &base, "--token", &steward]).output().unwrap()
    };
    let text = |output: &Output| String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    let explained = text(&cli(&["explain", "continents", "continents.name", "--products", &products]));
    assert!(
        explained.contains("anonymous may not read continents.name")
            && explained.contains("which is of the policy that alan put in on"),
        "{explained}"
    );
    let asked = cli(&["put", "continents", "--back", "--reason", "it is over"]);
    assert!(text(&asked).contains("+ anonymous  read continents.name of continents  (deny → allow)"), "{asked:?}");
    assert!(!asked.status.success() && text(&asked).contains("nothing was put in"), "{asked:?}");
    assert!(name().await.is_null());
    let back = cli(&["put", "continents", "--back", "--reason", "it is over", "--yes"]);
    assert!(back.status.success() && text(&back).contains("1 more can be done, 0 less"), "{back:?}");
    until("the name is back", Duration::from_secs(5), async || name().await == "Africa").await;
    let bad = state.path().join("bad.csv");
    fs::write(&bad, "p, anonymous, continents.nothing, read, deny\n").unwrap();
    let refused = cli(&["put", "continents", bad.to_str().unwrap(), "--reason", "a mistake", "--yes"]);
    assert!(!refused.status.success() && text(&refused).contains("line 1: `continents.nothing`"), "{refused:?}");
}
