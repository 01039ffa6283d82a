//! Given values: turns an argument, in the document or in a variable, into its parts and into where they come from.

use crate::coerce::{Values, constant};
use apollo_compiler::ast::Value as AstValue;
use serde_json::Value;
use std::borrow::Cow;

/// An argument or a part of one, with what it was read from.
#[derive(Debug, Clone)]
pub(crate) enum Given<'a> {
    /// Written in the document; parts of it may be variables.
    Literal(&'a AstValue),
    /// In a variable's value.
    Variable { value: &'a Value, name: &'a str, path: Vec<Step> },
}

/// A step into a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Where a bind's value is found when a request comes: the statement is compiled once for many values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueSource {
    Constant(Value),
    Variable { name: String, path: Vec<Step> },
    List(Vec<ValueSource>),
}

impl<'a> Given<'a> {
    /// `value` with its variable looked up. `None` when that variable was not given.
    pub(crate) fn of(value: &'a AstValue, values: &'a Values) -> Option<Self> {
        match value {
            AstValue::Variable(name) => {
                let (name, value) = values.get_key_value(name.as_str())?;
                Some(Self::Variable { value, name, path: Vec::new() })
            }
            literal => Some(Self::Literal(literal)),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        match self {
            Self::Literal(value) => value.is_null(),
            Self::Variable { value, .. } => value.is_null(),
        }
    }

    /// The fields of an object, in order; variables that were not given are left out.
    pub(crate) fn fields(&self, values: &'a Values) -> Vec<(&'a str, Given<'a>)> {
        match self {
            Self::Literal(AstValue::Object(fields)) => {
                fields.iter().filter_map(|(k, v)| Some((k.as_str(), Self::of(v, values)?))).collect()
            }
            Self::Variable { value: Value::Object(fields), name, path } => {
                fields.iter().map(|(k, v)| (k.as_str(), Self::step(v, name, path, Step::Key(k.clone())))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The items of a list; another value is a list of one.
    pub(crate) fn items(&self, values: &'a Values) -> Vec<Given<'a>> {
        match self {
            Self::Literal(AstValue::List(items)) => items.iter().filter_map(|i| Self::of(i, values)).collect(),
            Self::Variable { value: Value::Array(items), name, path } => {
                items.iter().enumerate().map(|(i, v)| Self::step(v, name, path, Step::Index(i))).collect()
            }
            single => vec![single.clone()],
        }
    }

    fn step(value: &'a Value, name: &'a str, path: &[Step], step: Step) -> Self {
        let mut path = path.to_vec();
        path.push(step);
        Self::Variable { value, name, path }
    }

    /// The text of a string or enum value.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Literal(AstValue::Enum(name)) => Some(name.as_str()),
            Self::Literal(AstValue::String(text)) => Some(text),
            Self::Variable { value, .. } => value.as_str(),
            Self::Literal(_) => None,
        }
    }

    /// Where the value is found at bind time.
    pub(crate) fn source(&self) -> ValueSource {
        match self {
            Self::Variable { name, path, .. } => ValueSource::Variable { name: (*name).to_owned(), path: path.clone() },
            Self::Literal(value) => literal_source(value),
        }
    }
}

fn literal_source(value: &AstValue) -> ValueSource {
    match value {
        AstValue::Variable(name) => ValueSource::Variable { name: name.to_string(), path: Vec::new() },
        AstValue::List(items) if items.iter().any(|i| matches!(**i, AstValue::Variable(_))) => {
            ValueSource::List(items.iter().map(|i| literal_source(i)).collect())
        }
        other => ValueSource::Constant(constant(other)),
    }
}

impl ValueSource {
    /// The value, `null` where a variable or a part of it was not given.
    pub(crate) fn resolve<'v>(&'v self, values: &'v Values) -> Cow<'v, Value> {
        match self {
            Self::Constant(value) => Cow::Borrowed(value),
            Self::List(items) => {
                Cow::Owned(Value::Array(items.iter().map(|i| i.resolve(values).into_owned()).collect()))
            }
            Self::Variable { name, path } => {
                let mut value = values.get(name);
                for step in path {
                    value = value.and_then(|v| match step {
                        Step::Key(key) => v.get(key),
                        Step::Index(index) => v.get(index),
                    });
                }
                value.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
            }
        }
    }
}
