//! Tokens of every accepted kind, and those that must be refused.

#![allow(clippy::unwrap_used, reason = "a test")]

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terrane_auth::{AuthError, Authenticator, JwtConfig, TokenRequest, issue};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

// keys made for these tests with openssl; they guard nothing
const RSA: &str = include_str!("keys/rsa.pem");
const EC: &str = include_str!("keys/ec.pem");

fn shared() -> Authenticator {
    Authenticator::new(&JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() }).unwrap()
}

fn sign(algorithm: Algorithm, kid: &str, key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    format!("Bearer {}", encode(&header, claims, key).unwrap())
}

fn claims() -> Value {
    json!({"sub": "ada", "roles": ["analyst"], "exp": get_current_timestamp() + 60})
}

#[tokio::test]
async fn a_shared_secret_token_gives_subject_and_roles() {
    let request = TokenRequest {
        subject: "ada".into(),
        roles: vec!["b".into(), "a".into()],
        lifetime_seconds: 60,
        ..Default::default()
    };
    let token = issue(SECRET, &request).unwrap();
    let caller = shared().authenticate(Some(&format!("bearer {token}"))).await.unwrap();
    assert_eq!(caller.subject.as_deref(), Some("ada"));
    assert_eq!(caller.roles.to_string(), "a+b");
    assert_eq!(shared().authenticate(None).await.unwrap().roles.to_string(), "anonymous");
}

#[tokio::test]
async fn what_is_not_good_is_refused() {
    let auth = shared();
    let mut broken =
        format!("Bearer {}", issue(SECRET, &TokenRequest { lifetime_seconds: 60, ..Default::default() }).unwrap());
    broken.pop();
    let other =
        issue("another-secret-of-at-least-32-bytes!", &TokenRequest { lifetime_seconds: 60, ..Default::default() })
            .unwrap();
    let expired = sign(Algorithm::HS256, "x", &EncodingKey::from_secret(SECRET.as_bytes()), &json!({"exp": 1}));
    let endless = sign(Algorithm::HS256, "x", &EncodingKey::from_secret(SECRET.as_bytes()), &json!({"sub": "x"}));
    let none = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    for header in [&broken, &format!("Bearer {other}"), &expired, &endless, none, "Basic eDp5", "Bearer", "Bearer x.y"]
    {
        assert!(auth.authenticate(Some(header)).await.is_err(), "{header}");
    }
    assert_eq!(auth.authenticate(Some(&expired)).await, Err(AuthError::Invalid("it has expired")));
    assert!(Authenticator::new(&JwtConfig { secret: Some("short".into()), ..Default::default() }).is_err());
}

#[tokio::test]
async fn public_keys_are_fetched_once_and_verify_both_kinds() {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counter = fetches.clone();
    let document: Value = serde_json::from_str(include_str!("keys/jwks.json")).unwrap();
    let app = axum::Router::new().route(
        "/keys",
        axum::routing::get(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            std::future::ready(axum::Json(document.clone()))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let auth = Authenticator::new(&JwtConfig { jwks_url: Some(url), ..Default::default() }).unwrap();
    let rsa = sign(Algorithm::RS256, "rsa-1", &EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(), &claims());
    let ec = sign(Algorithm::ES256, "ec-1", &EncodingKey::from_ec_pem(EC.as_bytes()).unwrap(), &claims());
    for token in [&rsa, &ec, &rsa] {
        assert_eq!(auth.authenticate(Some(token)).await.unwrap().roles.to_string(), "analyst");
    }
    let unknown = sign(Algorithm::RS256, "rsa-2", &EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(), &claims());
    assert!(auth.authenticate(Some(&unknown)).await.is_err());
    // the shared-secret trick with a public key as the secret must not work
    let forged = sign(Algorithm::HS256, "rsa-1", &EncodingKey::from_secret(RSA.as_bytes()), &claims());
    assert!(auth.authenticate(Some(&forged)).await.is_err());
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_was_verified_is_known_and_another_is_not() {
    let authenticator = shared();
    let token = |subject: &str| {
        let request = TokenRequest { subject: subject.into(), lifetime_seconds: 60, ..Default::default() };
        format!("Bearer {}", issue(SECRET, &request).unwrap())
    };
    let (ada, bob) = (token("ada"), token("bob"));
    let first = authenticator.caller(Some(&ada), None).await.unwrap();
    let second = authenticator.caller(Some(&ada), None).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second), "its signature was not checked again");
    assert_eq!(authenticator.caller(Some(&bob), None).await.unwrap().subject.as_deref(), Some("bob"));
    // another signature under the same claims is another token
    let (head, signature) = ada.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert!(matches!(authenticator.caller(Some(&forged), None).await, Err(AuthError::Invalid(_))));
    assert!(matches!(authenticator.caller(Some(&ada), Some("key")).await.map(|c| c.subject.clone()), Ok(Some(_))));
}

#[test]
fn lists_of_api_keys_are_checked() {
    let keys = terrane_auth::ApiKeys::new(Vec::new(), None).unwrap();
    let digest = "0".repeat(64);
    let good = format!("- {{id: a, sha256: '{digest}', subject: s}}");
    assert_eq!(keys.replace(&good), Ok(()));
    assert_eq!(keys.replace(""), Ok(()));
    for (bad, what) in [
        (format!("{good}\n{good}"), "the same id"),
        ("- {id: a, sha256: '00', subject: s}".to_owned(), "64 hexadecimal digits"),
        (format!("- {{id: a, sha256: '{digest}', subject: ''}}"), "no subject"),
        (format!("- {{id: a, sha256: '{digest}', subject: s, role: x}}"), "role"),
        ("{}".to_owned(), "API keys"),
    ] {
        let error = keys.replace(&bad).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_has_ended_is_refused_and_one_that_will_says_when() {
    let now = i64::try_from(get_current_timestamp()).unwrap();
    let at = |seconds| chrono::DateTime::from_timestamp(now + seconds, 0);
    let make = |end| terrane_auth::ApiKey::generate("etl".to_owned(), Vec::new(), Vec::new(), end);
    let ((over, entry_over), (good, entry_good), (endless, entry_endless)) = (make(at(-1)), make(at(60)), make(None));
    let keys = terrane_auth::ApiKeys::new(vec![entry_over, entry_good, entry_endless], None).unwrap();
    let authenticator = Authenticator::of(&[], Some(Arc::new(keys))).unwrap();
    let ended = authenticator.caller(None, Some(&over)).await.unwrap_err();
    assert_eq!(ended, AuthError::ApiKey("it has expired"));
    let caller = authenticator.caller(None, Some(&good)).await.unwrap();
    assert_eq!((caller.signed_in, caller.claims["exp"].as_i64()), (true, Some(now + 60)));
    assert!(!authenticator.caller(None, Some(&endless)).await.unwrap().claims.contains_key("exp"));
}
