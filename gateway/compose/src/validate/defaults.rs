//! Default values: checks that the default of each argument and input field is a value of its type.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Field, Kind, Subgraph, Ty};
use apollo_compiler::ast::Value;

/// Reports defaults that don't fit their type (GraphQL, "Values of Correct Type").
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    let mut one = |place: String, field: &Field| {
        let Some(default) = &field.default else { return };
        if !fits(default, field.ty, subgraph, names) {
            let text = default.serialize().no_indent().to_string();
            let ty = field.ty.print(names);
            let message = format!("[{}] the default value {text} of `{place}` is no `{ty}`", subgraph.name);
            report.error("INVALID_GRAPHQL", message, "give it a value of its type", &[(subgraph.id, field.at)]);
        }
    };
    for ty in subgraph.types.values() {
        for field in ty.fields.values() {
            let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
            for arg in field.args.values() {
                one(format!("{coordinate}({}:)", &names[arg.name]), arg);
            }
            one(coordinate, field);
        }
    }
    for directive in subgraph.directives.values() {
        for arg in directive.args.values() {
            one(format!("@{}({}:)", &names[directive.name], &names[arg.name]), arg);
        }
    }
}

/// Whether a constant can be coerced to a type (GraphQL, "Input Coercion"). Custom scalars take anything.
fn fits(value: &Value, ty: Ty, subgraph: &Subgraph, names: &Names) -> bool {
    if matches!(value, Value::Null) {
        return !ty.is_non_null();
    }
    let ty = ty.nullable();
    if let Some(item) = ty.item() {
        return match value {
            Value::List(items) => items.iter().all(|value| fits(value, item, subgraph, names)),
            single => fits(single, item, subgraph, names),
        };
    }
    match ty.base {
        Symbol::INT => matches!(value, Value::Int(number) if number.try_to_i32().is_ok()),
        Symbol::FLOAT => matches!(value, Value::Int(_) | Value::Float(_)),
        Symbol::STRING => matches!(value, Value::String(_)),
        Symbol::BOOLEAN => matches!(value, Value::Boolean(_)),
        Symbol::ID => matches!(value, Value::String(_) | Value::Int(_)),
        name => {
            let Some(definition) = subgraph.types.get(&name) else { return true };
            match (definition.kind, value) {
                (Kind::Enum, Value::Enum(given)) => {
                    names.find(given).is_some_and(|given| definition.values.contains_key(&given))
                }
                (Kind::Enum, _) => false,
                (Kind::Input, Value::Object(given)) => {
                    let known = given.iter().all(|(key, value)| {
                        let field = names.find(key).and_then(|key| definition.fields.get(&key));
                        field.is_some_and(|field| fits(value, field.ty, subgraph, names))
                    });
                    let mut required =
                        definition.fields.values().filter(|field| field.ty.is_non_null() && field.default.is_none());
                    known && required.all(|field| given.iter().any(|(key, _)| *key == names[field.name]))
                }
                (Kind::Input, _) => false,
                _ => true,
            }
        }
    }
}
