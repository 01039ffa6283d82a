//! Explaining: turns a statement's parameters into words that say where their values come from.

use crate::given::{Step, ValueSource};
use crate::params::Param;
use crate::statement::Statement;
use std::fmt::Write as _;

impl Statement {
    /// For each parameter, in order, where its value comes from: a variable, the operation's text, a page's size, a claim of
    /// the caller's token, the contract's row filter, a cursor, or the representations of `_entities`.
    pub fn origins(&self) -> Vec<String> {
        self.params().iter().map(origin).collect()
    }
}

fn origin(param: &Param) -> String {
    match param {
        Param::Value { source, .. } => source_words(source),
        Param::Text { source, .. } => format!("pattern from {}", source_words(source)),
        Param::Salt { object } => format!("the product's salt for hashes of `{object}`"),
        Param::Offset(source) => format!("offset: {}", source_words(source)),
        Param::Limit(page) => format!("size of page {}, and one row more where it is asked for", page + 1),
        Param::Claim { name, .. } => format!("claim `{name}` of the caller, in a row filter"),
        Param::Batch => "a batch of changes, as JSON".to_owned(),
        Param::Literal(value, ..) => format!("{value} of a row filter"),
        Param::Cursor { source, index, count, .. } => {
            format!("part {} of {count} of a cursor: {}", index + 1, source_words(source))
        }
        Param::Keys { root, group, part } => {
            format!("representations of `_entities` {}: part {} of the key of type {}", root + 1, part + 1, group + 1)
        }
    }
}

fn source_words(source: &ValueSource) -> String {
    match source {
        ValueSource::Constant(value) => format!("{value} in the operation"),
        ValueSource::List(items) => {
            let items: Vec<String> = items.iter().map(source_words).collect();
            format!("list of {}", items.join("; "))
        }
        ValueSource::Variable { name, path } => {
            let mut words = format!("variable ${name}");
            for step in path {
                match step {
                    Step::Key(key) => write!(words, ".{key}"),
                    Step::Index(index) => write!(words, "[{index}]"),
                }
                .expect("a String takes any text");
            }
            words
        }
    }
}
