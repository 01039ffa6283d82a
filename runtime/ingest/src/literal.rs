//! Literals: turns a JSON value into the text that Postgres's COPY takes for a column of its type.

use serde_json::Value;
use std::borrow::Cow;
use terrane_manifest::Field;

/// The text of `value` for `field`'s column; `None` is NULL.
///
/// # Errors
/// What is wrong, where the value is of a kind that the column cannot hold.
pub fn to_text<'a>(field: &Field, value: &'a Value) -> Result<Option<Cow<'a, str>>, String> {
    if field.physical.array {
        return match value {
            Value::Null => Ok(None),
            Value::Array(items) => array(field, items).map(|text| Some(Cow::Owned(text))),
            _ => Err(format!("field `{}` takes a list", field.name)),
        };
    }
    use terrane_manifest::PgType;
    if matches!(field.physical.base, PgType::Json | PgType::Jsonb) {
        return Ok(if value.is_null() { None } else { Some(Cow::Owned(value.to_string())) });
    }
    scalar(field, value)
}

fn scalar<'a>(field: &Field, value: &'a Value) -> Result<Option<Cow<'a, str>>, String> {
    Ok(match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Array(_) => return Err(format!("field `{}` takes one value, not a list", field.name)),
        Value::Object(_) => return Err(format!("field `{}` takes one value, not an object", field.name)),
    })
}

/// `{"a","b",NULL}`, every element quoted.
fn array(field: &Field, items: &[Value]) -> Result<String, String> {
    let mut text = String::from("{");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        let Some(element) = scalar(field, item)? else {
            text.push_str("NULL");
            continue;
        };
        text.push('"');
        for c in element.chars() {
            if c == '"' || c == '\\' {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    Ok(text)
}
