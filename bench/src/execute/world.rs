//! A shop of three subgraphs: turns requests into their answers, and operations into the responses that must come.

use serde_json::Value;

pub const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\"])\n";

/// Names and schemas.
pub const SUBGRAPHS: [(&str, &str); 3] = [
    (
        "catalog",
        "type Query { shelves: [Shelf!]! tip: Item }
         type Shelf { id: ID! title: String! items: [Item!]! }
         type Item @key(fields: \"id\") { id: ID! name: String! tags: [String!]! size: Size! }
         type Size { width: Int! height: Float! }",
    ),
    (
        "stock",
        "type Item @key(fields: \"id\") { id: ID! price: Float! stock: Int soldBy: Seller! }
         type Seller @key(fields: \"id\") { id: ID! }",
    ),
    ("people", "type Seller @key(fields: \"id\") { id: ID! name: String! open: Boolean! city: String }"),
];

/// Eight shelves of ten items, each with its size and its seller: 8 + 3 × 80 objects.
pub const HEAVY: &str =
    "{ shelves { id title items { id name tags size { width height } price stock soldBy { name open city } } } }";

/// One item.
pub const LIGHT: &str = "{ tip { id name } }";

const SHELVES: usize = 8;
const ITEMS_OF_SHELF: usize = 10;
/// Items stand on more than one shelf, so that some representations are equal.
const ITEMS: usize = 60;
const SELLERS: usize = 20;

/// What a subgraph answers to a request of one of the operations.
pub fn answer(subgraph: &str, request: &Value) -> String {
    let data = match subgraph {
        "catalog" if request["query"].as_str().is_some_and(|query| query.contains("tip")) => tip(),
        "catalog" => shelves(|item| format!("{{\"__typename\":\"Item\",{}}}", own(item))),
        "stock" => entities(request, stock),
        _ => entities(request, |seller| format!("{{{}}}", person(seller))),
    };
    format!("{{\"data\":{{{data}}}}}")
}

/// The response to [`HEAVY`].
pub fn heavy() -> String {
    let whole = |item: usize| format!("{{{},{},\"soldBy\":{{{}}}}}", own(item), price(item), person(seller(item)));
    format!("{{\"data\":{{{}}}}}", shelves(whole))
}

/// The response to [`LIGHT`].
pub fn light() -> String {
    format!("{{\"data\":{{{}}}}}", tip())
}

fn tip() -> String {
    "\"tip\":{\"id\":\"7\",\"name\":\"Item \\u2116 7\"}".to_owned()
}

fn shelves(item: impl Fn(usize) -> String) -> String {
    let shelf = |shelf: usize| {
        let items = list((0..ITEMS_OF_SHELF).map(|place| item((shelf * ITEMS_OF_SHELF + place) % ITEMS)));
        format!("{{\"id\":\"s{shelf}\",\"title\":\"Shelf {shelf} of the \\\"long\\\" hall\",\"items\":{items}}}")
    };
    format!("\"shelves\":{}", list((0..SHELVES).map(shelf)))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    format!("[{}]", parts.collect::<Vec<_>>().join(","))
}

/// What the catalog has of an item.
fn own(item: usize) -> String {
    let (width, height) = (item + 10, item * 2);
    format!(
        "\"id\":\"{item}\",\"name\":\"Item {item}, a thing for every household\",\"tags\":[\"new\",\"tag {}\",\"größe\"],\
         \"size\":{{\"width\":{width},\"height\":{height}.5}}",
        item % 7
    )
}

/// What the stock has of an item, without its seller.
fn price(item: usize) -> String {
    let stock = if item.is_multiple_of(9) { "null".to_owned() } else { (item * 3).to_string() };
    format!("\"price\":{item}.25,\"stock\":{stock}")
}

fn seller(item: usize) -> usize {
    item * 7 % SELLERS
}

fn stock(item: usize) -> String {
    let seller = seller(item);
    format!("{{{},\"soldBy\":{{\"__typename\":\"Seller\",\"id\":\"{seller}\"}}}}", price(item))
}

fn person(seller: usize) -> String {
    let city = if seller.is_multiple_of(5) { "null".to_owned() } else { format!("\"City {seller}\"") };
    format!("\"name\":\"Seller {seller} & Sons\",\"open\":{},\"city\":{city}", seller.is_multiple_of(2))
}

/// The entities of a request's only list of representations.
fn entities(request: &Value, entity: impl Fn(usize) -> String) -> String {
    let lists = request["variables"].as_object().into_iter().flat_map(|variables| variables.values());
    let representations = lists.filter_map(Value::as_array).flatten();
    let ids = representations.filter_map(|one| one["id"].as_str()?.parse().ok());
    format!("\"_entities\":{}", list(ids.map(entity)))
}
