//! Shapes: turns variable values into what of them decides the text of a statement.
//!
//! A statement is compiled for a shape, not for values: which fields a filter variable has, what a variable
//! orders or groups by, which of `@skip` and `@include` hold, which variables are null,
//! and which types are represented. Values travel as binds.

use crate::coerce::Values;
use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::schema::ExtendedType;
use rustc_hash::FxHashSet;
use serde_json::Value;
use std::collections::BTreeSet;

/// The shape of `values` for `operation`, as a cache key. `conditions` are the variables of `@skip` and `@include`.
pub(crate) fn shape(schema: &Schema, operation: &Operation, conditions: &FxHashSet<String>, values: &Values) -> String {
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

fn push_shape(schema: &Schema, ty: &Type, value: &Value, key: &mut String) {
    let name = ty.inner_named_type();
    match (value, schema.types.get(name)) {
        (Value::Null, _) => key.push('n'),
        (Value::Array(items), _) if name == "_Any" => {
            for kind in represented_types(items) {
                key.push('<');
                key.push_str(kind);
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

/// The types of a list of representations, each once, in order of their names: only these are queried.
pub(crate) fn represented_types(representations: &[Value]) -> BTreeSet<&str> {
    let mut kinds = BTreeSet::new();
    let mut last = "";
    for representation in representations {
        let kind = representation.get("__typename").and_then(Value::as_str).unwrap_or_default();
        // gateways send them grouped: most are of the type of the one before
        if kind != last || kinds.is_empty() {
            kinds.insert(kind);
            last = kind;
        }
    }
    kinds
}

fn orders(name: &str) -> bool {
    ["OrderDirection", "NullsOrder", "AggregateFunction", "DateBucket"].contains(&name)
        || name.ends_with("OrderField")
        || name.ends_with("GroupField")
}
