//! Limits: turns a request into a refusal where it is larger than the gateway takes, before anything dear is done with it.
//!
//! A document is measured when it is parsed, before it is validated; each fragment once, so that fragments that spread
//! fragments cost no more than their text. Variables are measured with each request.

use crate::config::Limits;
use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, DirectiveList, Document, Selection, Value};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};
use terrane_graphql::GraphqlError;

/// What one selection set has, fragments resolved.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    depth: usize,
    aliases: usize,
    selections: usize,
    /// Fields of the set itself and of fragments in it.
    fields: usize,
}

/// Measures a document.
struct Measure<'d> {
    fragments: FxHashMap<&'d str, &'d [Selection]>,
    /// By fragment; nothing while it is being measured, which is for a cycle that validation will refuse.
    known: FxHashMap<&'d str, Option<Size>>,
}

/// What is in the whole text.
#[derive(Debug, Default)]
struct Written {
    directives: usize,
    longest_list: usize,
}

/// Check a document that was parsed, but not validated.
///
/// # Errors
/// `OPERATION_TOO_LARGE`, with what is measured, what was found and what the limit is.
pub fn check_document(document: &Document, limits: &Limits) -> Result<(), GraphqlError> {
    let fragments: FxHashMap<&str, &[Selection]> = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::FragmentDefinition(fragment) => Some((fragment.name.as_str(), &fragment.selection_set[..])),
            _ => None,
        })
        .collect();
    refuse("fragments", fragments.len(), limits.fragments)?;
    let mut written = Written::default();
    document.definitions.iter().for_each(|definition| written.definition(definition));
    refuse("directives", written.directives, limits.directives)?;
    refuse("items in a list", written.longest_list, limits.list_items)?;
    let mut measure = Measure { fragments, known: FxHashMap::default() };
    for definition in &document.definitions {
        let Definition::OperationDefinition(operation) = definition else { continue };
        let size = measure.set(&operation.selection_set);
        refuse("levels", size.depth, limits.depth)?;
        refuse("root fields", size.fields, limits.root_fields)?;
        refuse("aliases", size.aliases, limits.aliases)?;
        refuse("selections", size.selections, limits.selections)?;
    }
    Ok(())
}

fn refuse(what: &str, found: usize, limit: usize) -> Result<(), GraphqlError> {
    if found <= limit {
        return Ok(());
    }
    Err(too_large("OPERATION_TOO_LARGE", "the operation has", what, found, limit))
}

fn too_large(code: &str, has: &str, what: &str, found: usize, limit: usize) -> GraphqlError {
    let mut error = GraphqlError::new(code, format!("{has} {found} {what}; at most {limit} are taken"));
    error.extensions.insert("measure".to_owned(), what.into());
    error.extensions.insert("found".to_owned(), found.into());
    error.extensions.insert("limit".to_owned(), limit.into());
    error
}

impl<'d> Measure<'d> {
    fn set(&mut self, set: &'d [Selection]) -> Size {
        let mut size = Size::default();
        for selection in set {
            let inner = match selection {
                Selection::Field(field) => {
                    let below = self.set(&field.selection_set);
                    let alias = usize::from(field.alias.is_some());
                    let aliases = below.aliases.saturating_add(alias);
                    Size { depth: below.depth + 1, aliases, selections: below.selections.saturating_add(1), fields: 1 }
                }
                Selection::InlineFragment(fragment) => {
                    let below = self.set(&fragment.selection_set);
                    Size { selections: below.selections.saturating_add(1), ..below }
                }
                Selection::FragmentSpread(spread) => {
                    let below = self.fragment(&spread.fragment_name);
                    Size { selections: below.selections.saturating_add(1), ..below }
                }
            };
            size.depth = size.depth.max(inner.depth);
            size.aliases = size.aliases.saturating_add(inner.aliases);
            size.selections = size.selections.saturating_add(inner.selections);
            size.fields = size.fields.saturating_add(inner.fields);
        }
        size
    }

    fn fragment(&mut self, name: &'d str) -> Size {
        if let Some(known) = self.known.get(name) {
            return known.unwrap_or_default();
        }
        let Some(set) = self.fragments.get(name).copied() else { return Size::default() };
        self.known.insert(name, None);
        let size = self.set(set);
        self.known.insert(name, Some(size));
        size
    }
}

impl Written {
    fn definition(&mut self, definition: &Definition) {
        match definition {
            Definition::OperationDefinition(operation) => {
                self.directives(&operation.directives);
                for variable in &operation.variables {
                    self.directives(&variable.directives);
                    variable.default_value.iter().for_each(|value| self.value(value));
                }
                self.selections(&operation.selection_set);
            }
            Definition::FragmentDefinition(fragment) => {
                self.directives(&fragment.directives);
                self.selections(&fragment.selection_set);
            }
            // not for execution: validation refuses it
            _ => {}
        }
    }

