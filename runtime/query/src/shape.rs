//! Shapes: turns variable values into what of them decides the text of a statement.
//!
//! A statement is compiled for a shape, not for values: which fields a filter variable has, what a variable
//! orders or groups by, which of `@skip` and `@include` hold, which variables are null,
//! and which types are represented. Values travel as binds.

use crate::catalog::{Catalog, KeyId};
use crate::coerce::Values;
use crate::schema::DataSchema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::schema::ExtendedType;
use rustc_hash::FxHashSet;
use serde_json::Value;
use std::collections::BTreeSet;

/// The shape of `values` for `operation`, as a cache key. `conditions` are the variables of `@skip` and `@include`.
pub(crate) fn shape(
    schema: &DataSchema,
    operation: &Operation,
    conditions: &FxHashSet<String>,
    values: &Values,
) -> String {
    let mut key = String::new();
    for variable in &operation.variables {
        match values.get(variable.name.as_str()) {
            None => key.push('-'),
            Some(Value::Bool(flag)) if conditions.contains(variable.name.as_str()) => {
                key.push(if *flag { 't' } else { 'f' });
            }
            Some(value) => push_shape(schema, &variable.ty, value, &mut key),
        }
    }
    key
}

fn push_shape(schema: &DataSchema, ty: &Type, value: &Value, key: &mut String) {
    let name = ty.inner_named_type();
    match (value, schema.full.types.get(name)) {
        (Value::Null, _) => key.push('n'),
        (Value::Array(items), _) if name == "_Any" => {
            for (kind, by) in represented_types(&schema.catalog, items) {
                key.push('<');
                key.push_str(kind);
                key.push_str(&"+".repeat(by.0 as usize));
            }
            key.push('>');
        }
        (Value::Object(fields), Some(ExtendedType::InputObject(kind))) => {
            key.push('{');
            for (field, value) in fields {
                let Some(definition) = kind.fields.get(field.as_str()) else { continue };
                key.push_str(field);
                key.push(':');
                push_shape(schema, &definition.ty, value, key);
                key.push(',');
            }
            key.push('}');
        }
        (Value::Array(items), Some(ExtendedType::InputObject(_))) => {
            key.push('[');
            for item in items {
                push_shape(schema, ty.item_type(), item, key);
                key.push(',');
            }
            key.push(']');
        }
        // which field to order or group by, and how, is part of the text; an enum value to compare with is not
        (Value::String(text), Some(ExtendedType::Enum(kind))) if orders(&kind.name) => key.push_str(text),
        (Value::Array(_), _) => key.push('l'),
        _ => key.push('s'),
    }
}

/// The types of a list of representations and the keys by which they are meant, each once, in order: only these are queried.
pub(crate) fn represented_types<'r>(catalog: &Catalog, representations: &'r [Value]) -> BTreeSet<(&'r str, KeyId)> {
    let mut kinds = BTreeSet::new();
    let mut last = ("", None, KeyId::PRIMARY);
    for representation in representations {
        let kind = representation.get("__typename").and_then(Value::as_str).unwrap_or_default();
        // gateways send them grouped: most are of the type of the one before
        let entity = match last {
            (before, entity, _) if before == kind && !kinds.is_empty() => entity,
            _ => catalog.by_type.get(kind).map(|id| catalog.entity(*id)),
        };
        let key = entity.map_or(KeyId::PRIMARY, |e| e.key_in(representation));
        if kinds.is_empty() || (kind, key) != (last.0, last.2) {
            kinds.insert((kind, key));
        }
        last = (kind, entity, key);
    }
    kinds
}

fn orders(name: &str) -> bool {
    ["OrderDirection", "NullsOrder", "AggregateFunction", "DateBucket"].contains(&name)
        || name.ends_with("OrderField")
        || name.ends_with("GroupField")
}
