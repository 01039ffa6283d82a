//! Tokens of several issuers, keys that change, and API keys of machines.

use crate::support::{Gateway, SECRET, Subgraph, ask, codes, until};
use axum::Router;
use axum::routing::get;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Mutex};

const SDL: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@authenticated", "@requiresScopes"])
type Query { open: Int closed: Int @authenticated paid: Int @requiresScopes(scopes: [["pay"]]) }
"#;
const ALL: &str = "{ open closed paid }";

// keys made for tests with openssl; they guard nothing
const RSA: &str = include_str!("../../crates/auth/tests/keys/rsa.pem");

async fn subgraph() -> Subgraph {
    Subgraph::always(json!({"open": 1, "closed": 2, "paid": 3})).await
}

fn sign(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    encode(&header, claims, key).unwrap()
}

#[allow(clippy::needless_pass_by_value, reason = "the callers write literals")]
fn claims(more: Value) -> Value {
    let mut claims = json!({"sub": "ada", "exp": get_current_timestamp() + 60});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_audience_and_claims() {
    let subgraph = subgraph().await;
    let other = "fedcba9876543210fedcba9876543210";
    let settings = format!(
        "auth:\n  issuers:\n  - {{issuer: one, secret: {SECRET}, audience: mesh, scopes_claim: access.scopes, \
         algorithms: [HS256]}}\n  - {{issuer: two, secret: {other}, leeway_seconds: 0}}"
    );
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &[]).await;
    let (one, two) = (EncodingKey::from_secret(SECRET.as_bytes()), EncodingKey::from_secret(other.as_bytes()));
    let asked = async |token: String| {
        let answer = ask(&gateway.client().with_token(token), ALL, json!({}), &[]).await;
        let body = answer.json();
        (answer.status.as_u16(), codes(&body).into_iter().map(str::to_owned).collect::<Vec<_>>(), body)
    };
    let of_one = claims(json!({"iss": "one", "aud": "mesh", "access": {"scopes": ["pay"]}}));
    let (status, found, body) = asked(sign(&one, Algorithm::HS256, None, &of_one)).await;
    assert_eq!((status, found), (200, vec![]), "{body}");
    let of_two = claims(json!({"iss": "two", "scope": "read pay"}));
    assert_eq!(asked(sign(&two, Algorithm::HS512, None, &of_two)).await.1, [""; 0]);
    let without = claims(json!({"iss": "two", "access": {"scopes": ["pay"]}}));
    assert_eq!(asked(sign(&two, Algorithm::HS256, None, &without)).await.1, ["FORBIDDEN"]);
    let refused = [
        sign(&two, Algorithm::HS256, None, &of_one),
        sign(&one, Algorithm::HS512, None, &of_one),
        sign(&one, Algorithm::HS256, None, &claims(json!({"iss": "one", "aud": "other"}))),
        sign(&one, Algorithm::HS256, None, &claims(json!({"iss": "three", "aud": "mesh"}))),
        sign(&two, Algorithm::HS256, None, &claims(json!({"iss": "two", "exp": get_current_timestamp() - 1}))),
        "a.b.c".to_owned(),
    ];
    for token in refused {
        let (status, found, body) = asked(token).await;
        assert_eq!((status, found), (401, vec!["UNAUTHENTICATED".to_owned()]), "{body}");
    }
}

/// A document of keys that the test changes.
struct KeyServer {
    address: String,
    document: Arc<Mutex<Value>>,
}

impl KeyServer {
    async fn start(document: Value) -> Self {
        let document = Arc::new(Mutex::new(document));
        let served = document.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let answer = move || {
            let text = served.lock().unwrap().to_string();
            async move { text }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/jwks", get(answer))).await });
        Self { address, document }
    }
}

#[tokio::test]
async fn a_key_that_is_gone_from_the_document_is_not_accepted_any_more() {
    let subgraph = subgraph().await;
    let key = EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap();
    let mut public =
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    public["kid"] = json!("first");
    let mut renamed = public.clone();
    renamed["kid"] = json!("second");
    let server = KeyServer::start(json!({"keys": [public]})).await;
    let settings = format!("auth: {{jwt: {{jwks_url: '{}', jwks_refresh_seconds: 1}}}}", server.address);
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &[]).await;
    let first =
        gateway.client().with_token(sign(&key, Algorithm::RS256, Some("first"), &claims(json!({"scope": "pay"}))));
    let second =
        gateway.client().with_token(sign(&key, Algorithm::RS256, Some("second"), &claims(json!({"scope": "pay"}))));
    // twice: the second time it is known by its digest
    for _ in 0..2 {
        assert_eq!(ask(&first, ALL, json!({}), &[]).await.status, 200);
    }
    assert_eq!(ask(&second, ALL, json!({}), &[]).await.status, 401, "an unknown key");
    *server.document.lock().unwrap() = json!({"keys": [renamed]});
    until(|| async { ask(&first, ALL, json!({}), &[]).await.status == 401 }).await;
    until(|| async { ask(&second, ALL, json!({}), &[]).await.status == 200 }).await;
}

