//! Nested types: turns the shapes of JSON objects into GraphQL types.

use super::{Catalog, NestedField, NestedId, NestedKind, NestedType};
use crate::scalar::Scalar;
use terrane_manifest::names::pascal_case;
use terrane_manifest::{Field, LogicalType, Nested};

/// Add the type of `field` of the type `around`, and those in it.
pub(super) fn add_nested(around: &str, field: &Field, nested: &Nested, catalog: &mut Catalog) -> NestedId {
    let type_name =
        nested.graphql_type.clone().unwrap_or_else(|| format!("{around}{}", pascal_case(&field.graphql_name)));
    let id = NestedId(catalog.nested.len() as u32);
    // outer types first, as people read them
    catalog.nested.push(NestedType {
        type_name: type_name.clone(),
        description: field.description.clone().or_else(|| field.business_name.clone()),
        fields: Vec::new(),
    });
    let fields = nested.fields.iter().map(|f| add_field(&type_name, f, catalog)).collect();
    catalog.nested[id.0 as usize].fields = fields;
    id
}

fn add_field(around: &str, field: &Field, catalog: &mut Catalog) -> NestedField {
    let kind = match &field.nested {
        Some(nested) => NestedKind::Object(add_nested(around, field, nested, catalog)),
        None => NestedKind::Scalar(Scalar::of_field(field)),
    };
    NestedField {
        name: field.graphql_name.clone(),
        key: field.column.clone(),
        kind,
        list: field.logical == LogicalType::Array,
        required: field.required,
        description: field.description.clone().or_else(|| field.business_name.clone()),
        deprecated: field.deprecated.clone(),
    }
}
