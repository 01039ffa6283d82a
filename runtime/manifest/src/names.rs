//! Names: turns names of the standards (snake_case) into names of GraphQL (camelCase) and checks both.

/// `area_km2` → `areaKm2`. Characters that GraphQL names lack separate words.
pub fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper_next = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            upper_next = !out.is_empty();
        } else if upper_next {
            out.push(c.to_ascii_uppercase());
            upper_next = false;
        } else if out.is_empty() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// `continent_facts` → `ContinentFacts`.
pub fn pascal_case(name: &str) -> String {
    let camel = camel_case(name);
    let mut chars = camel.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// Whether `name` is a GraphQL name (spec, section 2.1.9) that introspection does not reserve.
pub fn is_graphql_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("__")
}

/// Whether `name` may name a table or column: an identifier that needs no quotes, within Postgres' 63 bytes.
pub(crate) fn is_sql_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 63
        && chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether `id` may be a product id: it names a subgraph, a URL segment and a lineage namespace.
pub(crate) fn is_product_id(id: &str) -> bool {
    let mut chars = id.chars();
    id.len() <= 63
        && chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Types that the data port or GraphQL itself defines; a dataset cannot take their names.
pub(crate) const RESERVED_TYPES: &[&str] = &[
    "Query",
    "Mutation",
    "Subscription",
    "ChangeOperation",
    "String",
    "Int",
    "Float",
    "Boolean",
    "ID",
    "BigInt",
    "Decimal",
    "Date",
    "DateTime",
    "Time",
    "UUID",
    "JSON",
    "PageInfo",
    "OrderDirection",
    "NullsOrder",
    "AggregateFunction",
    "DateBucket",
    "_Any",
    "_Entity",
    "_Service",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_graphql_convention() {
        assert_eq!(camel_case("area_km2"), "areaKm2");
        assert_eq!(camel_case("Population-rank world"), "populationRankWorld");
        assert_eq!(camel_case("_x"), "x");
        assert_eq!(pascal_case("continent_facts"), "ContinentFacts");
        assert!(!is_graphql_name("__typename"));
        assert!(!is_graphql_name("1a"));
        assert!(!is_sql_name("a\"b"));
    }
}
