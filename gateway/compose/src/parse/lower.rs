//! Lowering: turns a valid GraphQL schema into the IR of a subgraph.

use super::directives::{Context, KEY, PROVIDES, REQUIRES};
use super::document::at;
use super::links::Features;
use super::prelude::PLACEHOLDER;
use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{
    At, Directive, DirectiveDefinition, EnumValue, Field, Key, Kind, Map, Override, Set, Subgraph, SubgraphId, Ty, Type,
};
use apollo_compiler::ast::{self, Definition, Document};
use apollo_compiler::schema::{Component, ComponentName, ComponentOrigin, ExtendedType};
use apollo_compiler::{Name, Node, Schema};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

type FieldNodes = apollo_compiler::collections::IndexMap<Name, Component<ast::FieldDefinition>>;
type DirectiveNodes = [Component<ast::Directive>];

/// Lowers one subgraph. Field sets that can't be read and misplaced root types are reported.
pub fn lower(
    id: SubgraphId,
    input: &crate::Subgraph,
    document: &Document,
    schema: &Schema,
    features: Features,
    names: &mut Names,
    report: &mut Report,
) -> Subgraph {
    let mut context = Context { id, features, names, report };
    let renames = root_renames(schema, &mut context);
    let defined = defined_types(document);
    let mut types = Map::default();
    for (name, definition) in &schema.types {
        if definition.is_built_in() || context.features.owns_type(name) {
            continue;
        }
        let mut lowered = lower_type(definition, &mut context, &renames);
        lowered.extension |= !defined.contains(name.as_str());
        let is_root = [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION].contains(&lowered.name);
        lowered.extension &= !is_root;
        types.insert(lowered.name, lowered);
    }
    let directives = lower_directives(schema, &mut context);
    let root = &schema.schema_definition;
    let applied = context.kept(root.directives.iter().map(|component| &component.node));
    let composed = composed_directives(schema, &mut context);
    Subgraph {
        id,
        name: input.name.clone(),
        url: input.url.clone(),
        federation: context.features.version,
        types,
        directives,
        composed,
        applied,
        description: context.description(root.description.as_ref()),
        links: context.features.links,
    }
}

/// Names that have a definition, not only extensions.
fn defined_types(document: &Document) -> FxHashSet<&str> {
    let definitions = document.definitions.iter().filter(|definition| !definition.is_extension_definition());
    definitions.filter_map(Definition::name).map(Name::as_str).collect()
}

/// Root types are merged under their default names. A type that has such a name without being the root is refused.
fn root_renames(schema: &Schema, context: &mut Context<'_>) -> FxHashMap<Symbol, Symbol> {
    let mut renames = FxHashMap::default();
    let root = &schema.schema_definition;
    let roots = [
        (&root.query, Symbol::QUERY, "ROOT_QUERY_USED"),
        (&root.mutation, Symbol::MUTATION, "ROOT_MUTATION_USED"),
        (&root.subscription, Symbol::SUBSCRIPTION, "ROOT_SUBSCRIPTION_USED"),
    ];
    for (actual, default, code) in roots {
        let Some(actual) = actual else { continue };
        let default_text = context.names[default].to_owned();
        if actual.name == default_text.as_str() {
            continue;
        }
        if let Some(other) = schema.types.get(default_text.as_str()) {
            let message = format!("the type `{default_text}` is not the root type, `{}` is", actual.name);
            context.error(code, &message, "rename that type: merged roots carry this name", other.name().location());
        }
        renames.insert(context.names.intern(&actual.name), default);
    }
    renames
}

