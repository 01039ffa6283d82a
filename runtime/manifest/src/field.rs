//! Fields: turns an ODCS property into a checked column.

use crate::dataset::{Classification, EnumValue, Field, FieldOptions, Transform};
use crate::names::{camel_case, is_graphql_name, is_sql_name};
use crate::nested::{lists_objects, read_nested};
use crate::search::read_searchable;
use crate::types::{LogicalType, PgType, PhysicalType};
use crate::yaml::Node;

const KEYS: &[&str] = &[
    "id",
    "name",
    "physicalName",
    "physicalType",
    "businessName",
    "description",
    "logicalType",
    "logicalTypeOptions",
    "primaryKey",
    "primaryKeyPosition",
    "required",
    "unique",
    "partitioned",
    "partitionKeyPosition",
    "classification",
    "encryptedName",
    "transformSourceObjects",
    "transformLogic",
    "transformDescription",
    "examples",
    "criticalDataElement",
    "items",
    "properties",
    "map",
    "enum",
    "deprecated",
    "semanticType",
    "relationships",
    "quality",
    "tags",
    "synonyms",
    "authoritativeDefinitions",
    "customProperties",
];
const OPTIONS: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "timezone",
    "defaultTimezone",
    "required",
    "minProperties",
    "maxProperties",
    "dimensions",
];

/// The object around a property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Within {
    /// How many objects are around it.
    pub(crate) depth: usize,
    /// How sensitive their column is.
    pub(crate) classification: Classification,
}

/// Read the property at `node`, the `index`-th of its dataset. `None` when it has no usable name or type.
pub(crate) fn read_field(node: &Node<'_>, index: usize) -> Option<Field> {
    read_field_within(node, index, None)
}

/// Read a column, or a member of the objects of one.
pub(crate) fn read_field_within(node: &Node<'_>, index: usize, within: Option<Within>) -> Option<Field> {
    node.expect_keys(KEYS);
    node.check_custom();
    let name = node.require_text("name");
    if name.is_empty() {
        return None;
    }
    let column = node.text("physicalName").unwrap_or_else(|| name.clone());
    if within.is_none() && !is_sql_name(&column) {
        node.error(
            "FIELD_NAME",
            format!("field `{name}` has the column name `{column}`"),
            "use lower-case letters, digits and underscores, at most 63; give `physicalName` to keep the name",
        );
        return None;
    }
    let graphql_name = node.custom("graphqlName").and_then(|n| n.as_text()).unwrap_or_else(|| camel_case(&name));
    if !is_graphql_name(&graphql_name) {
        node.error(
            "GRAPHQL_NAME",
            format!("field `{name}` would be called `{graphql_name}` in GraphQL, which is no name there"),
            "give the custom property `graphqlName`",
        );
    }
    let (logical, physical) = read_types(node, &name)?;
    let classification = read_classification(node, &name, within);
    Some(Field {
        nested: read_nested(node, &name, logical, classification, within),
        column,
        graphql_name,
        business_name: node.text("businessName"),
        description: node.text("description"),
        logical,
        required: node.flag("required") || node.flag("primaryKey"),
        unique: node.flag("unique"),
        key_position: read_key_position(node, index),
        searchable: read_searchable(node, &name, &physical),
        enumeration: node.list("enum").iter().map(read_enum_value).collect(),
        classification,
        deprecated: node.flag("deprecated").then(|| {
            let reason = node.custom("deprecationReason").and_then(|n| n.as_text());
            reason.unwrap_or_else(|| "No longer supported".to_owned())
        }),
        removed_after: read_removed_after(node, &name),
        examples: node.list("examples").iter().map(Node::as_json).collect(),
        options: node.get("logicalTypeOptions").map(|o| read_options(&o)).unwrap_or_default(),
        item_options: node.get("items").and_then(|i| i.get("logicalTypeOptions")).map(|o| read_options(&o)),
        transform: Transform {
            sources: node.texts("transformSourceObjects"),
            logic: node.text("transformLogic"),
            description: node.text("transformDescription"),
        },
        critical: node.flag("criticalDataElement"),
        physical,
        unit: node.custom("unitOfMeasure").and_then(|n| n.as_text()),
        tags: node.texts("tags"),
        name,
    })
}

