//! The API schema: turns a supergraph schema into what clients see, without inaccessible and machinery elements.

use super::join::JoinNames;
use crate::error::PlanError;
use apollo_compiler::ast::{Definition, DirectiveDefinition, DirectiveLocation, Document};
use apollo_compiler::schema::{DirectiveList, ExtendedType};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node, Schema};
use rustc_hash::FxHashSet;

/// Take out the types and directives of linked specifications and everything `@inaccessible`.
pub(super) fn api_schema(supergraph: &Schema, names: &JoinNames) -> Result<Valid<Schema>, PlanError> {
    let mut schema = supergraph.clone();
    let hidden = |directives: &DirectiveList| directives.has(&names.inaccessible);
    schema.types.retain(|name, ty| !names.is_own(name) && !hidden(ty.directives()));
    if let Some(defer) = defer_directive() {
        schema.directive_definitions.insert(defer.name.clone(), defer);
    }
    let kept: FxHashSet<Name> = schema.types.keys().cloned().collect();
    schema.directive_definitions.retain(|name, definition| {
        let executable = definition.locations.iter().any(|l| is_executable(*l));
        let built_in = matches!(name.as_str(), "skip" | "include" | "deprecated" | "specifiedBy" | "oneOf");
        built_in || (executable && !names.is_linked_directive(name))
    });
    let strip = |directives: &mut DirectiveList| {
        directives.0.retain(|d| matches!(d.name.as_str(), "deprecated" | "specifiedBy" | "oneOf"));
    };
    let strip_node = |directives: &mut apollo_compiler::ast::DirectiveList| {
        directives.0.retain(|d| matches!(d.name.as_str(), "deprecated" | "specifiedBy" | "oneOf"));
    };
    let node_hidden = |directives: &apollo_compiler::ast::DirectiveList| directives.has(&names.inaccessible);
    schema.schema_definition.make_mut().directives.0.clear();
    for ty in schema.types.values_mut() {
        match ty {
            ExtendedType::Scalar(ty) => strip(&mut ty.make_mut().directives),
            ExtendedType::Object(ty) => {
                let ty = ty.make_mut();
                strip(&mut ty.directives);
                ty.implements_interfaces.retain(|name| kept.contains(&name.name));
                ty.fields.retain(|_, field| !node_hidden(&field.directives));
            }
            ExtendedType::Interface(ty) => {
                let ty = ty.make_mut();
                strip(&mut ty.directives);
                ty.implements_interfaces.retain(|name| kept.contains(&name.name));
                ty.fields.retain(|_, field| !node_hidden(&field.directives));
            }
            ExtendedType::Union(ty) => {
                let ty = ty.make_mut();
                strip(&mut ty.directives);
                ty.members.retain(|name| kept.contains(&name.name));
            }
            ExtendedType::Enum(ty) => {
                let ty = ty.make_mut();
                strip(&mut ty.directives);
                ty.values.retain(|_, value| !node_hidden(&value.directives));
                ty.values.values_mut().for_each(|value| strip_node(&mut value.make_mut().directives));
            }
            ExtendedType::InputObject(ty) => {
                let ty = ty.make_mut();
                strip(&mut ty.directives);
                ty.fields.retain(|_, field| !node_hidden(&field.directives));
                ty.fields.values_mut().for_each(|field| strip_node(&mut field.make_mut().directives));
            }
        }
        let fields = match ty {
            ExtendedType::Object(ty) => &mut ty.make_mut().fields,
            ExtendedType::Interface(ty) => &mut ty.make_mut().fields,
            _ => continue,
        };
        for field in fields.values_mut() {
            let field = field.make_mut();
            strip_node(&mut field.directives);
            field.arguments.retain(|argument| !node_hidden(&argument.directives));
            field.arguments.iter_mut().for_each(|argument| strip_node(&mut argument.make_mut().directives));
        }
    }
    schema
        .validate()
        .map_err(|e| PlanError::Supergraph(format!("its API schema is not valid: {}", e.errors.to_string().trim_end())))
}

/// `@defer`, as the incremental delivery RFC defines it.
fn defer_directive() -> Option<Node<DirectiveDefinition>> {
    let text = "directive @defer(label: String, if: Boolean! = true) on FRAGMENT_SPREAD | INLINE_FRAGMENT";
    let document = Document::parse(text, "defer.graphql").ok()?;
    document.definitions.into_iter().find_map(|definition| match definition {
        Definition::DirectiveDefinition(definition) => Some(definition),
        _ => None,
    })
}

fn is_executable(location: DirectiveLocation) -> bool {
    use DirectiveLocation as L;
    matches!(
        location,
        L::Query
            | L::Mutation
            | L::Subscription
            | L::Field
            | L::FragmentDefinition
            | L::FragmentSpread
            | L::InlineFragment
            | L::VariableDefinition
    )
}
