//! Costs: turns `@cost` and `@listSize` of a supergraph into tables (IBM's GraphQL Cost Directives specification).

use super::governance::{Element, directive_name};
use super::parse::field_definitions;
use apollo_compiler::ast::{Directive, Value};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};

/// What the subgraphs have said about costs.
#[derive(Debug, Clone, Default)]
pub struct Costs {
    /// `@cost`: weights of types, fields, arguments and input fields.
    pub weights: Vec<(Element, f64)>,
    /// `@listSize`, by type and field.
    pub sizes: Vec<((Name, Name), ListSize)>,
}

/// How long a list is.
#[derive(Debug, Clone, PartialEq)]
pub struct ListSize {
    /// As long as this, where no argument says it.
    pub assumed: Option<f64>,
    /// Arguments that say it, or paths into them with dots between.
    pub slicing: Vec<String>,
    /// Fields of the field's type that are such lists, instead of the field itself.
    pub sized: Vec<String>,
    /// Exactly one of the arguments must be given.
    pub require_one: bool,
}

/// Read the directives of all elements.
pub(super) fn read(schema: &Schema) -> Costs {
    let cost = directive_name(schema, "cost", "cost");
    let size = directive_name(schema, "cost", "listSize");
    let mut found = Costs::default();
    let mut weigh = |element: Element, directive: Option<&Directive>| {
        let weight = directive.and_then(|directive| directive.specified_argument_by_name("weight"));
        if let Some(weight) = weight.and_then(|value| number(value)) {
            found.weights.push((element, weight));
        }
    };
    let mut sizes = Vec::new();
    for (name, ty) in schema.types.iter().filter(|(_, ty)| !ty.is_built_in()) {
        weigh(Element::Type(name.clone()), ty.directives().get(&cost).map(|directive| &***directive));
        if let ExtendedType::InputObject(input) = ty {
            for (field, definition) in &input.fields {
                let directive = definition.directives.get(&cost);
                weigh(Element::Member(name.clone(), field.clone()), directive.map(|directive| &**directive));
            }
        }
        for (field, definition) in field_definitions(schema, name) {
            let element = Element::Member(name.clone(), field.clone());
            weigh(element, definition.directives.get(&cost).map(|directive| &**directive));
            for argument in &definition.arguments {
                let element = Element::Argument(name.clone(), field.clone(), argument.name.clone());
                weigh(element, argument.directives.get(&cost).map(|directive| &**directive));
            }
            if let Some(directive) = definition.directives.get(&size) {
                sizes.push(((name.clone(), field.clone()), list_size(directive)));
            }
        }
    }
    found.sizes = sizes;
    found
}

fn list_size(directive: &Directive) -> ListSize {
    let texts = |argument: &str| -> Vec<String> {
        let list = directive.specified_argument_by_name(argument).and_then(|value| value.as_list()).unwrap_or_default();
        list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    ListSize {
        assumed: directive.specified_argument_by_name("assumedSize").and_then(|value| number(value)),
        slicing: texts("slicingArguments"),
        sized: texts("sizedFields"),
        require_one: directive
            .specified_argument_by_name("requireOneSlicingArgument")
            .and_then(|value| value.to_bool())
            .unwrap_or(true),
    }
}

/// A number, also as the text that the specification writes weights in.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok().filter(|weight: &f64| weight.is_finite()),
        _ => value.to_f64(),
    }
}
