//! Field sets: turns the text of `@key(fields:)`, `@requires` and `@provides` into a tree of interned names.

use crate::names::{Names, Symbol};
use apollo_compiler::Node;
use apollo_compiler::ast::{self, Value};
use std::fmt::Write as _;
use std::sync::Arc;

/// The limit of nesting in one field set.
const DEEPEST: usize = 64;

/// A parsed field set.
#[derive(Debug, Clone)]
pub struct FieldSet {
    /// Normalised text: one space between tokens, no commas, no outer braces.
    pub text: Arc<str>,
    /// The selections.
    pub selections: Vec<Selection>,
    /// A directive that is applied in it, which no field set may have.
    pub directive: Option<Arc<str>>,
    /// Where the directive that holds it stands.
    pub at: super::At,
}

/// One selection of a field set.
#[derive(Debug, Clone)]
pub enum Selection {
    /// `name(args) { children }`
    Field {
        /// The field.
        name: Symbol,
        /// Whether it was given an alias, which no field set may have.
        aliased: bool,
        /// Arguments in written order.
        args: Vec<(Symbol, Node<Value>)>,
        /// Empty for leaves.
        children: Vec<Selection>,
    },
    /// `... on Type { children }`
    Fragment {
        /// The type condition.
        on: Option<Symbol>,
        /// What it selects.
        children: Vec<Selection>,
    },
}

/// Parses `text`. The error is a message about what is wrong with it.
pub fn parse_field_set(text: &str, at: super::At, names: &mut Names) -> Result<FieldSet, String> {
    let trimmed = text.trim();
    if let Some(plain) = plain(trimmed, at, names) {
        return Ok(plain);
    }
    let braced = if trimmed.starts_with('{') { trimmed.to_owned() } else { format!("{{{trimmed}}}") };
    let parsed = apollo_compiler::parser::Parser::new().recursion_limit(DEEPEST).parse_ast(braced, "fields");
    let document = parsed.map_err(|failed| match failed.errors.iter().next() {
        Some(first) => first.error.to_string(),
        None => "it is no selection of fields".to_owned(),
    })?;
    let [ast::Definition::OperationDefinition(operation)] = document.definitions.as_slice() else {
        return Err("it is no selection of fields".to_owned());
    };
    let selections = lower(&operation.selection_set, names)?;
    if selections.is_empty() {
        return Err("it selects no fields".to_owned());
    }
    let mut text = String::new();
    print(&selections, names, &mut text);
    Ok(FieldSet { text: text.into(), selections, directive: directive(&operation.selection_set), at })
}

/// Most field sets are a few names, which need no parser.
fn plain(text: &str, at: super::At, names: &mut Names) -> Option<FieldSet> {
    let is_name = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let words: Vec<&str> = text.split([' ', ',', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() || !words.iter().all(|word| is_name(word)) {
        return None;
    }
    let field = |word: &&str| Selection::Field {
        name: names.intern(word),
        aliased: false,
        args: Vec::new(),
        children: Vec::new(),
    };
    let text = words.join(" ");
    Some(FieldSet { text: text.into(), selections: words.iter().map(field).collect(), directive: None, at })
}

/// The first directive applied in a selection.
fn directive(set: &[ast::Selection]) -> Option<Arc<str>> {
    set.iter().find_map(|selection| {
        let (applied, below) = match selection {
            ast::Selection::Field(field) => (&field.directives, field.selection_set.as_slice()),
            ast::Selection::InlineFragment(fragment) => (&fragment.directives, fragment.selection_set.as_slice()),
            ast::Selection::FragmentSpread(spread) => (&spread.directives, &[][..]),
        };
        let first = applied.iter().next().map(|directive| Arc::from(directive.name.as_str()));
        first.or_else(|| directive(below))
    })
}

fn lower(set: &[ast::Selection], names: &mut Names) -> Result<Vec<Selection>, String> {
    set.iter()
        .map(|selection| match selection {
            ast::Selection::Field(field) => Ok(Selection::Field {
                name: names.intern(&field.name),
                aliased: field.alias.is_some(),
                args: field.arguments.iter().map(|arg| (names.intern(&arg.name), arg.value.clone())).collect(),
                children: lower(&field.selection_set, names)?,
            }),
            ast::Selection::InlineFragment(fragment) => Ok(Selection::Fragment {
                on: fragment.type_condition.as_ref().map(|name| names.intern(name)),
                children: lower(&fragment.selection_set, names)?,
            }),
            ast::Selection::FragmentSpread(spread) => Err(format!(
                "it spreads the fragment `{}`, and field sets have no named fragments",
                spread.fragment_name
            )),
        })
        .collect()
}

/// Writes selections the way join directives carry them.
pub fn print(selections: &[Selection], names: &Names, out: &mut String) {
    for (index, selection) in selections.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        let children = match selection {
            Selection::Field { name, args, children, .. } => {
                out.push_str(&names[*name]);
                for (index, (name, value)) in args.iter().enumerate() {
                    out.push_str(if index == 0 { "(" } else { ", " });
                    write!(out, "{}: {}", &names[*name], value.serialize().no_indent())
                        .expect("a String takes any text");
                }
                if !args.is_empty() {
                    out.push(')');
                }
                children
            }
            Selection::Fragment { on, children } => {
                out.push_str("...");
                if let Some(on) = on {
                    out.push_str(" on ");
                    out.push_str(&names[*on]);
                }
                children
            }
        };
        if !children.is_empty() {
            out.push_str(" { ");
            print(children, names, out);
            out.push_str(" }");
        }
    }
}
