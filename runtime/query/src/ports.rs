//! Ports: turns the root fields of an operation that the standard ports answer into an operation text of their own.

use crate::collect::Collected;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::{DirectiveList, Value as AstValue};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What the standard ports are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortsOperation {
    /// The operation's text: only the ports' root fields, the fragments and the variables they use.
    pub text: String,
    /// Names of the variables in it.
    pub variables: Vec<String>,
    /// Names of its root fields, each once.
    pub fields: Vec<String>,
}

/// The text of `roots`, which are root fields of `operation`.
pub(crate) fn ports_operation(
    document: &ExecutableDocument,
    operation: &Operation,
    roots: &[Collected<'_>],
) -> PortsOperation {
    let mut uses = Uses { document, variables: BTreeSet::new(), fragments: BTreeSet::new() };
    let mut body = String::new();
    for field in roots.iter().flat_map(|r| &r.fields) {
        uses.directives(&field.directives);
        field.arguments.iter().for_each(|a| uses.value(&a.value));
        uses.selections(&field.selection_set);
        writeln!(body, "  {}", field.serialize().initial_indent_level(1)).expect(TEXT);
    }
    let definitions: Vec<String> = operation
        .variables
        .iter()
        .filter(|v| uses.variables.contains(v.name.as_str()))
        .map(|v| v.serialize().no_indent().to_string())
        .collect();
    let variables = if definitions.is_empty() { String::new() } else { format!("({})", definitions.join(", ")) };
    let mut text = format!("{}{variables} {{\n{body}}}\n", operation.operation_type);
    for fragment in &uses.fragments {
        if let Some(fragment) = document.fragments.get(*fragment) {
            writeln!(text, "{}", fragment.serialize()).expect(TEXT);
        }
    }
    let fields: BTreeSet<&str> = roots.iter().flat_map(|r| &r.fields).map(|field| field.name.as_str()).collect();
    let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
    PortsOperation { text, variables: owned(uses.variables), fields: owned(fields) }
}

const TEXT: &str = "a String takes any text";

struct Uses<'d> {
    document: &'d ExecutableDocument,
    variables: BTreeSet<&'d str>,
    fragments: BTreeSet<&'d str>,
}

impl<'d> Uses<'d> {
    fn value(&mut self, value: &'d AstValue) {
        match value {
            AstValue::Variable(name) => {
                self.variables.insert(name.as_str());
            }
            AstValue::List(items) => items.iter().for_each(|i| self.value(i)),
            AstValue::Object(fields) => fields.iter().for_each(|(_, v)| self.value(v)),
            _ => {}
        }
    }

    fn directives(&mut self, directives: &'d DirectiveList) {
        directives.iter().flat_map(|d| &d.arguments).for_each(|a| self.value(&a.value));
    }

    fn selections(&mut self, set: &'d SelectionSet) {
        for selection in &set.selections {
            self.directives(selection.directives());
            match selection {
                Selection::Field(field) => {
                    field.arguments.iter().for_each(|a| self.value(&a.value));
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => self.selections(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    if self.fragments.insert(spread.fragment_name.as_str())
                        && let Some(fragment) = spread.fragment_def(self.document)
                    {
                        self.directives(&fragment.directives);
                        self.selections(&fragment.selection_set);
                    }
                }
            }
        }
    }
}
