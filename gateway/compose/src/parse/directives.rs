//! Directive applications: turns those on one schema element into the marks and kept directives of the IR.

use super::document::at;
use super::links::Features;
use crate::names::Names;
use crate::report::Report;
use crate::schema::{Applied, Directive, FieldSet, SubgraphId, parse_field_set};
use apollo_compiler::Node;
use apollo_compiler::ast::{self, Value};
use apollo_compiler::parser::SourceSpan;
use std::sync::Arc;

/// What the lowering of one subgraph carries along.
pub struct Context<'a> {
    pub id: SubgraphId,
    pub features: Features,
    pub names: &'a mut Names,
    pub report: &'a mut Report,
}

impl Context<'_> {
    /// The meaning of an applied directive.
    pub fn meaning(&mut self, directive: &ast::Directive) -> Directive {
        match self.features.directive(&directive.name) {
            Some(known) => known,
            None => Directive::Custom(self.names.intern(&directive.name)),
        }
    }

    /// The directives that merging keeps; those that only steer composition are read elsewhere.
    pub fn kept<'d>(&mut self, directives: impl Iterator<Item = &'d Node<ast::Directive>>) -> Vec<Applied> {
        let mut kept = Vec::new();
        for node in directives {
            let directive = self.meaning(node);
            if is_merged(directive) && node.name != self.features.link_name.as_str() {
                let args = node.arguments.iter().map(|arg| (Arc::from(arg.name.as_str()), arg.value.clone())).collect();
                kept.push(Applied { directive, args, at: at(node.location()) });
            }
        }
        kept
    }

    /// The field set of a `fields` argument; wrong ones are reported under the codes of `family`.
    pub fn field_set(&mut self, directive: &Node<ast::Directive>, family: &Family, on: &str) -> Option<FieldSet> {
        let place = at(directive.location());
        let value = directive.specified_argument_by_name("fields")?;
        let text = match field_set_text(value, self.features.version.0 == 1) {
            Some(text) => text,
            None => {
                let message =
                    format!("[{}] {on}: the `fields` of {} must be a string", self.features.subgraph, family.name);
                self.report.error(family.not_a_string, message, "write fields: \"a b { c }\"", &[(self.id, place)]);
                return None;
            }
        };
        match parse_field_set(&text, place, self.names) {
            Ok(set) => Some(set),
            Err(why) => {
                let message = format!(
                    "[{}] {on}: {}(fields: {text:?}) can't be read: {why}",
                    self.features.subgraph, family.name
                );
                self.report.error(
                    family.invalid,
                    message,
                    "select fields as in a query, without aliases",
                    &[(self.id, place)],
                );
                None
            }
        }
    }

    /// A description without needless copies.
    pub fn description(&self, node: Option<&Node<str>>) -> Option<Arc<str>> {
        node.map(|node| Arc::from(node.as_str())).filter(|text: &Arc<str>| !text.is_empty())
    }

    /// Reports an error of this subgraph at a syntax node.
    pub fn error(&mut self, code: &'static str, message: &str, hint: &str, location: Option<SourceSpan>) {
        let message = format!("[{}] {message}", self.features.subgraph);
        self.report.error(code, message, hint, &[(self.id, at(location))]);
    }
}

/// The codes of the three directives with field sets.
pub struct Family {
    pub name: &'static str,
    pub not_a_string: &'static str,
    pub invalid: &'static str,
}

pub const KEY: Family = Family { name: "@key", not_a_string: "KEY_INVALID_FIELDS_TYPE", invalid: "KEY_INVALID_FIELDS" };
pub const REQUIRES: Family =
    Family { name: "@requires", not_a_string: "REQUIRES_INVALID_FIELDS_TYPE", invalid: "REQUIRES_INVALID_FIELDS" };
pub const PROVIDES: Family =
    Family { name: "@provides", not_a_string: "PROVIDES_INVALID_FIELDS_TYPE", invalid: "PROVIDES_INVALID_FIELDS" };

/// Federation 1 took names and lists of strings for a field set, too.
fn field_set_text(value: &Value, lenient: bool) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Enum(name) if lenient => Some(name.to_string()),
        Value::List(items) if lenient => {
            items.iter().map(|item| field_set_text(item, true)).collect::<Option<Vec<_>>>().map(|texts| texts.join(" "))
        }
        _ => None,
    }
}

fn is_merged(directive: Directive) -> bool {
    matches!(
        directive,
        Directive::Tag
            | Directive::Inaccessible
            | Directive::Authenticated
            | Directive::RequiresScopes
            | Directive::Policy
            | Directive::Context
            | Directive::Cost
            | Directive::ListSize
            | Directive::CacheTag
            | Directive::Custom(_)
    )
}