fn lower_type(definition: &ExtendedType, context: &mut Context<'_>, renames: &FxHashMap<Symbol, Symbol>) -> Type {
    let name = context.names.intern(definition.name());
    let name = renames.get(&name).copied().unwrap_or(name);
    let directives = &definition.directives().0;
    let mut lowered = Type {
        name,
        kind: Kind::Scalar,
        at: at(definition.name().location().or_else(|| definition.location())),
        description: context.description(definition.description()),
        extension: false,
        interface_object: false,
        keys: Vec::new(),
        interfaces: Set::default(),
        fields: Map::default(),
        members: Set::default(),
        values: Map::default(),
        applied: context.kept(directives.iter().map(|component| &component.node)),
    };
    match definition {
        ExtendedType::Scalar(_) => {}
        ExtendedType::Object(object) => {
            lowered.kind = Kind::Object;
            lowered.interfaces = symbols(&object.implements_interfaces, context);
            lowered.fields = lower_fields(&object.fields, directives, context, renames);
        }
        ExtendedType::Interface(interface) => {
            lowered.kind = Kind::Interface;
            lowered.interfaces = symbols(&interface.implements_interfaces, context);
            lowered.fields = lower_fields(&interface.fields, directives, context, renames);
        }
        ExtendedType::Union(union_) => {
            lowered.kind = Kind::Union;
            lowered.members = symbols(&union_.members, context);
        }
        ExtendedType::Enum(enum_) => {
            lowered.kind = Kind::Enum;
            for (value_name, value) in &enum_.values {
                let lowered_value = EnumValue {
                    at: at(value.value.location()),
                    description: context.description(value.description.as_ref()),
                    applied: context.kept(value.directives.iter()),
                };
                lowered.values.insert(context.names.intern(value_name), lowered_value);
            }
        }
        ExtendedType::InputObject(input) => {
            lowered.kind = Kind::Input;
            for field in input.fields.values() {
                let field = lower_input(field, context, renames);
                lowered.fields.insert(field.name, field);
            }
        }
    }
    for directive in directives.iter() {
        match context.meaning(directive) {
            Directive::Key => {
                let on = format!("type `{}`", definition.name());
                let resolvable = directive.specified_argument_by_name("resolvable").and_then(|value| value.to_bool());
                if let Some(fields) = context.field_set(directive, &KEY, &on) {
                    let fed2 = context.features.version.0 == 2;
                    let extension = fed2 && directive.origin != ComponentOrigin::Definition;
                    let place = at(directive.location());
                    lowered.keys.push(Key { fields, resolvable: resolvable.unwrap_or(true), extension, at: place });
                }
            }
            Directive::InterfaceObject => lowered.interface_object = true,
            Directive::Extends => lowered.extension = true,
            _ => {}
        }
    }
    let extends = lowered.extension;
    lowered.keys.iter_mut().for_each(|key| key.extension |= extends);
    lowered
}

fn symbols(names: &apollo_compiler::collections::IndexSet<ComponentName>, context: &mut Context<'_>) -> Set<Symbol> {
    names.iter().map(|name| context.names.intern(&name.name)).collect()
}

fn lower_fields(
    fields: &FieldNodes,
    on_type: &DirectiveNodes,
    context: &mut Context<'_>,
    renames: &FxHashMap<Symbol, Symbol>,
) -> Map<Symbol, Field> {
    let mut lowered = Map::with_capacity_and_hasher(fields.len(), rustc_hash::FxBuildHasher);
    let mut external_at: Vec<&ComponentOrigin> = Vec::new();
    let mut shareable_at: Vec<&ComponentOrigin> = Vec::new();
    for directive in on_type {
        match context.meaning(directive) {
            Directive::External => external_at.push(&directive.origin),
            Directive::Shareable => shareable_at.push(&directive.origin),
            _ => {}
        }
    }
    for (name, component) in fields {
        if name == PLACEHOLDER || name == "_service" || name == "_entities" {
            continue;
        }
        let mut field = lower_field(component, context, renames);
        field.external |= external_at.contains(&&component.origin);
        field.shareable |= shareable_at.contains(&&component.origin);
        lowered.insert(field.name, field);
    }
    lowered
}

