//! Meshes: turns a number of products into that many subgraphs that refer to each other, and operations over them.

use std::fmt::Write as _;
use terrane_compose::Subgraph;

const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \
                    \"@shareable\", \"@external\", \"@requires\"])\n";

/// A mesh of `count` products. Each has an entity of its own of 12 fields, refers to three other products' entities,
/// contributes a field to each of these that leads back, and one that requires another product's field.
pub fn products(count: usize) -> Vec<Subgraph> {
    (0..count)
        .map(|number| Subgraph { name: format!("product{number}"), url: url(number), sdl: sdl(number, count) })
        .collect()
}

fn url(number: usize) -> String {
    format!("http://product{number}/graphql")
}

/// The products that a product refers to.
fn references(number: usize, count: usize) -> Vec<usize> {
    let mut others: Vec<usize> = [number + 1, number * 7 + 3, number / 2].iter().map(|other| other % count).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|other| *other != number);
    others
}

fn sdl(number: usize, count: usize) -> String {
    let mut text = LINK.to_owned();
    let _ = writeln!(
        text,
        "type Query {{ item{number}(id: ID!): Item{number} items{number}(first: Int = 10, filter: Filter{number}): [Item{number}!]! }}\n\
         input Filter{number} {{ name: String above: Float }}\n\
         enum State{number} {{ NEW OLD GONE }}\n\
         type PageInfo @shareable {{ hasNextPage: Boolean! endCursor: String }}\n\
         type Item{number} @key(fields: \"id\") {{ id: ID! state: State{number}! page: PageInfo"
    );
    for field in 0..8 {
        let _ = writeln!(text, "  value{field}: {}", ["Int", "String!", "Float", "[String!]"][field % 4]);
    }
    for other in references(number, count) {
        let _ = writeln!(text, "  to{other}: Item{other}");
    }
    text.push_str("}\n");
    for other in references(number, count) {
        let _ = writeln!(
            text,
            "type Item{other} @key(fields: \"id\") {{ id: ID! from{number}: [Item{number}!] value0: Int @external \
             sum{number}: Int @requires(fields: \"value0\") }}"
        );
    }
    text
}

/// An operation that goes from product to product `depth` times, with a few fields each.
pub fn chain(count: usize, depth: usize) -> String {
    let (mut text, mut at) = (String::from("{ items1 { id value0"), 1);
    for _ in 0..depth {
        let to = references(at, count)[0];
        let _ = write!(text, " value1 value3 to{to} {{ id value0 state page {{ endCursor }}");
        at = to;
    }
    text.push_str(&"}".repeat(depth + 2));
    text
}

/// An operation of about 500 fields: eleven of 46 products each.
pub fn wide(count: usize) -> String {
    let mut text = String::from("{");
    for number in 0..46 {
        let to = references(number, count)[0];
        let _ = write!(
            text,
            " items{number} {{ id state value0 value1 value2 value3 value4 to{to} {{ value5 sum{number} }} }}"
        );
    }
    text.push('}');
    text
}
