//! The environment: turns `${VAR}` and `${VAR:-default}` in a connector's texts into what is set where it runs.

use crate::IngestError;
use std::collections::BTreeMap;
use std::fmt;

/// Variables. Their values are secrets: they are never shown.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { variables: std::env::vars_os().filter_map(text).collect() }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// `text` with the variables' values.
///
/// # Errors
/// [`IngestError::MissingVariable`] where one is not set and has no default.
pub fn expand(text: &str, environment: &Environment) -> Result<String, IngestError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        out.push_str(&rest[..start]);
        let inside = &rest[start + 2..start + length];
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        match environment.get(name).filter(|value| !value.is_empty()).or(default) {
            Some(value) => out.push_str(value),
            None => return Err(IngestError::MissingVariable(name.to_owned())),
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_values_or_defaults_and_are_never_shown() {
        let environment: Environment = [("TOKEN".to_owned(), "hunter2".to_owned())].into_iter().collect();
        assert_eq!(expand("Bearer ${TOKEN}!", &environment).unwrap(), "Bearer hunter2!");
        assert_eq!(expand("${HOST:-localhost}:${PORT:-}", &environment).unwrap(), "localhost:");
        assert_eq!(expand("a ${ b", &environment).unwrap(), "a ${ b");
        let error = expand("${NONE}", &environment).unwrap_err();
        assert_eq!(error.code(), "MISSING_VARIABLE");
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
