//! Access over the whole mesh: what is approved through the gateway is enforced there within a second, for queries, downloads
//! and open subscriptions; and a process that is killed in the middle of an approval leaves nothing of it.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use terrane_testkit::{Client, Events, Mesh, fresh_database, product_folder, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const LIMIT: Duration = Duration::from_secs(120);
/// From an approval or revocation on until it holds everywhere.
const ENFORCED: Duration = Duration::from_secs(1);
const TOLD: &str =
    "subscription { earthquakeChanges(filter: {id: {startsWith: \"acc-\"}}) { changes { row { id feltReports } } } }";
const FELT: &str = "{ earthquakes(first: 1, filter: {id: {eq: \"acc-1\"}}) { nodes { feltReports } } }";

/// The next change that is told: `id` and `feltReports`.
async fn told(events: &mut Events) -> (Value, Value) {
    loop {
        let told = events.next(LIMIT).await;
        let changes = &told["data"]["earthquakeChanges"]["changes"];
        if let Some(last) = changes.as_array().unwrap_or_else(|| panic!("{told}")).last() {
            return (last["row"]["id"].clone(), last["row"]["feltReports"].clone());
        }
    }
}

async fn report(steward: &Client, quake: &str) {
    let data = json!({"quake_id": quake, "magnitude": 4.5, "place": "1km N of Lima, Peru", "latitude": -12,
        "longitude": -77, "kind": "earthquake", "status": "automatic", "tsunami": false, "felt_reports": 7,
        "updated_at": "2018-02-06T00:00:01Z"});
    let event = json!({"specversion": "1.0", "id": format!("{quake}@1"), "source": "/tests", "type": "quake",
        "time": "2018-02-06T00:00:00Z", "data": data});
    let path = "/products/earthquakes/input/quake_reports/events";
    let headers = [("content-type", "application/cloudevents+json")];
    let answer = steward.send(Method::POST, path, &headers, event.to_string()).await;
    assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
}

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Cli<'a> {
    url: String,
    token: &'a str,
}

