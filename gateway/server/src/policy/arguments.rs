//! Arguments: turns what an operation and its variables use of denied fields into errors.

use super::Access;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};
use rustc_hash::FxHashSet;
use serde_json::{Map, Value as Json};
use terrane_graphql::GraphqlError;

/// A variable in whose value something denied may be.
#[derive(Debug)]
pub struct VariableCheck {
    name: Name,
    ty: Name,
}

struct Check<'a> {
    schema: &'a Schema,
    access: &'a Access,
    document: &'a ExecutableDocument,
    seen: FxHashSet<&'a Name>,
    errors: Vec<GraphqlError>,
}

/// Check what an operation's text gives to arguments; the variables whose values must be checked with each request.
///
/// # Errors
/// `FORBIDDEN` for each use of something that speaks of a denied field, at its place.
pub fn check_arguments(
    schema: &Schema,
    access: &Access,
    document: &Valid<ExecutableDocument>,
    operation: &Operation,
) -> Result<Vec<VariableCheck>, Vec<GraphqlError>> {
    if !access.has_inputs() {
        return Ok(Vec::new());
    }
    let mut check = Check { schema, access, document, seen: FxHashSet::default(), errors: Vec::new() };
    check.selections(&operation.selection_set);
    let mut variables = Vec::new();
    for variable in &operation.variables {
        let ty = variable.ty.inner_named_type();
        if let Some(default) = &variable.default_value {
            check.value(ty, default);
        }
        if access.touches(ty) {
            variables.push(VariableCheck { name: variable.name.clone(), ty: ty.clone() });
        }
    }
    if check.errors.is_empty() { Ok(variables) } else { Err(check.errors) }
}

impl<'a> Check<'a> {
    fn selections(&mut self, set: &'a SelectionSet) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.field(&set.ty, field);
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => self.selections(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else { continue };
                    if self.seen.insert(&spread.fragment_name) {
                        self.selections(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn field(&mut self, of: &Name, field: &'a Field) {
        for argument in &field.arguments {
            if argument.value.is_null() {
                continue;
            }
            if let Some(about) = self.access.denied_argument(of, &field.name, &argument.name) {
                let error = forbidden(&format!("{of}.{}({}:)", field.name, argument.name), about);
                self.report(error, argument);
                continue;
            }
            let definition = field.definition.arguments.iter().find(|known| known.name == argument.name);
            if let Some(definition) = definition {
                self.value(definition.ty.inner_named_type(), &argument.value);
            }
        }
    }

    fn value(&mut self, ty: &Name, value: &'a Node<Value>) {
        if !self.access.touches(ty) {
            return;
        }
        match &**value {
            Value::List(items) => items.iter().for_each(|item| self.value(ty, item)),
            Value::Enum(name) => {
                if let Some(about) = self.access.denied_member(ty, name) {
                    self.report(forbidden(&format!("{ty}.{name}"), about), value);
                }
            }
            Value::Object(fields) => {
                for (name, inner) in fields {
                    if let Some(about) = self.access.denied_member(ty, name) {
                        self.report(forbidden(&format!("{ty}.{name}"), about), inner);
                    } else if let Some(field) = input_field(self.schema, ty, name) {
                        self.value(field, inner);
                    }
                }
            }
            _ => {}
        }
    }

    fn report<T>(&mut self, error: GraphqlError, at: &Node<T>) {
        let place = at.line_column_range(&self.document.sources);
        self.errors.push(match place {
            Some(range) => error.at(range.start.line, range.start.column),
            None => error,
        });
    }
}

/// Check the values of a request's variables.
///
/// # Errors
/// `FORBIDDEN` for the first use of something that speaks of a denied field, with the variable's name.
pub fn check_variables(
    schema: &Schema,
    access: &Access,
    checks: &[VariableCheck],
    variables: Option<&Map<String, Json>>,
) -> Result<(), GraphqlError> {
    for check in checks {
        let Some(value) = variables.and_then(|given| given.get(check.name.as_str())) else { continue };
        json(schema, access, &check.ty, value).map_err(|mut error| {
            error.message = format!("variable `${}`: {}", check.name, error.message);
            error
        })?;
    }
    Ok(())
}

fn json(schema: &Schema, access: &Access, ty: &Name, value: &Json) -> Result<(), GraphqlError> {
    if !access.touches(ty) {
        return Ok(());
    }
    match value {
        Json::Array(items) => items.iter().try_for_each(|item| json(schema, access, ty, item)),
        Json::String(name) => match access.denied_member(ty, name) {
            Some(about) => Err(forbidden(&format!("{ty}.{name}"), about)),
            None => Ok(()),
        },
        Json::Object(fields) => fields.iter().try_for_each(|(name, inner)| {
            if let Some(about) = access.denied_member(ty, name) {
                return Err(forbidden(&format!("{ty}.{name}"), about));
            }
            input_field(schema, ty, name).map_or(Ok(()), |field| json(schema, access, field, inner))
        }),
        _ => Ok(()),
    }
}

fn input_field<'s>(schema: &'s Schema, ty: &str, name: &str) -> Option<&'s Name> {
    match schema.types.get(ty)? {
        ExtendedType::InputObject(input) => input.fields.get(name).map(|field| field.ty.inner_named_type()),
        _ => None,
    }
}

fn forbidden(what: &str, about: &str) -> GraphqlError {
    let message =
        format!("`{what}` speaks of `{about}`, which you may not see; leave it out, or ask its owner for access");
    GraphqlError::new("FORBIDDEN", message)
}
