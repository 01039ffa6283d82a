//! Requirements of subgraphs: `@authenticated`, `@requiresScopes`, `@policy`.

use crate::support::{Gateway, SECRET, Subgraph, codes};
use serde_json::{Value, json};
use terrane_auth::{TokenRequest, issue};

const SDL: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated", "@requiresScopes", "@policy"])
type Query { person: Person owner: Owner me: Person @authenticated }
interface Owner { id: ID! name: String secret: String }
type Person implements Owner @key(fields: "id") {
  id: ID!
  name: String
  secret: String @authenticated
  mail: Mail
  salary: Int @requiresScopes(scopes: [["pay", "read"], ["admin"]])
  iban: String @policy(policies: [["bank", "audit"], ["owner"]])
  vault: Vault
}
type Company implements Owner { id: ID! name: String secret: String @requiresScopes(scopes: [["admin"]]) }
type Vault @authenticated { code: Int }
scalar Mail @requiresScopes(scopes: [["mail"]])
"#;

const RULES: &str =
    "p, clerk, policy:bank, hold, allow\np, auditor, policy:audit, hold, allow\np, chief, policy:*, hold, allow\n";

fn token(roles: &[&str], scope: &str) -> String {
    let claims = json!({"scope": scope}).as_object().unwrap().clone();
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    issue(SECRET, &TokenRequest { subject: "ada".into(), roles, lifetime_seconds: 60, claims }).unwrap()
}

async fn subgraph() -> Subgraph {
    let person = json!({"__typename": "Person", "id": "1", "name": "Ada", "secret": "s", "mail": "m", "salary": 1,
                        "iban": "i", "vault": {"code": 7}});
    Subgraph::always(json!({"person": person, "me": person, "owner": person})).await
}

/// What is sent to the subgraph names what is answered, and nothing that is denied.
#[tokio::test]
async fn what_a_caller_does_not_meet_is_null_and_never_fetched() {
    let subgraph = subgraph().await;
    let settings = format!("auth: {{jwt: {{secret: {SECRET}}}}}\npolicy: {{mesh: '{{folder}}/mesh.csv'}}");
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &[("mesh.csv", RULES)]).await;
    let query = "{ person { name secret mail salary iban vault { code } } me { name } }";
    let all = ["secret", "mail", "salary", "iban", "vault"];
    let cases: &[(Option<String>, &[&str])] = &[
        (None, &["secret", "mail", "salary", "iban", "vault", "me"]),
        (Some(token(&["x"], "")), &["mail", "salary", "iban"]),
        (Some(token(&["x"], "mail pay")), &["salary", "iban"]),
        (Some(token(&["clerk"], "mail pay read")), &["iban"]),
        (Some(token(&["clerk", "auditor"], "mail admin")), &[]),
        (Some(token(&["chief"], "mail admin")), &[]),
    ];
    for (token, denied) in cases {
        let client = token.as_ref().map_or_else(|| gateway.client(), |token| gateway.client().with_token(token));
        let answer = client.graphql(query, json!({})).await;
        let mut paths: Vec<&str> =
            answer["errors"].as_array().into_iter().flatten().map(|e| last(&e["path"])).collect();
        paths.sort_unstable();
        let mut expected = denied.to_vec();
        expected.sort_unstable();
        assert_eq!(paths, expected, "{answer}");
        assert!(codes(&answer).iter().all(|code| *code == "FORBIDDEN"), "{answer}");
        let sent = subgraph.received().last().unwrap().body["query"].as_str().unwrap().to_owned();
        for field in all {
            let is_denied = denied.contains(&field);
            assert_eq!(answer["data"]["person"][field] == Value::Null, is_denied, "{field} {answer}");
            assert_eq!(!sent.contains(field), is_denied, "{field} in {sent}");
        }
    }
}

fn last(path: &Value) -> &str {
    path.as_array().and_then(|steps| steps.last()).and_then(Value::as_str).unwrap_or_default()
}

/// An interface asks for what all of its implementations ask for.
#[tokio::test]
async fn an_interface_has_the_requirements_of_its_implementations() {
    let subgraph = subgraph().await;
    let settings = format!("auth: {{jwt: {{secret: {SECRET}}}}}");
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &[]).await;
    let query = "{ owner { name secret } }";
    let weak = gateway.client().with_token(token(&[], "mail")).graphql(query, json!({})).await;
    assert_eq!((codes(&weak), &weak["data"]["owner"]["name"]), (vec!["FORBIDDEN"], &json!("Ada")));
    let strong = gateway.client().with_token(token(&[], "admin")).graphql(query, json!({})).await;
    assert_eq!((codes(&strong), &strong["data"]["owner"]["secret"]), (vec![], &json!("s")));
    // on the type itself, only its own requirement counts
    let own =
        gateway.client().with_token(token(&[], "")).graphql("{ owner { ... on Person { secret } } }", json!({})).await;
    assert_eq!((codes(&own), &own["data"]["owner"]["secret"]), (vec![], &json!("s")));
}

#[tokio::test]
async fn in_mode_reject_an_operation_with_something_denied_does_not_run() {
    let subgraph = subgraph().await;
    let settings = format!("auth: {{jwt: {{secret: {SECRET}}}}}\npolicy: {{mode: reject}}");
    let gateway = Gateway::start(&[("a", &subgraph.address, SDL)], &settings, &[]).await;
    let answer = gateway.client().graphql("{ person { name secret salary } }", json!({})).await;
    assert_eq!((codes(&answer), answer.get("data")), (vec!["FORBIDDEN", "FORBIDDEN"], None), "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("`Person.salary`"), "{answer}");
    assert_eq!(subgraph.count(), 0);
    let fine = gateway.client().graphql("{ person { name } }", json!({})).await;
    assert_eq!(fine["data"]["person"]["name"], "Ada");
}
