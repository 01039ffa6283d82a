//! What is too large, comes too often or asks for the schema is refused, precisely and before a subgraph hears of it.

use crate::support::{Gateway, SECRET, Subgraph, ask, codes};
use serde_json::{Value, json};
use terrane_auth::{TokenRequest, issue};

const SDL: &str =
    "directive @x repeatable on FIELD type Query { a(v: [Int], w: In): Int b: Query } input In { in: In list: [Int] }";

const LIMITS: &str = "limits: {depth: 6, aliases: 3, root_fields: 4, directives: 2, fragments: 3, selections: 12, tokens: 200, \
                      list_items: 5, variables_bytes: 100, variables_depth: 4, body_bytes: 5000}";

fn token(subject: &str, roles: &[&str]) -> String {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    let request = TokenRequest { subject: subject.into(), roles, lifetime_seconds: 60, ..TokenRequest::default() };
    issue(SECRET, &request).unwrap()
}

#[tokio::test]
async fn every_limit_says_what_it_measured_what_it_found_and_what_it_takes() {
    let subgraph = Subgraph::always(json!({"a": 1})).await;
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], LIMITS, &[]).await;
    let bomb =
        "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...C ...C } fragment C on Query { a a a a }";
    let operations: &[(&str, &str, u64, u64)] = &[
        ("{ b { b { b { b { b { b { a } } } } } } }", "levels", 7, 6),
        ("{ b { x: a y: a z: a w: a } }", "aliases", 4, 3),
        ("{ a a a a a }", "root fields", 5, 4),
        (bomb, "root fields", 16, 4),
        ("{ a @include(if: true) @skip(if: false) b { a @skip(if: false) } }", "directives", 3, 2),
        ("{ b { a a a a a a a a a a a a } }", "selections", 13, 12),
        ("{ a(v: [1, 2, 3, 4, 5, 6]) }", "items in a list", 6, 5),
        ("{ a(w: {in: {list: [1, 2, 3, 4, 5, 6]}}) }", "items in a list", 6, 5),
        (
            "{ a } fragment A on Query { a } fragment B on Query { a } fragment C on Query { a } fragment D on Query { a }",
            "fragments",
            4,
            3,
        ),
    ];
    for (query, measure, found, limit) in operations {
        let answer = ask(&gateway.client(), query, json!({}), &[]).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), codes(&body)), (400, vec!["OPERATION_TOO_LARGE"]), "{query} {body}");
        let extensions = &body["errors"][0]["extensions"];
        let told = json!({"code": "OPERATION_TOO_LARGE", "measure": measure, "found": found, "limit": limit});
        assert_eq!(extensions, &told, "{query}");
    }
    let deep = json!({"w": {"in": {"in": {"in": {"in": {}}}}}});
    let variables: &[(Value, &str)] = &[
        (json!({"v": [1, 2, 3, 4, 5, 6]}), "items in a list"),
        (json!({"unused": "x".repeat(200)}), "bytes"),
        (deep, "levels"),
    ];
    for (variables, measure) in variables {
        let query = "query($v: [Int], $w: In) { a(v: $v, w: $w) }";
        let body = ask(&gateway.client(), query, variables.clone(), &[]).await.json();
        assert_eq!(codes(&body), ["VARIABLES_TOO_LARGE"], "{body}");
        assert_eq!(body["errors"][0]["extensions"]["measure"], *measure, "{body}");
    }
    let tokens = format!("{{ {} }}", "a ".repeat(300));
    let body = ask(&gateway.client(), &tokens, json!({}), &[]).await.json();
    assert_eq!(codes(&body), ["GRAPHQL_PARSE_FAILED"], "{body}");
    let nested = format!("{{ a(v: {}1{}) }}", "[".repeat(90), "]".repeat(90));
    let body = ask(&gateway.client(), &nested, json!({}), &[]).await.json();
    assert_eq!(codes(&body)[0], "GRAPHQL_PARSE_FAILED", "{body}");
    let body = ask(&gateway.client(), &"x".repeat(6000), json!({}), &[]).await;
    assert_eq!(body.status, 413);
    assert_eq!(subgraph.count(), 0);
    let fine = ask(&gateway.client(), "query($v: [Int]) { a(v: $v) }", json!({"v": [1]}), &[]).await;
    assert_eq!((fine.status.as_u16(), subgraph.count()), (200, 1));
}

