//! Nested objects: turns the `properties` of an object, or of a list's items, into the shape of its values.

use crate::dataset::{Classification, Field, Nested};
use crate::field::{Within, read_field_within};
use crate::names::{RESERVED_TYPES, is_graphql_name};
use crate::types::LogicalType;
use crate::yaml::Node;
use std::collections::BTreeSet;

/// Objects in objects.
const MAX_DEPTH: usize = 8;
/// What only columns have.
const OF_COLUMNS: &[&str] = &["primaryKey", "unique", "partitioned", "relationships", "quality"];

/// Whether the property at `node` is a list whose items are JSON objects.
pub(crate) fn lists_objects(node: &Node<'_>) -> bool {
    let items = node.get("items").and_then(|i| i.text("logicalType"));
    items.as_deref().and_then(LogicalType::parse) == Some(LogicalType::Object)
}

/// The shape of the property at `node`, of type `logical`; `None` where it has none: then its values are any JSON.
pub(crate) fn read_nested(
    node: &Node<'_>,
    name: &str,
    logical: LogicalType,
    classification: Classification,
    within: Option<Within>,
) -> Option<Nested> {
    let object = match logical {
        LogicalType::Object => node.clone(),
        LogicalType::Array if lists_objects(node) => node.get("items")?,
        _ => return None,
    };
    let properties = object.list("properties");
    if properties.is_empty() {
        return None;
    }
    let depth = within.map_or(1, |w| w.depth + 1);
    if depth > MAX_DEPTH {
        let message = format!("field `{name}` is nested deeper than {MAX_DEPTH} objects");
        object.error("FIELD_NESTED", message, "leave out `properties` there: its values are any JSON then");
        return None;
    }
    let inside = Within { depth, classification };
    let mut fields: Vec<Field> = Vec::new();
    let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (index, property) in properties.iter().enumerate() {
        for key in OF_COLUMNS.iter().filter(|k| property.has(k)) {
            let message = format!("{} is in an object and has `{key}`", property.path());
            property.error("FIELD_NESTED", message, "only columns have that: make it a column of its own");
        }
        let Some(field) = read_field_within(property, index, Some(inside)) else { continue };
        if !keys.insert(field.column.clone()) {
            let message = format!("field `{name}` has the member `{}` twice", field.column);
            property.error("MANIFEST_DUPLICATE", message, "give each its own physicalName");
        }
        if !names.insert(field.graphql_name.clone()) {
            let message = format!("two members of field `{name}` are called `{}` in GraphQL", field.graphql_name);
            property.error("GRAPHQL_NAME_COLLISION", message, "give one of them the custom property `graphqlName`");
        }
        fields.push(field);
    }
    let graphql_type = node.custom("graphqlType").and_then(|n| {
        let kind = n.as_text()?;
        if !is_graphql_name(&kind) || RESERVED_TYPES.contains(&kind.as_str()) {
            n.error("GRAPHQL_NAME", format!("`{kind}` cannot be the GraphQL type of `{name}`"), "choose another name");
        }
        Some(kind)
    });
    Some(Nested { graphql_type, fields })
}
