//! Access at a product: what is approved holds at once and everywhere, until it ends, and everything of it is on record.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{fresh_database, product_folder};
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
const NORWAY: &str = "{ country(code: \"NO\") { name population sourceRecordId } }";
const ASK: &str = "mutation($role: String, $fields: [String!], $subject: String, $for: String!) { requestAccess(role: $role, \
    fields: $fields, subject: $subject, purpose: \"a study of cities\", duration: $for) { id state waitsFor levels { level \
    approvers automatic } grant { id } } }";
const STEPS: &str = "query($id: String) { accessRequests(id: $id) { state grant { state endedBy } steps { step actor level \
    reason } } }";

/// A process that serves the product `countries`.
struct Served {
    service: ProductService,
    router: Router,
}

impl Served {
    async fn open(url: &str) -> Self {
        let options = ServiceOptions {
            folder: product_folder("countries"),
            store: StoreOptions::new(url),
            authenticator: Authenticator::new(&JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() })
                .unwrap(),
            upstreams: Upstreams::new(),
        };
        let service = ProductService::open(options).await.unwrap();
        Self { router: router(service.clone()), service }
    }

    async fn published() -> (Self, String) {
        let url = fresh_database().await;
        let served = Self::open(&url).await;
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
        assert_eq!(served.service.run(&request).await.unwrap().state, "succeeded");
        (served, url)
    }

    fn as_who(&self, subject: &str, role: &str) -> Who {
        let roles = vec![role.to_owned()];
        let request = TokenRequest { subject: subject.to_owned(), roles, lifetime_seconds: 3600, claims: Map::new() };
        Who { router: self.router.clone(), token: issue(SECRET, &request).unwrap() }
    }
}

/// Somebody at a process.
struct Who {
    router: Router,
    token: String,
}

impl Who {
    async fn send(&self, request: http::request::Builder, body: String) -> (StatusCode, Vec<u8>) {
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(Body::from(body)).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = Request::post("/graphql").header("content-type", "application/json");
        serde_json::from_slice(&self.send(request, body).await.1).unwrap()
    }

