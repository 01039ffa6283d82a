//! What operations cost: estimated, reported, refused, and taken from a budget.

use crate::support::{Gateway, SECRET, Subgraph, ask, codes};
use serde_json::{Value, json};
use terrane_auth::{TokenRequest, issue};

const SDL: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@cost", "@listSize"])
type Query {
  book: Book
  books(first: Int): [Book] @listSize(assumedSize: 20, slicingArguments: ["first"], requireOneSlicingArgument: false)
  strict(first: Int, last: Int): [Book] @listSize(slicingArguments: ["first", "last"])
}
type Book { title: String rare: Int @cost(weight: 30) }
type Mutation { add: Book }
"#;

async fn subgraph() -> Subgraph {
    let book = json!({"title": "t", "rare": 1});
    Subgraph::always(json!({"book": book, "books": [book], "strict": [book], "add": book})).await
}

fn token(subject: &str) -> String {
    let request = TokenRequest { subject: subject.into(), lifetime_seconds: 60, ..TokenRequest::default() };
    issue(SECRET, &request).unwrap()
}

#[tokio::test]
async fn what_costs_too_much_is_refused_before_a_subgraph_is_asked() {
    let subgraph = subgraph().await;
    let settings = "demand: {mode: enforce, max_cost: 50, report: always}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let client = gateway.client();
    let cases: &[(&str, Value, f64)] = &[
        ("{ book { title } }", json!({}), 1.0),
        ("{ book { title rare } }", json!({}), 31.0),
        ("{ books { title } }", json!({}), 20.0),
        ("query($n: Int) { books(first: $n) { title } }", json!({"n": 7}), 7.0),
        ("mutation { add { title } }", json!({}), 11.0),
        ("{ strict(first: 2) { title } }", json!({}), 2.0),
    ];
    for (query, variables, cost) in cases {
        let answer = ask(&client, query, variables.clone(), &[]).await;
        let body = answer.json();
        assert_eq!(codes(&body), [""; 0], "{query} {body}");
        assert_eq!(body["extensions"]["cost"], json!({"estimated": *cost as u64, "limit": 50}), "{query}");
        assert_eq!(answer.headers["graphql-cost"].to_str().unwrap(), format!("estimated={cost}, limit=50"));
    }
    let asked = subgraph.count();
    let refused: &[(&str, Value, &str)] = &[
        ("{ books { rare } }", json!({}), "COST_TOO_HIGH"),
        ("query($n: Int) { books(first: $n) { title } }", json!({"n": 51}), "COST_TOO_HIGH"),
        ("{ strict { title } }", json!({}), "COST_SLICING_ARGUMENT"),
        ("{ strict(first: 1, last: 1) { title } }", json!({}), "COST_SLICING_ARGUMENT"),
    ];
    for (query, variables, code) in refused {
        let answer = ask(&client, query, variables.clone(), &[]).await;
        assert_eq!((answer.status.as_u16(), codes(&answer.json())), (400, vec![*code]), "{query}");
    }
    assert_eq!(subgraph.count(), asked);
    let exceeded = "terrane_graphql_cost_exceeded_total{why=\"too_expensive\",mode=\"enforce\"}";
    assert_eq!(gateway.metric(exceeded).await, 2.0);
}

#[tokio::test]
async fn in_mode_measure_nothing_is_refused_and_the_cost_is_told_to_who_asks() {
    let subgraph = subgraph().await;
    let settings = "demand: {mode: measure, max_cost: 5}";
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], settings, &[]).await;
    let client = gateway.client();
    let silent = client.graphql("{ books { title } }", json!({})).await;
    assert_eq!(silent, json!({"data": {"books": [{"title": "t"}]}}));
    let body = json!({"query": "{ books { title } }", "extensions": {"cost": true}}).to_string();
    let told = client.send(http::Method::POST, "/graphql", &[("content-type", "application/json")], body).await.json();
    assert_eq!(told["extensions"]["cost"]["estimated"], 20);
    assert_eq!(told["data"], silent["data"]);
    let exceeded = "terrane_graphql_cost_exceeded_total{why=\"too_expensive\",mode=\"measure\"}";
    assert_eq!(gateway.metric(exceeded).await, 2.0);
}

#[tokio::test]
async fn each_caller_has_a_budget() {
    let subgraph = subgraph().await;
    let settings =
        format!("auth: {{jwt: {{secret: {SECRET}}}}}\ndemand: {{mode: enforce, budget: {{per_second: 1, burst: 45}}}}");
    let gateway = Gateway::start(&[("s", &subgraph.address, SDL)], &settings, &[]).await;
    let (ada, bob) = (gateway.client().with_token(token("ada")), gateway.client().with_token(token("bob")));
    let books = "{ books { title } }";
    for _ in 0..2 {
        assert_eq!(ask(&ada, books, json!({}), &[]).await.status, 200);
    }
    let spent = ask(&ada, books, json!({}), &[]).await;
    assert_eq!((spent.status.as_u16(), codes(&spent.json())), (429, vec!["COST_BUDGET_SPENT"]));
    let wait: u64 = spent.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    assert_eq!(ask(&ada, "{ book { title } }", json!({}), &[]).await.status, 200, "what is cheap still fits");
    assert_eq!(ask(&bob, books, json!({}), &[]).await.status, 200, "another caller has its own");
    assert_eq!(ask(&bob, "{ books(first: 46) { title } }", json!({}), &[]).await.status, 429);
    assert_eq!(
        ask(&gateway.client(), books, json!({}), &[]).await.status,
        200,
        "and who has not signed in, by address"
    );
}

/// The connections of products say how long they are.
#[tokio::test]
async fn pages_of_products_weigh_as_much_as_they_hold() {
    let subgraph = Subgraph::always(json!({})).await;
    let schema = std::fs::read_to_string(terrane_testkit::repository().join("schema/data/countries.graphql")).unwrap();
    let gateway = Gateway::start(&[("countries", &subgraph.address, &schema)], "demand: {mode: measure}", &[]).await;
    let cases: &[(&str, u32)] = &[
        ("{ countries { nodes { name } } }", 1 + 50),
        ("{ countries(first: 3) { nodes { name } } }", 1 + 3),
        ("{ countries(last: 3) { edges { node { name } } pageInfo { endCursor } } }", 1 + 3 * 2 + 1),
        ("{ countries(first: 2) { nodes { neighbourCountries(first: 4) { nodes { name } } } } }", 1 + 2 * (1 + 1 + 4)),
        (
            "{ countries { groups(by: [{field: CONTINENT_CODE}], first: 7) { count sum { population } } } }",
            1 + 7 * 2 + 1,
        ),
    ];
    for (query, cost) in cases {
        let answer = ask(&gateway.client(), query, json!({}), &[]).await;
        assert_eq!(
            answer.headers["graphql-cost"].to_str().unwrap(),
            format!("estimated={cost}, limit=10000"),
            "{query}"
        );
    }
}