    fn selections(&mut self, set: &[Selection]) {
        for selection in set {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    field.arguments.iter().for_each(|argument| self.value(&argument.value));
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives);
                    self.selections(&fragment.selection_set);
                }
                Selection::FragmentSpread(spread) => self.directives(&spread.directives),
            }
        }
    }

    fn directives(&mut self, directives: &DirectiveList) {
        self.directives += directives.len();
        directives.iter().flat_map(|one| &one.arguments).for_each(|argument| self.value(&argument.value));
    }

    fn value(&mut self, value: &Node<Value>) {
        match &**value {
            Value::List(items) => {
                self.longest_list = self.longest_list.max(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(fields) => fields.iter().for_each(|(_, inner)| self.value(inner)),
            _ => {}
        }
    }
}

/// Check the variables of a request.
///
/// # Errors
/// `VARIABLES_TOO_LARGE`, with what is measured, what was found and what the limit is.
pub fn check_variables(variables: Option<&Map<String, Json>>, limits: &Limits) -> Result<(), GraphqlError> {
    let Some(variables) = variables else { return Ok(()) };
    let refuse = |what, found, limit| Err(too_large("VARIABLES_TOO_LARGE", "the variables have", what, found, limit));
    let (mut bytes, mut depth, mut longest) = (0, 0, 0);
    for (name, value) in variables {
        bytes += name.len();
        weigh(value, 1, &mut bytes, &mut depth, &mut longest);
    }
    if bytes > limits.variables_bytes {
        return refuse("bytes", bytes, limits.variables_bytes);
    }
    if depth > limits.variables_depth {
        return refuse("levels", depth, limits.variables_depth);
    }
    if longest > limits.list_items {
        return refuse("items in a list", longest, limits.list_items);
    }
    Ok(())
}

/// Bytes of names and texts (others count as eight), levels, and the longest list. The JSON reader has bounded the levels.
fn weigh(value: &Json, level: usize, bytes: &mut usize, depth: &mut usize, longest: &mut usize) {
    *depth = (*depth).max(level);
    match value {
        Json::String(text) => *bytes += text.len(),
        Json::Array(items) => {
            *longest = (*longest).max(items.len());
            *bytes += items.len();
            items.iter().for_each(|item| weigh(item, level + 1, bytes, depth, longest));
        }
        Json::Object(fields) => {
            for (name, inner) in fields {
                *bytes += name.len();
                weigh(inner, level + 1, bytes, depth, longest);
            }
        }
        _ => *bytes += 8,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use serde_json::json;

    fn check(text: &str, limits: Limits) -> Result<(), String> {
        let document = Document::parse(text, "o").unwrap_or_else(|e| panic!("{}", e.errors));
        check_document(&document, &limits).map_err(|e| {
            let part = |name: &str| e.extensions[name].to_string();
            format!("{} {} of {}", part("measure").trim_matches('"'), part("found"), part("limit"))
        })
    }

    #[test]
    fn counts_through_fragments() {
        let limits = Limits { depth: 3, aliases: 3, ..Limits::default() };
        assert_eq!(check("{ a { a { b } } }", limits), Ok(()));
        let deep = check("{ a { ...F } } fragment F on Query { a { a { b } } }", limits);
        assert_eq!(deep.unwrap_err(), "levels 4 of 3");
        let doubled = "{ ...F ...F } fragment F on Query { x: b y: b }";
        assert_eq!(check(doubled, limits).unwrap_err(), "aliases 4 of 3");
    }

    #[test]
    fn every_measure_has_its_limit() {
        let limits =
            Limits { root_fields: 2, directives: 2, list_items: 2, fragments: 1, selections: 6, ..Limits::default() };
        assert_eq!(check("{ a b c }", limits).unwrap_err(), "root fields 3 of 2");
        assert_eq!(check("{ ...F ...F } fragment F on Q { a b }", limits).unwrap_err(), "root fields 4 of 2");
        assert_eq!(check("query @x { a @y @z }", limits).unwrap_err(), "directives 3 of 2");
        assert_eq!(check("{ a(x: {y: [[1, 2, 3]]}) }", limits).unwrap_err(), "items in a list 3 of 2");
        assert_eq!(check("query($v: X = [1, 2, 3]) { a }", limits).unwrap_err(), "items in a list 3 of 2");
        let two = "{ a } fragment F on Q { a } fragment G on Q { a }";
        assert_eq!(check(two, limits).unwrap_err(), "fragments 2 of 1");
        assert_eq!(check("{ a { b c d e f g } }", limits).unwrap_err(), "selections 7 of 6");
    }

    /// Each fragment spreads the next one twice: 2^400 selections in a small text.
    #[test]
    fn bombs_of_fragments_cost_no_more_than_their_text() {
        let mut bomb = "{ ...F0 }".to_owned();
        for i in 0..400 {
            bomb += &format!(" fragment F{i} on Query {{ ...F{} ...F{} }}", i + 1, i + 1);
        }
        bomb += " fragment F400 on Query { b }";
        assert!(check(&bomb, Limits::default()).unwrap_err().starts_with("root fields 18446744073709551615"));
        let cycle = "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F a }";
        assert_eq!(check(cycle, Limits::default()), Ok(()), "validation will refuse it");
    }

    #[test]
    fn variables_are_measured() {
        let limits = Limits { variables_bytes: 20, variables_depth: 3, list_items: 4, ..Limits::default() };
        let check = |value: Json| check_variables(value.as_object(), &limits).map_err(|e| e.message);
        assert_eq!(check(json!({"a": [[1]]})), Ok(()));
        assert!(check(json!({"a": "x".repeat(20)})).unwrap_err().contains("21 bytes; at most 20"));
        assert!(check(json!({"a": [[[1]]]})).unwrap_err().contains("4 levels"));
        assert!(check(json!({"a": ["", "", "", "", ""]})).unwrap_err().contains("5 items in a list"));
    }
}