    /// The code with which something is refused.
    async fn refused(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("not refused: {answer}")).to_owned()
    }

    async fn request(&self, what: Value) -> Value {
        let answer = self.ask(ASK, what).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["requestAccess"].clone()
    }

    /// Approve, deny, …: what a request's or grant's state is then.
    async fn decide(&self, how: &str, id: &Value) -> Value {
        let reason = if how == "approveAccess" { "String" } else { "String!" };
        let text = format!("mutation($id: String!, $why: {reason}) {{ {how}(id: $id, reason: $why) {{ state }} }}");
        self.ask(&text, json!({"id": id, "why": "as agreed"})).await
    }

    async fn decided(&self, how: &str, id: &Value) -> String {
        let answer = self.decide(how, id).await;
        answer["data"][how]["state"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn cannot(&self, how: &str, id: &Value) -> String {
        let answer = self.decide(how, id).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The population and the source's id of Norway, as somebody sees them.
    async fn norway(&self) -> (Value, Value) {
        let answer = self.ask(NORWAY, json!({})).await;
        let country = &answer["data"]["country"];
        (country["population"].clone(), country["sourceRecordId"].clone())
    }

    async fn export(&self, field: &str) -> StatusCode {
        let path = format!("/output/countries.csv?fields=code,{field}&limit=3");
        self.send(Request::get(path), String::new()).await.0
    }
}

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_by_two_levels_means_readable_until_it_ends() {
    let (served, url) = Served::published().await;
    let other = Served::open(&url).await;
    let [eve, ada, grace] =
        ["eve@example.org", "ada@example.org", "grace@example.org"].map(|s| served.as_who(s, "reader"));
    let eve_there = other.as_who("eve@example.org", "reader");
    assert_eq!(eve.norway().await, (Value::Null, Value::Null));
    assert_eq!(eve.export("source_record_id").await, StatusCode::FORBIDDEN);

    let asked = eve.request(json!({"role": "steward", "for": "1h"})).await;
    let level = |level: i32, who: &str| json!({"level": level, "approvers": [format!("subject:{who}@example.org")], "automatic": false});
    assert_eq!(asked["levels"], json!([level(1, "ada"), level(2, "grace")]));
    assert_eq!((&asked["state"], &asked["waitsFor"]), (&json!("pending"), &json!(1)));
    let id = &asked["id"];
    // not by who asked, not by a stranger, not in another order
    assert_eq!(eve.cannot("approveAccess", id).await, "NOT_AN_APPROVER");
    let stranger = served.as_who("mallory", "analyst");
    assert_eq!(stranger.cannot("approveAccess", id).await, "NOT_AN_APPROVER");
    assert_eq!(grace.cannot("approveAccess", id).await, "NOT_AN_APPROVER");
    assert_eq!(eve.norway().await, (Value::Null, Value::Null));
    assert_eq!(ada.decided("approveAccess", id).await, "pending");
    assert_eq!(ada.cannot("approveAccess", id).await, "NOT_AN_APPROVER");
    assert_eq!(eve.norway().await, (Value::Null, Value::Null));
    assert_eq!(grace.decided("approveAccess", id).await, "granted");

    // here at once, and in another process within a second
    let (population, source) = eve.norway().await;
    assert!(population.is_string() || population.is_number(), "{population}");
    assert!(!source.is_null());
    assert_eq!(eve.export("source_record_id").await, StatusCode::OK);
    let second = Duration::from_secs(1);
    until("the other process enforces a grant", second, async || !eve_there.norway().await.1.is_null()).await;
    assert_eq!(grace.cannot("approveAccess", id).await, "ACCESS_REQUEST_ENDED");
    assert_eq!(eve.refused(ASK, json!({"role": "steward", "for": "1h"})).await, "ACCESS_HELD");

    // and until it is revoked
    assert_eq!(stranger.cannot("revokeAccess", id).await, "NO_SUCH_GRANT");
    assert_eq!(ada.decided("revokeAccess", id).await, "revoked");
    assert_eq!(eve.norway().await, (Value::Null, Value::Null));
    assert_eq!(eve.export("source_record_id").await, StatusCode::FORBIDDEN);
    until("the other process enforces a revocation", second, async || eve_there.norway().await.1.is_null()).await;
    assert_eq!(ada.cannot("revokeAccess", id).await, "GRANT_ENDED");

    // each sees his side of it
    let step = |step: &str, actor: &str, level: Value, reason: &str| json!({"step": step, "actor": format!("{actor}@example.org"), "level": level, "reason": reason});
    let story = json!([{"state": "granted", "grant": {"state": "revoked", "endedBy": "ada@example.org"}, "steps": [
        step("requested", "eve", Value::Null, "a study of cities"),
        step("approved", "ada", json!(1), "as agreed"),
        step("approved", "grace", json!(2), "as agreed"),
        step("granted", "grace", Value::Null, "a study of cities"),
        step("revoked", "ada", Value::Null, "as agreed"),
    ]}]);
    let auditor = served.as_who("alan", "steward");
    for who in [&eve, &ada, &auditor] {
        let seen = who.ask(STEPS, json!({"id": id})).await;
        assert_eq!(seen["data"]["accessRequests"], story, "{seen}");
        let listed = who.ask("{ accessRequests { id } grants(active: false) { subject } }", json!({})).await;
        assert_eq!(listed["data"], json!({"accessRequests": [{"id": id}], "grants": [{"subject": "eve@example.org"}]}));
    }
    assert_eq!(stranger.ask(STEPS, json!({"id": id})).await["data"], json!({"accessRequests": []}));
    let anonymous = Who { token: String::new(), ..served.as_who("nobody", "reader") };
    assert_eq!(anonymous.send(Request::get("/graphql?query={grants{id}}"), String::new()).await.0, 401);

    // the audit log has it all, what was refused as well
    let log = auditor.ask("{ auditLog { action subject allowed } }", json!({})).await;
    let lines: Vec<&Value> = log["data"]["auditLog"].as_array().unwrap().iter().collect();
    let has = |action: &str, subject: &str, allowed: bool| {
        lines.iter().any(|l| **l == json!({"action": action, "subject": subject, "allowed": allowed}))
    };
    assert!(has("requestAccess", "eve@example.org", true), "{log}");
    assert!(has("approveAccess", "eve@example.org", false) && has("approveAccess", "mallory", false), "{log}");
    assert!(has("grantAccess", "grace@example.org", true) && has("revokeAccess", "ada@example.org", true), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_by_itself_and_is_then_on_record() {
    let (served, _) = Served::published().await;
    let [eve, grace, steward] =
        [("eve", "reader"), ("grace@example.org", "reader"), ("alan", "steward")].map(|(s, r)| served.as_who(s, r));
    let asked = eve.request(json!({"role": "analyst", "for": "2s"})).await;
    assert_eq!(grace.decided("approveAccess", &asked["id"]).await, "granted");
    let approved = Instant::now();
    assert!(!eve.norway().await.0.is_null());
    let ends = Duration::from_secs(3);
    until("it ends when it was to", ends, async || eve.norway().await.0.is_null()).await;
    assert!(approved.elapsed() > Duration::from_millis(1_500), "it ended after {:?}", approved.elapsed());
    assert_eq!(eve.export("population").await, StatusCode::FORBIDDEN);
    let expired = json!({"step": "expired", "actor": null, "level": null, "reason": null});
    until("the end is put on record", Duration::from_secs(30), async || {
        let seen = steward.ask(STEPS, json!({"id": asked["id"]})).await;
        seen["data"]["accessRequests"][0]["steps"].as_array().unwrap().last() == Some(&expired)
    })
    .await;
    assert_eq!(grace.cannot("revokeAccess", &asked["id"]).await, "GRANT_ENDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_granted_one_by_one_and_never_against_a_denial() {
    let (served, _) = Served::published().await;
    let [eve, grace] = ["eve", "grace@example.org"].map(|s| served.as_who(s, "reader"));
    let asked = eve.request(json!({"fields": ["countries.population"], "for": "1h"})).await;
    // those decide who decide about the least role that reads the field
    assert_eq!(asked["levels"], json!([{"level": 1, "approvers": ["subject:grace@example.org"], "automatic": false}]));
    assert_eq!(grace.decided("approveAccess", &asked["id"]).await, "granted");
    let (population, source) = eve.norway().await;
    assert!(!population.is_null() && source.is_null());
    assert_eq!(
        (eve.export("population").await, eve.export("source_record_id").await),
        (StatusCode::OK, StatusCode::FORBIDDEN)
    );
    // it is hers alone
    assert!(served.as_who("mallory", "reader").norway().await.0.is_null());
    // a role of that name in a token gives nothing
    assert!(served.as_who("mallory", "granted:countries.population").norway().await.0.is_null());

    let fields = |names: &[&str]| json!({"fields": names, "for": "1h"});
    assert_eq!(eve.refused(ASK, fields(&["countries.population"])).await, "ACCESS_HELD");
    assert_eq!(eve.refused(ASK, fields(&["countries.nothing"])).await, "BAD_USER_INPUT");
    // the policy denies this one to callers without a role of their own, and a deny goes before any grant
    let guest = served.as_who("guest", "anonymous");
    assert_eq!(guest.refused(ASK, fields(&["countries.official_name"])).await, "ACCESS_IN_VAIN");
    // who sees nothing of a dataset asks for a role
    let nobody = served.as_who("nobody", "unheard-of");
    assert_eq!(nobody.refused(NORWAY, json!({})).await, "FORBIDDEN");
    assert_eq!(nobody.refused(ASK, fields(&["countries.name"])).await, "ACCESS_IN_VAIN");
    assert_eq!(nobody.request(json!({"role": "reader", "for": "1h"})).await["state"], "granted");
    assert_eq!(nobody.ask(NORWAY, json!({})).await["data"]["country"]["name"], "Norway");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_to_approve_is_granted_at_once_and_on_record() {
    let (served, _) = Served::published().await;
    let [eve, steward] = [("eve", "anonymous"), ("alan", "steward")].map(|(s, r)| served.as_who(s, r));
    let asked = eve.request(json!({"role": "reader", "for": "1h"})).await;
    assert_eq!((&asked["state"], &asked["levels"][0]["automatic"]), (&json!("granted"), &json!(true)));
    let seen = steward.ask(STEPS, json!({"id": asked["id"]})).await;
    let steps: Vec<(Value, Value)> = seen["data"]["accessRequests"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].clone(), step["actor"].clone()))
        .collect();
    let by = |step: &str, actor: Value| (json!(step), actor);
    assert_eq!(steps, [by("requested", json!("eve")), by("approved", Value::Null), by("granted", Value::Null)]);
    let log = steward.ask("{ auditLog { action subject } }", json!({})).await;
    let automatic = json!({"action": "grantAccess", "subject": null});
    assert!(log["data"]["auditLog"].as_array().unwrap().contains(&automatic), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_can_hold_access_and_owners_grant_without_a_request() {
    let (served, _) = Served::published().await;
    let [eve, grace, steward] =
        [("eve", "reader"), ("grace@example.org", "reader"), ("alan", "steward")].map(|(s, r)| served.as_who(s, r));
    let machine = served.as_who("product:geography", "reader");
    let asked = eve.request(json!({"role": "analyst", "subject": "product:geography", "for": "1h"})).await;
    assert_eq!(grace.decided("approveAccess", &asked["id"]).await, "granted");
    assert!(!machine.norway().await.0.is_null() && eve.norway().await.0.is_null());
    let for_bob = json!({"role": "analyst", "subject": "bob", "for": "1h"});
    assert_eq!(eve.refused(ASK, for_bob).await, "BAD_USER_INPUT", "one asks for oneself, or for a product");

    let grant = "mutation($to: String!) { grant(subject: $to, role: \"analyst\", purpose: \"an audit\", duration: \"1h\") { \
        id state grantedBy } }";
    assert_eq!(eve.refused(grant, json!({"to": "bob"})).await, "FORBIDDEN");
    assert_eq!(steward.refused(grant, json!({"to": "alan"})).await, "NOT_AN_APPROVER", "nobody grants himself");
    let given = steward.ask(grant, json!({"to": "bob"})).await;
    assert_eq!(given["data"]["grant"]["grantedBy"], "alan", "{given}");
    let bob = served.as_who("bob", "reader");
    assert!(!bob.norway().await.0.is_null());
    let revoke = "mutation($id: String!) { revoke(id: $id, reason: \"it is over\") { state } }";
    let id = &given["data"]["grant"]["id"];
    assert_eq!(eve.refused(revoke, json!({"id": id})).await, "FORBIDDEN");
    assert_eq!(steward.ask(revoke, json!({"id": id})).await["data"]["revoke"]["state"], "revoked");
    assert!(bob.norway().await.0.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_refused_with_a_reason() {
    let (served, url) = Served::published().await;
    let [eve, ada] = ["eve", "ada@example.org"].map(|s| served.as_who(s, "reader"));
    for (what, code) in [
        (json!({"for": "1h"}), "BAD_USER_INPUT"),
        (json!({"role": "analyst", "fields": ["countries.population"], "for": "1h"}), "BAD_USER_INPUT"),
        (json!({"role": "analyst", "for": "400d"}), "BAD_USER_INPUT"),
        (json!({"role": "analyst", "for": "soon"}), "BAD_USER_INPUT"),
        (json!({"role": "anonymous", "for": "1h"}), "UNKNOWN_ROLE"),
        (json!({"role": "emperor", "for": "1h"}), "UNKNOWN_ROLE"),
    ] {
        assert_eq!(eve.refused(ASK, what.clone()).await, code, "{what}");
    }
    let asked = eve.request(json!({"role": "steward", "for": "1h"})).await;
    assert_eq!(eve.refused(ASK, json!({"role": "steward", "for": "2h"})).await, "ACCESS_REQUEST_EXISTS");
    assert_eq!(ada.decided("denyAccess", &asked["id"]).await, "denied");
    let again = eve.request(json!({"role": "steward", "for": "1h"})).await;
    assert_eq!(eve.decided("denyAccess", &again["id"]).await, "withdrawn");
    let unknown = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(ada.cannot("approveAccess", &unknown).await, "NO_SUCH_ACCESS_REQUEST");
    let roles = eve.ask("{ accessRoles { role held } }", json!({})).await;
    let role = |name: &str, held: bool| json!({"role": name, "held": held});
    assert_eq!(
        roles["data"]["accessRoles"],
        json!([role("analyst", false), role("reader", true), role("steward", false)])
    );

    // nobody changes what is on record, not even who owns the tables
    let login = sqlx::PgPool::connect(&url).await.unwrap();
    for statement in [
        "UPDATE security.access_events SET actor = 'somebody else'",
        "DELETE FROM security.access_events",
        "TRUNCATE security.access_events",
    ] {
        let refused = sqlx::query(statement).execute(&login).await.unwrap_err().to_string();
        assert!(refused.contains("only ever added"), "{statement}: {refused}");
    }
}
