//! What needs no provider: settings, sessions, addresses to come back to.

use super::*;
use serde_json::Map;
use terrane_policy::{Caller, RoleSet};

fn config() -> SignInConfig {
    SignInConfig {
        public_url: "https://mesh.example/".to_owned(),
        issuer: "https://id.example".to_owned(),
        client_id: "mesh".to_owned(),
        cookie_keys: vec!["k".repeat(32)],
        claims: vec!["department".to_owned()],
        pass_on: Some(crate::PassOn { secret: "s".repeat(32), lifetime_seconds: 600 }),
        ..SignInConfig::default()
    }
}

fn ada() -> Caller {
    let claims = json!({"sub": "ada", "name": "Ada", "department": "maps", "email": "ada@example.org"});
    Caller {
        subject: Some("ada".to_owned()),
        roles: RoleSet::new(["analyst"]),
        scopes: RoleSet::new(["read"]),
        signed_in: true,
        claims: serde_json::from_value(claims).unwrap(),
    }
}

/// Headers with the cookie of a session that the provider told `age` seconds ago.
fn with_session(sign_in: &SignIn, age: u64) -> HeaderMap {
    let now = get_current_timestamp() - age;
    let session = Session::of(&sign_in.config, ada(), now, now).unwrap();
    let text = serde_json::to_string(&session).unwrap();
    let set = sign_in.cookies.seal(&sign_in.cookies.name(SESSION), text, FLOW).unwrap();
    let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("theme=dark; {pair}")).unwrap())])
}

#[test]
fn settings_that_would_be_unsafe_are_refused() {
    let wrong = |change: fn(&mut SignInConfig)| {
        let mut config = config();
        change(&mut config);
        SignIn::new(config).unwrap_err().to_string()
    };
    assert!(SignIn::new(config()).is_ok());
    assert!(wrong(|c| c.public_url = "http://mesh.example".to_owned()).contains("public_url"));
    assert!(wrong(|c| c.public_url = "https://mesh.example/below".to_owned()).contains("public_url"));
    assert!(wrong(|c| c.public_url = String::new()).contains("public_url"));
    assert!(wrong(|c| c.issuer = "http://id.example".to_owned()).contains("issuer"));
    assert!(wrong(|c| c.client_id = String::new()).contains("client_id"));
    assert!(wrong(|c| c.cookie_keys = vec!["short".to_owned()]).contains("cookie_keys"));
    assert!(wrong(|c| c.cookie_keys.clear()).contains("cookie_keys"));
    assert!(wrong(|c| c.session.seconds = 1).contains("session"));
    let mut local = config();
    local.public_url = "http://127.0.0.1:4000".to_owned();
    local.issuer = "http://localhost:9000".to_owned();
    assert!(SignIn::new(local).unwrap().cookies.name(SESSION).starts_with("terrane-4000-"));
}

#[tokio::test]
async fn a_session_is_a_caller_until_it_ends() {
    let sign_in = SignIn::new(config()).unwrap();
    let Found::Visitor(visitor) = sign_in.find(&with_session(&sign_in, 0)) else { panic!("there is a session") };
    let caller = &visitor.caller;
    assert_eq!((caller.subject.as_deref(), caller.roles.to_string().as_str()), (Some("ada"), "analyst"));
    assert_eq!(caller.claims["department"], "maps");
    assert_eq!(caller.claims["name"], "Ada");
    assert!(!caller.claims.contains_key("email"), "what is not named is not kept");
    assert!(!visitor.is_due());
    let Found::Visitor(older) = sign_in.find(&with_session(&sign_in, 901)) else { panic!("there is a session") };
    assert!(older.is_due());
    assert!(matches!(sign_in.find(&with_session(&sign_in, 3601)), Found::Ended));
    assert!(matches!(sign_in.find(&HeaderMap::new()), Found::Nobody));
    let foreign = SignIn::new(SignInConfig { cookie_keys: vec!["x".repeat(32)], ..config() }).unwrap();
    assert!(matches!(sign_in.find(&with_session(&foreign, 0)), Found::Ended));

    // products get a token with the same identity
    let token = sign_in.authorization(&visitor).unwrap().unwrap();
    let jwt = crate::JwtConfig { secret: Some("s".repeat(32)), ..crate::JwtConfig::default() };
    let behind = crate::Authenticator::new(&jwt).unwrap().authenticate(Some(token.to_str().unwrap())).await.unwrap();
    assert_eq!((&behind.subject, &behind.roles, &behind.scopes), (&caller.subject, &caller.roles, &caller.scopes));
    assert_eq!(behind.claims["department"], "maps");
    assert_eq!(sign_in.authorization(&visitor).unwrap().unwrap(), token, "the same token for the same session");
}

