//! Expansion: turns `${VAR}` and `${VAR:-default}` in a YAML document's texts into the environment's values.

use serde_norway::Value;

/// A variable that is not set and has no default, or a broken placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at `{path}`: {reason}")]
pub struct ExpandError {
    /// The key's path, with dots.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// Replace placeholders in every text of `value`. A text that is one placeholder and nothing else takes the type that
/// YAML gives the result: `${PORT:-4000}` is a number. What comes back are the placeholders that cannot be replaced, and
/// stay as they are.
pub fn expand(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Vec<ExpandError> {
    let mut wrong = Vec::new();
    walk(value, "", variable, &mut wrong);
    wrong
}

fn walk(value: &mut Value, path: &str, variable: &dyn Fn(&str) -> Option<String>, wrong: &mut Vec<ExpandError>) {
    match value {
        Value::Mapping(map) => {
            for (key, inner) in map.iter_mut() {
                let name = key.as_str().unwrap_or("?");
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                walk(inner, &path, variable, wrong);
            }
        }
        Value::Sequence(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                walk(inner, &format!("{path}[{index}]"), variable, wrong);
            }
        }
        Value::String(text) if text.contains("${") => {
            let whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
            let replaced = match replace(text, variable) {
                Ok(replaced) => replaced,
                Err(reason) => return wrong.push(ExpandError { path: path.to_owned(), reason }),
            };
            *value = match serde_norway::from_str::<Value>(&replaced) {
                Ok(typed @ (Value::Number(_) | Value::Bool(_))) if whole => typed,
                _ => Value::String(replaced),
            };
        }
        _ => {}
    }
}

fn replace(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let end = inside.find('}').ok_or_else(|| "`${` without its `}`".to_owned())?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        match (variable(name).filter(|v| !v.is_empty()), default) {
            (Some(found), _) => out.push_str(&found),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(format!(
                    "the environment variable `{name}` is not set; set it or write `${{{name}:-default}}`"
                ));
            }
        }
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