fn make_key(subject: &str) -> (String, String) {
    let arguments = ["key", "new", "--subject", subject, "--role", "analyst", "--scope", "pay", "--days", "1"];
    let made = Command::new(env!("CARGO_BIN_EXE_terrane")).args(arguments).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).unwrap();
    let (key, line) = text.trim().split_once('\n').unwrap();
    assert!(!line.contains(key), "the file does not have the key");
    (key.to_owned(), line.to_owned())
}

/// Run `terrane key` on a file; what it prints.
fn keys(gateway: &Gateway, arguments: &[&str]) -> String {
    let file = gateway.folder.path().join("keys.yaml");
    let arguments = [&["key"], arguments, &["--file", file.to_str().unwrap()]].concat();
    let made = Command::new(env!("CARGO_BIN_EXE_terrane")).args(arguments).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn api_keys_are_made_replaced_and_revoked_while_the_gateway_runs() {
    let subgraph = subgraph().await;
    let settings = "auth: {api_keys: {file: '{folder}/keys.yaml'}}";
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], settings, &[("keys.yaml", "")]).await;
    let client = gateway.client();
    let status = async |key: &str| ask(&client, ALL, json!({}), &[("x-api-key", key)]).await.status.as_u16();
    let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();

    let first = keys(&gateway, &["new", "--subject", "etl", "--role", "analyst", "--scope", "pay"]);
    until(|| async { status(&first).await == 200 }).await;
    let text = || std::fs::read_to_string(gateway.folder.path().join("keys.yaml")).unwrap();
    assert!(!text().contains(&first) && text().contains("\"expires\""), "hashed, and with an end: {}", text());

    // both are good for a while, so that the machine can be told
    let second = keys(&gateway, &["rotate", &id(&first), "--overlap", "1"]);
    until(|| async { status(&second).await == 200 }).await;
    assert_eq!(status(&first).await, 200);
    let answer = ask(&client, ALL, json!({}), &[("x-api-key", &second)]).await.json();
    assert_eq!(answer["data"]["paid"], 3, "with the same scopes: {answer}");
    let listed = keys(&gateway, &["list"]);
    assert!(listed.contains(&format!("replaces {}", id(&first))) && !listed.contains("sha256"), "{listed}");

    // without an overlap, the old one ends at once
    let third = keys(&gateway, &["rotate", &id(&second), "--overlap", "0"]);
    until(|| async { status(&third).await == 200 }).await;
    until(|| async { status(&second).await == 401 }).await;
    keys(&gateway, &["revoke", &id(&third)]);
    until(|| async { status(&third).await == 401 }).await;
    assert_eq!(status(&first).await, 200, "another key is as it was");
}

#[tokio::test]
async fn api_keys_stand_for_machines_until_their_line_is_gone() {
    let subgraph = subgraph().await;
    let (key, line) = make_key("etl");
    let (_, other) = make_key("other");
    let settings = format!(
        "auth: {{jwt: {{secret: {SECRET}}}, api_keys: {{file: '{{folder}}/keys.yaml', pass_on: {{secret: {SECRET}}}}}}}"
    );
    let files = [("keys.yaml", format!("{line}\n"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &files).await;
    let client = gateway.client();
    let with = async |key: &str| ask(&client, ALL, json!({}), &[("x-api-key", key)]).await;
    let answer = with(&key).await.json();
    assert_eq!((codes(&answer), &answer["data"]["paid"]), (vec![], &json!(3)), "{answer}");
    // subgraphs see who it stands for
    let passed = subgraph.received().last().unwrap().headers["authorization"].to_str().unwrap().to_owned();
    let known = terrane_auth::Authenticator::new(&terrane_auth::JwtConfig {
        secret: Some(SECRET.to_owned()),
        ..terrane_auth::JwtConfig::default()
    });
    let caller = known.unwrap().authenticate(Some(&passed)).await.unwrap();
    assert_eq!((caller.subject.as_deref(), caller.roles.to_string().as_str()), (Some("etl"), "analyst"));
    let almost = format!("{}{}", &key[..key.len() - 1], if key.ends_with('x') { 'y' } else { 'x' });
    for bad in [almost.as_str(), "", "terrane_", "terrane_nobody_secret"] {
        let answer = with(bad).await;
        assert_eq!((answer.status.as_u16(), codes(&answer.json())), (401, vec!["UNAUTHENTICATED"]), "{bad}");
    }
    let both = ask(&client.with_token("a.b.c"), ALL, json!({}), &[("x-api-key", &key)]).await;
    assert_eq!(both.status, 401);
    gateway.replace("keys.yaml", "- {id: broken}\n");
    let refused = "terrane_gateway_file_changes_total{file=\"api_keys\",outcome=\"refused\"}";
    until(|| async { gateway.metric(refused).await == 1.0 }).await;
    assert_eq!(with(&key).await.status, 200, "the last good list holds");
    gateway.replace("keys.yaml", &format!("{other}\n"));
    until(|| async { with(&key).await.status == 401 }).await;
}
