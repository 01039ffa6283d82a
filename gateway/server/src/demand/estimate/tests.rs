//! Estimates of operations over a small schema.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use serde_json::json;
use terrane_plan::Supergraph;

const SUPERGRAPH: &str = r#"
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/cost/v0.1", import: ["@cost", "@listSize"]) { query: Query mutation: Mutation }
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @cost(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR
directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION
scalar link__Import
enum link__Purpose { SECURITY EXECUTION }
enum join__Graph { A @join__graph(name: "a", url: "") }
type Query @join__type(graph: A) {
  book: Book
  books: [Book]
  five: [Book] @listSize(assumedSize: 5)
  paged(first: Int, last: Int): [Book] @listSize(slicingArguments: ["first", "last"])
  lax(first: Int = 7, last: Int): [Book] @listSize(slicingArguments: ["first", "last"], requireOneSlicingArgument: false)
  nested(page: Page): [Book] @listSize(slicingArguments: ["page.first"])
  connection(first: Int): Connection @listSize(assumedSize: 50, slicingArguments: ["first"], sizedFields: ["edges"], requireOneSlicingArgument: false)
  dear(x: Int @cost(weight: 3)): Book @cost(weight: 20)
}
type Mutation @join__type(graph: A) { add(book: New): Book }
type Connection @join__type(graph: A) { edges: [Edge] total: Int @cost(weight: 2) }
type Edge @join__type(graph: A) { node: Book }
type Book @join__type(graph: A) { title: String author: Author isbn: Isbn }
type Author @join__type(graph: A) @cost(weight: 4) { name: String }
scalar Isbn @join__type(graph: A) @cost(weight: 5)
input Page @join__type(graph: A) { first: Int }
input New @join__type(graph: A) { title: String isbn: Isbn other: New pages: Int @cost(weight: 9) }
"#;

#[allow(clippy::needless_pass_by_value, reason = "the callers write literals")]
fn cost(text: &str, variables: Json) -> Result<f64, NotSliced> {
    let graph = Supergraph::parse(SUPERGRAPH).unwrap();
    let schema = graph.api_schema();
    let weights = Weights::new(graph.costs(), 10.0);
    let document = ExecutableDocument::parse_and_validate(schema, text, "o").unwrap_or_else(|e| panic!("{}", e.errors));
    let estimate = Estimate::compile(schema, &weights, &document, document.operations.get(None).unwrap());
    estimate.cost(schema, &weights, variables.as_object())
}

#[track_caller]
fn is(text: &str, expected: f64) {
    assert_eq!(cost(text, json!({})), Ok(expected), "{text}");
}

#[test]
fn elements_weigh_as_the_specification_says() {
    is("{ __typename book { title } }", 1.0);
    is("{ book { title author { name } isbn } }", 1.0 + 4.0 + 5.0);
    is("{ dear { title } }", 20.0);
    is("{ dear(x: 1) { title } }", 23.0);
    is("{ a: book { title } ...F } fragment F on Query { b: book { title } }", 2.0);
    is("{ book @skip(if: true) { title } }", 0.0);
    is("mutation { add(book: {title: \"x\", other: {isbn: 1}}) { title } }", 10.0 + 1.0 + 1.0 + 1.0 + 5.0);
    is("mutation { add(book: {pages: 3}) { title } }", 10.0 + 1.0 + 1.0 + 9.0);
}

#[test]
fn lists_weigh_as_often_as_they_are_long() {
    is("{ books { title } }", 10.0);
    is("{ books { author { name } } }", 50.0);
    is("{ five { title } }", 5.0);
    is("{ paged(first: 3) { title } }", 3.0);
    is("{ lax { title } }", 7.0);
    is("{ lax(first: 2, last: 4) { title } }", 4.0);
    is("{ nested(page: {first: 6}) { title } }", 6.0 + 1.0);
    is("{ connection { edges { node { title } } total } }", 1.0 + 50.0 * 2.0 + 2.0);
    is("{ connection(first: 2) { edges { node { title } } } }", 1.0 + 2.0 * 2.0);
}

#[test]
fn variables_count_with_each_request() {
    let paged = "query($n: Int = 8, $l: Int) { paged(first: $n, last: $l) { title } }";
    assert_eq!(cost(paged, json!({"n": 3})), Ok(3.0));
    assert_eq!(cost(paged, json!({})), Ok(8.0));
    assert_eq!(cost(paged, json!({"l": 3})), Err(NotSliced { field: "Query.paged".to_owned(), found: 2 }));
    assert_eq!(cost("{ paged { title } }", json!({})), Err(NotSliced { field: "Query.paged".to_owned(), found: 0 }));
    let connection = "query($n: Int) { connection(first: $n) { edges { node { author { name } } } } }";
    assert_eq!(cost(connection, json!({"n": 4})), Ok(1.0 + 4.0 * (1.0 + 1.0 + 4.0)));
    assert_eq!(cost(connection, json!({})), Ok(1.0 + 50.0 * 6.0));
    assert_eq!(cost(connection, json!({"n": -4})), Ok(1.0));
    let nested = "query($p: Page) { nested(page: $p) { title } }";
    assert_eq!(cost(nested, json!({"p": {"first": 6}})), Ok(7.0));
    let conditional =
        "query($if: Boolean!) { book @include(if: $if) { title } ... @skip(if: $if) { books { title } } }";
    assert_eq!((cost(conditional, json!({"if": true})), cost(conditional, json!({"if": false}))), (Ok(1.0), Ok(10.0)));
    let add = "mutation($b: New) { add(book: $b) { title } }";
    assert_eq!(cost(add, json!({"b": {"isbn": 1, "other": {"pages": 1}}})), Ok(11.0 + 1.0 + 5.0 + 1.0 + 9.0));
}
