//! Variables: turns a request's variables into values of their declared types (GraphQL spec, section 6.1.2).

use crate::bind::check_scalar;
use crate::scalar::Scalar;
use apollo_compiler::Schema;
use apollo_compiler::ast::{Type, Value as AstValue};
use apollo_compiler::executable::Operation;
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value};
use terrane_graphql::GraphqlError;

const MAX_DEPTH: usize = 32;

/// Coerced variable values: only those that were given or have a default.
pub type Values = Map<String, Value>;

/// Coerce `given` for `operation`.
pub(crate) fn coerce_variables(
    schema: &Schema,
    operation: &Operation,
    given: Option<&Map<String, Value>>,
) -> Result<Values, Vec<GraphqlError>> {
    let mut values = Values::new();
    let mut errors = Vec::new();
    for variable in &operation.variables {
        let name = variable.name.as_str();
        let value = match given.and_then(|g| g.get(name)) {
            Some(value) => value.clone(),
            None => match &variable.default_value {
                Some(default) => constant(default),
                None if variable.ty.is_non_null() => {
                    errors.push(bad(&format!("variable `${name}` of type `{}` is missing", variable.ty)));
                    continue;
                }
                None => continue,
            },
        };
        match coerce(schema, &variable.ty, value, 0) {
            Ok(value) => {
                values.insert(name.to_owned(), value);
            }
            Err(problem) => errors.push(bad(&format!("variable `${name}`: {problem}"))),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

pub(crate) fn bad(message: &str) -> GraphqlError {
    GraphqlError::new("BAD_USER_INPUT", message)
}

/// A constant of the document as JSON; enum values become strings.
pub(crate) fn constant(value: &AstValue) -> Value {
    match value {
        AstValue::Null | AstValue::Variable(_) => Value::Null,
        AstValue::Enum(name) => Value::String(name.to_string()),
        AstValue::String(text) => Value::String(text.clone()),
        AstValue::Boolean(flag) => Value::Bool(*flag),
        AstValue::Int(number) => number
            .as_str()
            .parse::<i64>()
            .map_or_else(|_| Value::String(number.to_string()), |n| Value::Number(n.into())),
        AstValue::Float(number) => {
            number.try_to_f64().ok().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number)
        }
        AstValue::List(items) => Value::Array(items.iter().map(|i| constant(i)).collect()),
        AstValue::Object(fields) => Value::Object(fields.iter().map(|(k, v)| (k.to_string(), constant(v))).collect()),
    }
}

/// Coerce the value of an argument called `name`.
pub(crate) fn coerce_named(schema: &Schema, ty: &Type, value: Value, name: &str) -> Result<Value, GraphqlError> {
    coerce(schema, ty, value, 0).map_err(|problem| bad(&format!("`{name}`: {problem}")))
}

fn coerce(schema: &Schema, ty: &Type, value: Value, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
    }
    if value.is_null() {
        return if ty.is_non_null() { Err(format!("null is no `{ty}`")) } else { Ok(value) };
    }
    match ty {
        Type::List(item) | Type::NonNullList(item) => match value {
            Value::Array(items) => items
                .into_iter()
                .map(|i| coerce(schema, item, i, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            single => Ok(Value::Array(vec![coerce(schema, item, single, depth + 1)?])),
        },
        Type::Named(name) | Type::NonNullNamed(name) => match schema.types.get(name) {
            Some(ExtendedType::Scalar(_)) => match scalar_named(name) {
                Some(scalar) => check_scalar(scalar, &value).map(|()| value),
                None => Ok(value),
            },
            Some(ExtendedType::Enum(kind)) => match value.as_str() {
                Some(text) if kind.values.contains_key(text) => Ok(value),
                _ => Err(format!("{value} is no value of enum `{name}`")),
            },
            Some(ExtendedType::InputObject(kind)) => {
                let Value::Object(mut given) = value else { return Err(format!("{value} is no `{name}` object")) };
                let mut out = Map::new();
                for (field, definition) in &kind.fields {
                    let value = match given.remove(field.as_str()) {
                        Some(value) => value,
                        None => match &definition.default_value {
                            Some(default) => constant(default),
                            None if definition.ty.is_non_null() => return Err(format!("`{name}.{field}` is missing")),
                            None => continue,
                        },
                    };
                    let value =
                        coerce(schema, &definition.ty, value, depth + 1).map_err(|e| format!("`{field}`: {e}"))?;
                    out.insert(field.to_string(), value);
                }
                match given.keys().next() {
                    Some(unknown) => Err(format!("`{name}` has no field `{unknown}`")),
                    None => Ok(Value::Object(out)),
                }
            }
            _ => Err(format!("`{name}` is no input type")),
        },
    }
}

/// The scalar of the data port with that name; the ports' own scalars are checked by the ports.
pub(crate) fn scalar_named(name: &str) -> Option<Scalar> {
    use Scalar as S;
    [S::Id, S::String, S::Int, S::BigInt, S::Float, S::Decimal, S::Boolean, S::Date, S::DateTime, S::Time, S::Uuid]
        .into_iter()
        .find(|s| s.name() == name)
}