#[tokio::test]
async fn a_bomb_of_fragments_is_refused_at_once() {
    let subgraph = Subgraph::always(json!({"a": 1})).await;
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], "", &[]).await;
    let mut bomb = "{ b { ...F0 } }".to_owned();
    for i in 0..300 {
        bomb += &format!(" fragment F{i} on Query {{ b {{ ...F{} }} ...F{} }}", i + 1, i + 1);
    }
    bomb += " fragment F300 on Query { a }";
    let body = ask(&gateway.client(), &bomb, json!({}), &[]).await.json();
    assert_eq!(codes(&body), ["OPERATION_TOO_LARGE"], "{body}");
    let cycle = "{ ...F } fragment F on Query { b { ...G } } fragment G on Query { b { ...F } }";
    let body = ask(&gateway.client(), cycle, json!({}), &[]).await.json();
    assert!(codes(&body).iter().all(|code| *code == "GRAPHQL_VALIDATION_FAILED"), "{body}");
    assert_eq!(subgraph.count(), 0);
}

#[tokio::test]
async fn who_asks_too_often_has_to_wait() {
    let subgraph = Subgraph::always(json!({"a": 1})).await;
    let settings = format!(
        "auth: {{jwt: {{secret: {SECRET}}}}}\nrates: {{caller: {{per_second: 1, burst: 3}}, forwarded_for: true}}"
    );
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], &settings, &[]).await;
    let (ada, bob) = (gateway.client().with_token(token("ada", &[])), gateway.client().with_token(token("bob", &[])));
    let mut refused = None;
    for _ in 0..50 {
        let answer = ask(&ada, "{ a }", json!({}), &[]).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a burst of 50 is refused");
    assert_eq!(
        (codes(&refused.json()), &refused.headers["retry-after"]),
        (vec!["RATE_LIMITED"], &"1".parse().unwrap())
    );
    assert_eq!(ask(&bob, "{ a }", json!({}), &[]).await.status, 200, "another caller has its own rate");
    let mut from = 0;
    for number in 0..50 {
        let headers = [("x-forwarded-for", "10.0.0.1")];
        if ask(&gateway.client(), "{ a }", json!({}), &headers).await.status == 429 {
            from = number;
            break;
        }
    }
    assert!(from >= 3);
    assert_eq!(ask(&gateway.client(), "{ a }", json!({}), &[("x-forwarded-for", "10.0.0.2")]).await.status, 200);
    assert!(gateway.metric("terrane_gateway_requests_limited_total").await >= 2.0);
}

#[tokio::test]
async fn an_address_is_limited_before_its_request_is_read() {
    let subgraph = Subgraph::always(json!({"a": 1})).await;
    let settings = "rates: {address: {per_second: 1, burst: 5}}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let client = gateway.client();
    let mut statuses = Vec::new();
    for _ in 0..50 {
        statuses.push(client.send(http::Method::POST, "/graphql", &[], "not even JSON").await.status.as_u16());
    }
    assert!(statuses[..5].iter().all(|status| *status == 415) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(client.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn the_schema_is_for_some_roles_only() {
    let subgraph = Subgraph::always(json!({"a": 1})).await;
    let settings =
        format!("auth: {{jwt: {{secret: {SECRET}}}}}\nintrospection: {{enabled: false, roles: [developer]}}");
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], &settings, &[]).await;
    for query in [
        "{ __schema { types { name } } }",
        "{ a s: __type(name: \"Query\") { name } }",
        "{ ... { ...F } } fragment F on Query { __schema { types { name } } }",
    ] {
        let answer = gateway.client().with_token(token("ada", &["analyst"])).graphql(query, json!({})).await;
        assert_eq!((codes(&answer), answer.get("data")), (vec!["INTROSPECTION_DISABLED"], None), "{answer}");
        let answer = gateway.client().with_token(token("dev", &["developer"])).graphql(query, json!({})).await;
        assert_eq!(codes(&answer), [""; 0], "{answer}");
    }
    let answer = gateway.client().graphql("{ __typename a }", json!({})).await;
    assert_eq!(answer, json!({"data": {"__typename": "Query", "a": 1}}));
}