#[test]
fn no_session_goes_on_for_longer_than_the_longest() {
    let sign_in = SignIn::new(config()).unwrap();
    let now = get_current_timestamp();
    let session = Session::of(&sign_in.config, ada(), now - 43_000, now).unwrap();
    assert_eq!(session.until(&sign_in.config), now + 200);
}

#[test]
fn cookies_of_signing_in_are_for_nobody_behind() {
    let sign_in = SignIn::new(config()).unwrap();
    let mut headers = with_session(&sign_in, 0);
    sign_in.strip(&mut headers);
    assert_eq!(headers[COOKIE], "theme=dark");
    let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("__Host-terrane-session=x"))]);
    sign_in.strip(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn nobody_is_sent_to_another_origin() {
    let sign_in = SignIn::new(config()).unwrap();
    for inside in ["/", "/marketplace/countries", "/graphiql?query=%7Ba%7D", "/?q=https://evil.example"] {
        assert_eq!(sign_in.within(inside), inside);
    }
    let long = format!("/{}", "x".repeat(2000));
    let outside = [
        "",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/.//evil.example",
        "/x/..//evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "evil.example",
        "/auth/sign-out",
        "/x/../auth/sign-in",
        "@evil.example",
        &long,
    ];
    for outside in outside {
        assert_eq!(sign_in.within(outside), "/", "{outside:?}");
    }
}

#[tokio::test]
async fn what_was_not_begun_here_is_stale() {
    let sign_in = SignIn::new(config()).unwrap();
    let query =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let flow = Flow {
        state: "state".to_owned(),
        nonce: "nonce".to_owned(),
        verifier: "verifier".to_owned(),
        to: "/".to_owned(),
        quiet: false,
        begun: get_current_timestamp(),
        signed_in: None,
    };
    let cookie = |flow: &Flow| {
        let text = serde_json::to_string(flow).unwrap();
        let set = sign_in.cookies.seal(&sign_in.flow_name("state"), text, FLOW).unwrap();
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&pair).unwrap())])
    };
    let good = cookie(&flow);
    let complete =
        async |headers: &HeaderMap, pairs: &[(&str, &str)]| sign_in.complete(headers, &query(pairs)).await.unwrap_err();
    assert_eq!(complete(&good, &[("code", "c")]).await, SignInError::Stale);
    assert_eq!(complete(&good, &[("code", "c"), ("state", "other")]).await, SignInError::Stale);
    assert_eq!(complete(&HeaderMap::new(), &[("code", "c"), ("state", "state")]).await, SignInError::Stale);
    assert_eq!(complete(&good, &[("state", "state")]).await, SignInError::Stale);
    let late = cookie(&Flow { begun: get_current_timestamp() - 700, ..flow });
    assert_eq!(complete(&late, &[("code", "c"), ("state", "state")]).await, SignInError::Stale);
    let other = [("code", "c"), ("state", "state"), ("iss", "https://other.example")];
    assert!(matches!(complete(&good, &other).await, SignInError::Refused(_)));
    let denied = complete(&good, &[("error", "access_denied"), ("state", "state")]).await;
    assert!(matches!(denied, SignInError::Denied(_)) && denied.code() == "SIGN_IN_DENIED");
}

#[test]
fn claims_of_any_size_and_kind_do_not_break_a_session() {
    let mut caller = ada();
    caller.claims.insert("department".to_owned(), Value::Object(Map::new()));
    let sign_in = SignIn::new(config()).unwrap();
    let session = Session::of(&sign_in.config, caller, 0, 0).unwrap();
    let text = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
    assert!(Session::of(&sign_in.config, Caller { subject: Some(String::new()), ..ada() }, 0, 0).is_none());
}