fn read_types(node: &Node<'_>, name: &str) -> Option<(LogicalType, PhysicalType)> {
    let word = node.require_text("logicalType");
    let Some(logical) = LogicalType::parse(&word) else {
        if !word.is_empty() {
            node.error(
                "FIELD_TYPE",
                format!("field `{name}` has the logical type `{word}`, which is not served"),
                "use string, integer, number, boolean, date, time, timestamp, array, object or map",
            );
        }
        return None;
    };
    let options = node.get("logicalTypeOptions");
    let format = options.as_ref().and_then(|o| o.text("format"));
    let physical = match node.text("physicalType") {
        Some(text) => match PhysicalType::parse(&text) {
            Some(physical) => physical,
            None => {
                node.error(
                    "FIELD_TYPE",
                    format!(
                        "field `{name}` has the physical type `{text}`, which is not on the list of Postgres types"
                    ),
                    "use text, varchar, char, smallint, integer, bigint, real, double precision, numeric, boolean, \
                     date, time, timestamp, timestamptz, uuid, json, jsonb, or an array of one: text[]",
                );
                return None;
            }
        },
        None if logical == LogicalType::Array && lists_objects(node) => PhysicalType::plain(PgType::Jsonb),
        None if logical == LogicalType::Array => {
            let item = node.get("items").and_then(|i| i.text("logicalType"));
            let item = item.as_deref().and_then(LogicalType::parse).unwrap_or(LogicalType::String);
            PhysicalType { array: true, ..PhysicalType::default_for(item, None)? }
        }
        None => PhysicalType::default_for(logical, format.as_deref())?,
    };
    let list_in_json = logical == LogicalType::Array && lists_objects(node) && physical.fits(LogicalType::Object);
    if !physical.fits(logical) && !list_in_json {
        node.error(
            "FIELD_TYPE",
            format!("field `{name}` is a {} but its column is {physical}", logical.word()),
            "make logicalType and physicalType agree",
        );
    }
    Some((logical, physical))
}

/// The custom property `removedAfter` of a deprecated field: a day.
fn read_removed_after(node: &Node<'_>, name: &str) -> Option<String> {
    let given = node.custom("removedAfter")?;
    let day = given.as_text().filter(|text| is_day(text));
    if day.is_none() || !node.flag("deprecated") {
        let message = format!("the `removedAfter` of field `{name}` is no day, or the field is not deprecated");
        given.error("FIELD_DEPRECATION", message, "write a day, \"2027-06-30\", beside `deprecated: true`");
    }
    day
}

/// Whether a text is a calendar date (RFC 3339, `full-date`), but for the length of months.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize| {
        let whole = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| part.parse::<u32>().ok()).flatten()
    };
    match parts.as_slice() {
        [year, month, day] => {
            number(year, 4).is_some()
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

fn read_key_position(node: &Node<'_>, index: usize) -> Option<u32> {
    let position = node.integer("primaryKeyPosition").filter(|p| *p != -1);
    if !node.flag("primaryKey") {
        if position.is_some() {
            node.error(
                "FIELD_KEY",
                format!("{} has a key position but is no key", node.path()),
                "add `primaryKey: true`",
            );
        }
        return None;
    }
    match position.map(u32::try_from) {
        None => Some(index as u32 + 1),
        Some(Ok(position)) if position > 0 => Some(position),
        Some(_) => {
            node.error("FIELD_KEY", format!("{} has no valid key position", node.path()), "positions start at 1");
            Some(index as u32 + 1)
        }
    }
}

/// A member of an object is as sensitive as the object's column, which is read as a whole.
fn read_classification(node: &Node<'_>, name: &str, within: Option<Within>) -> Classification {
    let around = within.map_or(Classification::Public, |w| w.classification);
    let Some(word) = node.text("classification") else { return around };
    let classification = Classification::parse(&word).unwrap_or_else(|| {
        node.error(
            "FIELD_CLASSIFICATION",
            format!("field `{name}` has the unknown classification `{word}`"),
            "use public, internal, confidential or restricted",
        );
        Classification::Restricted
    });
    if within.is_some() && classification > around {
        node.error(
            "FIELD_CLASSIFICATION",
            format!("`{name}` is {} in an object that is {}", classification.word(), around.word()),
            "classify the whole object's field that high, or make this a column of its own",
        );
    }
    classification
}

fn read_enum_value(node: &Node<'_>) -> EnumValue {
    node.expect_keys(&["id", "value", "label", "description", "tags", "authoritativeDefinitions", "customProperties"]);
    if !node.has("value") {
        node.error("MANIFEST_MISSING_FIELD", format!("{} has no `value`", node.path()), "add `value: …`");
    }
    let value = match node.json("value") {
        Some(serde_json::Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    EnumValue { value, label: node.text("label"), description: node.text("description") }
}

fn read_options(node: &Node<'_>) -> FieldOptions {
    node.expect_keys(OPTIONS);
    let number = |key: &str| {
        node.number(key)?;
        match node.json(key) {
            Some(serde_json::Value::Number(number)) => Some(number),
            _ => None,
        }
    };
    let count = |key: &str| {
        let value = node.integer(key)?;
        let count = u32::try_from(value).ok();
        if count.is_none() {
            node.error("MANIFEST_TYPE", format!("`{key}` of {} is out of range", node.path()), "use a count from 0");
        }
        count
    };
    FieldOptions {
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: number("exclusiveMinimum"),
        exclusive_maximum: number("exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        pattern: node.text("pattern"),
        format: node.text("format"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: node.flag("uniqueItems"),
    }
}
