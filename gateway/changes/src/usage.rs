//! Usage: turns operations into the schema coordinates that they use, and changes that touch none of these into safe ones.

use crate::{Change, Severity};
use apollo_compiler::ast::{Argument, InputValueDefinition, Type, Value};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};
use rustc_hash::{FxHashMap, FxHashSet};

/// An operation that clients send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it is called in reports, e.g. its file.
    pub name: String,
    /// A document with one operation or more.
    pub text: String,
}

/// Say of each change which operations it touches; what touches none becomes safe.
///
/// An operation counts when it uses what changed, as far as its text tells: a variable of an input type may carry all
/// of its fields and values, and a selected field of an interface is one of every type that implements it.
///
/// Returns the operations that are not valid against `old`, with the reason: they were not counted.
pub fn weigh(changes: &mut [Change], old: &Valid<Schema>, operations: &[Operation]) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    let mut users: FxHashMap<String, Vec<&str>> = FxHashMap::default();
    let implementers = old.implementers_map();
    let implementers: FxHashMap<&Name, Vec<&Name>> =
        implementers.iter().map(|(interface, by)| (interface, by.iter().collect())).collect();
    for operation in operations {
        let document = match ExecutableDocument::parse_and_validate(old, &*operation.text, &operation.name) {
            Ok(document) => document,
            Err(with) => {
                refused.push((operation.name.clone(), with.errors.to_string().trim_end().to_owned()));
                continue;
            }
        };
        let mut usage = Usage {
            schema: old,
            implementers: &implementers,
            used: FxHashSet::default(),
            inputs: FxHashSet::default(),
        };
        usage.document(&document);
        for coordinate in usage.used {
            users.entry(coordinate).or_default().push(&operation.name);
        }
    }
    for change in changes.iter_mut() {
        let by: FxHashSet<&str> =
            change.touches.iter().filter_map(|coordinate| users.get(coordinate)).flatten().copied().collect();
        let mut by: Vec<String> = by.into_iter().map(str::to_owned).collect();
        by.sort();
        if by.is_empty() {
            change.severity = Severity::Safe;
        }
        change.used_by = by;
    }
    changes.sort_by_key(|change| change.severity);
    refused
}

struct Usage<'a> {
    schema: &'a Schema,
    implementers: &'a FxHashMap<&'a Name, Vec<&'a Name>>,
    used: FxHashSet<String>,
    /// Input objects of which a variable may carry everything.
    inputs: FxHashSet<Name>,
}

impl Usage<'_> {
    fn document(&mut self, document: &ExecutableDocument) {
        for operation in document.operations.iter() {
            for variable in &operation.variables {
                self.carried(variable.ty.inner_named_type());
            }
            self.directives(&operation.directives);
            self.selections(&operation.selection_set);
        }
        // Every fragment is spread somewhere: the document is valid.
        for fragment in document.fragments.values() {
            self.directives(&fragment.directives);
            self.selections(&fragment.selection_set);
        }
    }

    /// A type of which any value may come or go.
    fn whole(&mut self, name: &Name) {
        self.used.insert(name.to_string());
        self.used.insert(format!("{name}.*"));
    }

    fn selections(&mut self, set: &SelectionSet) {
        self.used.insert(set.ty.to_string());
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    self.whole(field.definition.ty.inner_named_type());
                    let implementers = self.implementers.get(&set.ty).cloned().unwrap_or_default();
                    for ty in implementers.into_iter().chain([&set.ty]) {
                        let path = format!("{ty}.{}", field.name);
                        self.arguments(&path, &field.arguments, &field.definition.arguments);
                        self.used.insert(path);
                    }
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

    fn directives(&mut self, directives: &apollo_compiler::executable::DirectiveList) {
        for directive in directives.iter() {
            let path = format!("@{}", directive.name);
            if let Some(definition) = self.schema.directive_definitions.get(&directive.name) {
                self.arguments(&path, &directive.arguments, &definition.arguments);
            }
            self.used.insert(path);
        }
    }

    fn arguments(&mut self, path: &str, given: &[Node<Argument>], known: &[Node<InputValueDefinition>]) {
        for argument in given {
            self.used.insert(format!("{path}({}:)", argument.name));
            if let Some(definition) = known.iter().find(|known| known.name == argument.name) {
                self.literal(&argument.value, &definition.ty);
            }
        }
    }

    /// A value written in the operation: just the fields and enum values that it has. Variables in it are counted where
    /// they are defined.
    fn literal(&mut self, value: &Value, ty: &Type) {
        let name = ty.inner_named_type();
        match value {
            Value::Enum(value) => {
                self.used.insert(name.to_string());
                self.used.insert(format!("{name}.{value}"));
            }
            Value::List(items) => items.iter().for_each(|item| self.literal(item, ty)),
            Value::Object(fields) => {
                let Some(ExtendedType::InputObject(input)) = self.schema.types.get(name) else { return };
                self.used.insert(name.to_string());
                for (field, value) in fields {
                    self.used.insert(format!("{name}.{field}"));
                    if let Some(definition) = input.fields.get(field) {
                        self.literal(value, &definition.ty);
                    }
                }
            }
            _ => {}
        }
    }

    /// All that a variable of a type may carry.
    fn carried(&mut self, name: &Name) {
        let mut left = vec![name.clone()];
        while let Some(name) = left.pop() {
            if !self.inputs.insert(name.clone()) {
                continue;
            }
            self.whole(&name);
            if let Some(ExtendedType::InputObject(input)) = self.schema.types.get(&name) {
                for (field, definition) in &input.fields {
                    self.used.insert(format!("{name}.{field}"));
                    left.push(definition.ty.inner_named_type().clone());
                }
            }
        }
    }
}