fn lower_field(
    node: &Node<ast::FieldDefinition>,
    context: &mut Context<'_>,
    renames: &FxHashMap<Symbol, Symbol>,
) -> Field {
    let ty = lower_reference(&node.ty, node, context, renames);
    let mut field = Field::new(context.names.intern(&node.name), ty, at(node.name.location()));
    field.description = context.description(node.description.as_ref());
    field.args =
        node.arguments.iter().map(|arg| lower_input(arg, context, renames)).map(|arg| (arg.name, arg)).collect();
    field.applied = context.kept(node.directives.iter());
    for directive in node.directives.iter() {
        let on = format!("field `{}`", node.name);
        match context.meaning(directive) {
            Directive::External => field.external = true,
            Directive::Shareable => field.shareable = true,
            Directive::Requires => field.requires = context.field_set(directive, &REQUIRES, &on),
            Directive::Provides => field.provides = context.field_set(directive, &PROVIDES, &on),
            Directive::Override => {
                let text = |name: &str| {
                    directive.specified_argument_by_name(name).and_then(|value| value.as_str()).map(Arc::from)
                };
                if let Some(from) = text("from") {
                    field.overrides = Some(Override { from, label: text("label"), at: at(directive.location()) });
                }
            }
            _ => {}
        }
    }
    field
}

fn lower_input(
    node: &Node<ast::InputValueDefinition>,
    context: &mut Context<'_>,
    renames: &FxHashMap<Symbol, Symbol>,
) -> Field {
    let from_context = node.directives.iter().find(|directive| context.meaning(directive) == Directive::FromContext);
    let from_context = from_context.map(|directive| {
        let text = directive.specified_argument_by_name("field").and_then(|value| value.as_str()).unwrap_or_default();
        (Arc::from(text), at(directive.location()))
    });
    let ty = lower_reference(&node.ty, node, context, renames);
    let mut input = Field::new(context.names.intern(&node.name), ty, at(node.name.location()));
    input.description = context.description(node.description.as_ref());
    input.default = node.default_value.clone();
    input.from_context = from_context;
    input.applied = context.kept(node.directives.iter());
    input
}

fn lower_reference<T>(
    ty: &ast::Type,
    node: &Node<T>,
    context: &mut Context<'_>,
    renames: &FxHashMap<Symbol, Symbol>,
) -> Ty {
    match Ty::from_ast(ty, context.names) {
        Some(ty) => ty.with_base(renames.get(&ty.base).copied().unwrap_or(ty.base)),
        None => {
            let message = "a type has lists nested too deeply";
            context.error("INVALID_GRAPHQL", message, "use an object type in between", node.location());
            Ty::named(context.names.intern(ty.inner_named_type()))
        }
    }
}

fn lower_directives(schema: &Schema, context: &mut Context<'_>) -> Map<Symbol, DirectiveDefinition> {
    let mut lowered = Map::default();
    for definition in schema.directive_definitions.values() {
        let name = definition.name.as_str();
        if definition.is_built_in() || name == context.features.link_name || context.features.directive(name).is_some()
        {
            continue;
        }
        let args = definition.arguments.iter().map(|arg| lower_input(arg, context, &FxHashMap::default()));
        let args = args.map(|arg| (arg.name, arg)).collect();
        let mut locations: Vec<&'static str> = definition.locations.iter().map(|location| location.name()).collect();
        locations.sort_unstable();
        let symbol = context.names.intern(name);
        let directive = DirectiveDefinition {
            name: symbol,
            at: at(definition.name.location()),
            description: context.description(definition.description.as_ref()),
            args,
            repeatable: definition.repeatable,
            locations,
        };
        lowered.insert(symbol, directive);
    }
    lowered
}

fn composed_directives(schema: &Schema, context: &mut Context<'_>) -> Vec<(Symbol, At)> {
    let mut composed = Vec::new();
    for directive in schema.schema_definition.directives.iter() {
        if context.meaning(directive) != Directive::ComposeDirective {
            continue;
        }
        let name = directive.specified_argument_by_name("name").and_then(|value| value.as_str()).unwrap_or_default();
        let Some(bare) = name.strip_prefix('@') else {
            let message = format!("@composeDirective(name: {name:?}) must name a directive with its `@`");
            context.error(
                "DIRECTIVE_COMPOSITION_ERROR",
                &message,
                "write @composeDirective(name: \"@name\")",
                directive.location(),
            );
            continue;
        };
        composed.push((context.names.intern(bare), at(directive.location())));
    }
    composed
}