impl Cli<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.arg("access").args(arguments).args(["--url", &self.url, "--token", self.token]);
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What it says where it fails.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_through_the_gateway_is_enforced_within_a_second() {
    let (state, root) = (state_directory(), repository());
    let [products, policies] = ["products", "policies"].map(|name| root.join(name).to_str().unwrap().to_owned());
    let folder = state.path().to_str().unwrap();
    let arguments = ["dev", "--port", "{port}", "--products", &products, "--policies", &policies, "--state", folder];
    let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
    let token = |subject: &str, role: &str| {
        let made = Command::new(BINARY)
            .args(["token", "--subject", subject, "--role", role, "--state", folder])
            .output()
            .unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let [eve, ada, grace, alan] =
        [("eve", "reader"), ("ada@example.org", "reader"), ("grace@example.org", "reader"), ("alan", "steward")]
            .map(|(subject, role)| token(subject, role));
    let client = |token: &str| mesh.client().with_token(token);
    let cli = |token| Cli { url: mesh.base(), token };
    let (reader, steward) = (client(&eve), client(&alan));
    let felt =
        async || reader.graphql(FELT, Value::Null).await["data"]["earthquakes"]["nodes"][0]["feltReports"].clone();
    let file = "/products/earthquakes/output/earthquakes.csv?fields=id,felt_reports&limit=2";
    let file = async || reader.get(file).await.status;

    // before: a subscription that is open sees what its caller may see
    let mut events = reader.events(TOLD).await;
    report(&steward, "acc-1").await;
    assert_eq!(told(&mut events).await, (json!("acc-1"), Value::Null));
    assert_eq!((felt().await, file().await), (Value::Null, StatusCode::FORBIDDEN));

    // asked and approved by the command line, through the gateway
    let asked = cli(&eve).json(&["request", "earthquakes", "--role", "steward", "--purpose", "a study", "--for", "1h"]);
    assert_eq!((&asked["state"], &asked["product"]), (&json!("pending"), &json!("earthquakes")));
    let id = asked["id"].as_str().unwrap();
    assert!(cli(&eve).fails(&["approve", "earthquakes", id]).contains("nobody approves"));
    assert!(cli(&grace).fails(&["approve", "earthquakes", id]).contains("no approver of level 1"));
    assert_eq!(cli(&grace).json(&["list", "--waiting"]), json!([]));
    assert_eq!(cli(&ada).json(&["list", "--waiting"])[0]["id"], *id);
    assert_eq!(cli(&ada).json(&["approve", "earthquakes", id, "--reason", "she asks for good"])["state"], "pending");
    assert_eq!(felt().await, Value::Null);
    // the rest of the way as GraphQL, which says to the millisecond when it was
    let approve = "mutation($id: ID!) { approveAccess(product: \"earthquakes\", id: $id) { state grant { id } } }";
    let approved = client(&grace).graphql(approve, json!({"id": id})).await;
    assert_eq!(approved["data"]["approveAccess"]["state"], "granted", "{approved}");
    until("she reads through the gateway", ENFORCED, async || felt().await == 7).await;
    until("she downloads", ENFORCED, async || file().await == StatusCode::OK).await;
    report(&steward, "acc-2").await;
    assert_eq!(told(&mut events).await, (json!("acc-2"), json!(7)), "the open subscription sees it");

    // and back
    let text = cli(&eve).run(&["list", "earthquakes"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("granted  role steward of earthquakes  for eve: a study")
            && text.contains("approved level 2 by grace@example.org"),
        "{text}"
    );
    let revoke =
        "mutation($id: ID!) { revokeAccess(product: \"earthquakes\", id: $id, reason: \"it is done\") { state } }";
    let revoked = client(&grace).graphql(revoke, json!({"id": id})).await;
    assert_eq!(revoked["data"]["revokeAccess"]["state"], "revoked", "{revoked}");
    until("she reads no longer", ENFORCED, async || felt().await.is_null()).await;
    until("she downloads no longer", ENFORCED, async || file().await == StatusCode::FORBIDDEN).await;
    report(&steward, "acc-3").await;
    assert_eq!(told(&mut events).await, (json!("acc-3"), Value::Null), "the open subscription sees it no longer");

    // by itself, too
    let short = ["request", "earthquakes", "--field", "earthquakes.felt_reports", "--purpose", "a look", "--for", "3s"];
    let short = cli(&eve).json(&short);
    let approved = client(&grace).graphql(approve, json!({"id": short["id"]})).await;
    assert_eq!(approved["data"]["approveAccess"]["state"], "granted", "{approved}");
    until("a field is granted", ENFORCED, async || felt().await == 7).await;
    until("it ends by itself", Duration::from_secs(4), async || felt().await.is_null()).await;
    assert!(
        cli(&grace)
            .fails(&["revoke", "earthquakes", short["id"].as_str().unwrap(), "--reason", "late"])
            .contains("ended already")
    );

    // a product of its own is asked without its id
    let direct = Cli { url: format!("{}/products/earthquakes", mesh.base()), token: &eve };
    assert_eq!(direct.json(&["list", "--direct"]).as_array().unwrap().len(), 2);
    assert!(Cli { url: "http://127.0.0.1:1".to_owned(), token: &eve }.fails(&["list"]).contains("no mesh answers"));
    let explained = Command::new(BINARY)
        .args([
            "policy",
            "explain",
            "earthquakes",
            "earthquakes.felt_reports",
            "--role",
            "reader",
            "--products",
            &products,
        ])
        .output()
        .unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(
        explained.contains("reader may not read") && explained.contains("roles that may: analyst, steward"),
        "{explained}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_an_approval_leaves_nothing_of_it() {
    const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
    let (logs, database) = (state_directory(), fresh_database().await);
    let folder = product_folder("continents");
    let start = async |name: &str| {
        let arguments = [
            "product",
            folder.to_str().unwrap(),
            "--listen",
            "127.0.0.1:{port}",
            "--database-url",
            &database,
            "--jwt-secret",
            SECRET,
        ];
        Mesh::start(Path::new(BINARY), &arguments, &logs.path().join(name)).await
    };
    let client = |mesh: &Mesh, subject: &str| {
        let made = Command::new(BINARY)
            .args(["token", "--subject", subject, "--role", "reader"])
            .env("TERRANE_JWT_SECRET", SECRET)
            .output()
            .unwrap();
        mesh.client().with_token(String::from_utf8(made.stdout).unwrap().trim())
    };
    let mut first = start("first.log").await;
    let ask = "mutation { requestAccess(role: \"analyst\", purpose: \"a study\", duration: \"1h\") { id } }";
    let asked = client(&first, "eve").graphql(ask, Value::Null).await;
    let id = asked["data"]["requestAccess"]["id"].clone();
    assert!(id.is_string(), "{asked}");

    // the approval is written, and waits for the lines of its grant
    let login = PgPool::connect(&database).await.unwrap();
    let mut holding = login.begin().await.unwrap();
    sqlx::query("LOCK TABLE security.policies IN ACCESS EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();
    let approve = "mutation($id: String!) { approveAccess(id: $id) { state } }";
    let grace = client(&first, "grace@example.org");
    let variables = json!({"id": id});
    let approving = tokio::spawn(async move {
        let body = json!({"query": approve, "variables": variables}).to_string();
        grace.try_send(Method::POST, "/graphql", &[("content-type", "application/json")], body).await.is_err()
    });
    until("the approval waits for the grant's lines", LIMIT, async || {
        let waits = "SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted AND \
                     l.relation = 'security.policies'::regclass AND a.query LIKE 'INSERT INTO security.policies%')";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(&login).await.unwrap()
    })
    .await;
    first.end("KILL");
    assert!(approving.await.unwrap(), "nobody was told that it is approved");
    holding.rollback().await.unwrap();

    let second = start("second.log").await;
    let story =
        "query($id: String) { accessRequests(id: $id) { state waitsFor grant { id } steps { step } } grants { id } }";
    let seen = client(&second, "eve").graphql(story, json!({"id": id})).await;
    let nothing = json!({"state": "pending", "waitsFor": 1, "grant": null, "steps": [{"step": "requested"}]});
    assert_eq!(seen["data"], json!({"accessRequests": [nothing], "grants": []}));
    // and it can be done again
    let approved = client(&second, "grace@example.org").graphql(approve, json!({"id": id})).await;
    assert_eq!(approved["data"]["approveAccess"]["state"], "granted", "{approved}");
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM control.audit WHERE record ->> 'action' = 'approveAccess'")
            .fetch_one(&login)
            .await
            .unwrap();
    assert_eq!(audited, 1);
}
