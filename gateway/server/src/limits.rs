//! Limits: turns an operation into a refusal where it is larger than the gateway takes.

use crate::config::Limits;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use std::collections::HashMap;
use terrane_graphql::GraphqlError;

/// Depth and aliases of one selection set, fragments resolved.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    depth: usize,
    aliases: usize,
}

/// Check depth and aliases. Each fragment is measured once, so that nested fragments cost no more than their text.
///
/// # Errors
/// `OPERATION_TOO_LARGE`, with what is there and what would fit.
pub fn check_limits(document: &ExecutableDocument, operation: &Operation, limits: &Limits) -> Result<(), GraphqlError> {
    let mut known = HashMap::new();
    let size = measure(document, &operation.selection_set, &mut known);
    let refuse = |what: &str, is: usize, most: usize| {
        let message = format!("the operation has {is} {what}; at most {most} are taken");
        Err(GraphqlError::new("OPERATION_TOO_LARGE", message))
    };
    if size.depth > limits.depth {
        return refuse("levels", size.depth, limits.depth);
    }
    if size.aliases > limits.aliases {
        return refuse("aliases", size.aliases, limits.aliases);
    }
    Ok(())
}

fn measure<'d>(document: &'d ExecutableDocument, set: &'d SelectionSet, known: &mut HashMap<&'d str, Size>) -> Size {
    let mut size = Size::default();
    for selection in &set.selections {
        let inner = match selection {
            Selection::Field(field) => {
                let below = measure(document, &field.selection_set, known);
                let alias = usize::from(field.alias.is_some());
                Size { depth: below.depth + 1, aliases: below.aliases.saturating_add(alias) }
            }
            Selection::InlineFragment(fragment) => measure(document, &fragment.selection_set, known),
            Selection::FragmentSpread(spread) => match known.get(spread.fragment_name.as_str()) {
                Some(size) => *size,
                None => {
                    let Some(fragment) = document.fragments.get(&spread.fragment_name) else { continue };
                    // the document is valid: fragments have no cycles
                    let size = measure(document, &fragment.selection_set, known);
                    known.insert(spread.fragment_name.as_str(), size);
                    size
                }
            },
        };
        size.depth = size.depth.max(inner.depth);
        size.aliases = size.aliases.saturating_add(inner.aliases);
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use apollo_compiler::Schema;

    fn check(text: &str, limits: Limits) -> Result<(), String> {
        let schema = Schema::parse_and_validate("type Query { a: Query b: Int }", "s").unwrap();
        let document = ExecutableDocument::parse_and_validate(&schema, text, "o").unwrap();
        let operation = document.operations.get(None).unwrap();
        check_limits(&document, operation, &limits).map_err(|e| e.message)
    }

    #[test]
    fn counts_through_fragments() {
        let limits = Limits { depth: 3, aliases: 3, ..Limits::default() };
        assert_eq!(check("{ a { a { b } } }", limits), Ok(()));
        assert!(
            check("{ a { ...F } } fragment F on Query { a { a { b } } }", limits).unwrap_err().contains("4 levels")
        );
        let doubled = "{ ...F ...F } fragment F on Query { x: b y: b }";
        assert!(check(doubled, limits).unwrap_err().contains("4 aliases"));
    }
}
