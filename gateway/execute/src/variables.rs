//! Variables: turns a request's variables into coerced JSON texts, or into what is wrong with them (GraphQL, 6.1.2).

use crate::error::ExecuteError;
use apollo_compiler::executable::Operation;
use apollo_compiler::response::{JsonMap, JsonValue, serde_json_bytes};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Schema, request};
use serde_json::{Map, Value};

/// Coerced variables.
#[derive(Debug)]
pub(crate) struct Variables {
    pub coerced: Valid<JsonMap>,
}

impl Variables {
    /// Coerce `values` to the operation's variable types; defaults are filled in.
    ///
    /// # Errors
    /// [`ExecuteError::Variables`] when one is missing or has the wrong type.
    pub fn coerce(
        schema: &Valid<Schema>,
        operation: &Operation,
        values: Option<&Map<String, Value>>,
    ) -> Result<Self, ExecuteError> {
        if operation.variables.is_empty() {
            return Ok(Self { coerced: Valid::assume_valid(JsonMap::new()) });
        }
        let given: JsonMap = values
            .into_iter()
            .flatten()
            .filter(|(name, _)| operation.variables.iter().any(|v| v.name == name.as_str()))
            .map(|(name, value)| (serde_json_bytes::ByteString::from(name.as_str()), JsonValue::from(value.clone())))
            .collect();
        let coerced = request::coerce_variable_values(schema, operation, &given)
            .map_err(|e| ExecuteError::Variables(e.message().to_string()))?;
        Ok(Self { coerced })
    }

    /// The value of a boolean variable; false when it has none.
    pub fn is_true(&self, name: &str) -> bool {
        self.coerced.get(name).and_then(JsonValue::as_bool).unwrap_or(false)
    }

    /// Append `"name":value` of those in `names` that have a value, each after a comma unless `first`.
    pub fn write(&self, out: &mut Vec<u8>, names: &[String], mut first: bool) {
        for name in names {
            let Some(value) = self.coerced.get(name.as_str()) else { continue };
            if !first {
                out.push(b',');
            }
            first = false;
            terrane_graphql::json::write_str(out, name);
            out.push(b':');
            serde_json::to_writer(&mut *out, value).expect("a JSON value becomes JSON text");
        }
    }
}
