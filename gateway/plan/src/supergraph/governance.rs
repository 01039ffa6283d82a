//! Governance: turns the directives of a supergraph that say who may ask, and what elements speak of, into lists.
//!
//! `@authenticated`, `@requiresScopes` and `@policy` are Apollo Federation's. `@describes` is that of data products: it
//! tells of an input field, an enum value, an argument or a figure which fields of an object type it speaks of.

use super::parse::field_definitions;
use apollo_compiler::ast::{Directive, DirectiveList, Value};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};

/// What must hold of a caller. Of several, all must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `@authenticated`: it has signed in.
    Authenticated,
    /// `@requiresScopes`: it has all scopes of one of the lists.
    Scopes(Vec<Vec<String>>),
    /// `@policy`: all policies of one of the lists hold for it.
    Policies(Vec<Vec<String>>),
}

/// An element of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Element {
    /// A named type.
    Type(Name),
    /// A field of an object type or interface, or of an input object, or a value of an enum.
    Member(Name, Name),
    /// An argument of a field.
    Argument(Name, Name, Name),
}

/// What an element speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// A member or an argument.
    pub element: Element,
    /// The object type.
    pub ty: String,
    /// Fields of it.
    pub fields: Vec<String>,
}

/// Who may ask for what, as the subgraphs have said it.
#[derive(Debug, Clone, Default)]
pub struct Governance {
    /// Types and members with requirements.
    pub requirements: Vec<(Element, Vec<Requirement>)>,
    /// Members and arguments with what they speak of.
    pub descriptions: Vec<Description>,
}

/// The names of the directives in this supergraph.
struct Names {
    authenticated: String,
    scopes: String,
    policy: String,
    describes: String,
}

/// Read the directives of all elements.
pub(super) fn read(schema: &Schema) -> Governance {
    let names = Names {
        authenticated: directive_name(schema, "authenticated", "authenticated"),
        scopes: directive_name(schema, "requiresScopes", "requiresScopes"),
        policy: directive_name(schema, "policy", "policy"),
        describes: directive_name(schema, "describes", "describes"),
    };
    let mut found = Governance::default();
    for (name, ty) in schema.types.iter().filter(|(_, ty)| !ty.is_built_in()) {
        let on_type: Vec<&Directive> = ty.directives().iter().map(|directive| &***directive).collect();
        found.require(&names, Element::Type(name.clone()), &on_type);
        let whole = on_type.iter().find(|directive| directive.name.as_str() == names.describes);
        let whole = whole.and_then(|directive| text(directive, "type"));
        for (member, directives) in members(schema, name, ty) {
            let all: Vec<&Directive> = directives.iter().map(|directive| &**directive).collect();
            let element = Element::Member(name.clone(), member.clone());
            found.require(&names, element.clone(), &all);
            if !found.describe(&names, &element, directives)
                && let Some(described) = &whole
                && let Some(field) = same_name(schema, described, member)
            {
                found.descriptions.push(Description { element, ty: described.clone(), fields: vec![field] });
            }
        }
        for (field, definition) in field_definitions(schema, name) {
            for argument in &definition.arguments {
                let element = Element::Argument(name.clone(), field.clone(), argument.name.clone());
                found.describe(&names, &element, &argument.directives);
            }
        }
    }
    found
}

impl Governance {
    fn require(&mut self, names: &Names, element: Element, directives: &[&Directive]) {
        let required = directives.iter().filter_map(|directive| {
            let name = directive.name.as_str();
            if name == names.authenticated {
                Some(Requirement::Authenticated)
            } else if name == names.scopes {
                Some(Requirement::Scopes(alternatives(directive, "scopes")))
            } else if name == names.policy {
                Some(Requirement::Policies(alternatives(directive, "policies")))
            } else {
                None
            }
        });
        let required: Vec<Requirement> = required.collect();
        if !required.is_empty() {
            self.requirements.push((element, required));
        }
    }

    /// Whether the element has a directive of its own.
    fn describe(&mut self, names: &Names, element: &Element, directives: &DirectiveList) -> bool {
        let mut any = false;
        for directive in directives.get_all(&names.describes) {
            let Some(ty) = text(directive, "type") else { continue };
            let fields = directive.specified_argument_by_name("fields").map(|value| texts(value)).unwrap_or_default();
            self.descriptions.push(Description { element: element.clone(), ty, fields });
            any = true;
        }
        any
    }
}

type Members<'s> = Vec<(&'s Name, &'s DirectiveList)>;

fn members<'s>(schema: &'s Schema, name: &str, ty: &'s ExtendedType) -> Members<'s> {
    match ty {
        ExtendedType::InputObject(input) => {
            input.fields.iter().map(|(name, field)| (name, &field.directives)).collect()
        }
        ExtendedType::Enum(of) => of.values.iter().map(|(name, value)| (name, &value.directives)).collect(),
        _ => field_definitions(schema, name).map(|(name, field)| (name, &field.directives)).collect(),
    }
}

/// The field of `ty` that is called as a member is: exactly, or as an enum value writes it (`areaKm2`, `AREA_KM2`).
fn same_name(schema: &Schema, ty: &str, member: &str) -> Option<String> {
    let mut fields = field_definitions(schema, ty).map(|(name, _)| name.as_str());
    fields.find(|field| *field == member || constant_case(field) == member).map(str::to_owned)
}

fn constant_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// What a directive of a linked specification is called here: the specification's own name where they are the same, its
/// name in `import`, or both with two underscores between (link specification, section "Element names").
pub(super) fn directive_name(schema: &Schema, specification: &str, directive: &str) -> String {
    for link in schema.schema_definition.directives.iter().filter(|link| link.name == "link" || link.name == "core") {
        let url = text(link, "url").or_else(|| text(link, "feature")).unwrap_or_default();
        if url.trim_end_matches('/').rsplit('/').nth(1) != Some(specification) {
            continue;
        }
        let imports = link.specified_argument_by_name("import").and_then(|list| list.as_list()).unwrap_or_default();
        for import in imports {
            match &**import {
                Value::String(name) if name.strip_prefix('@') == Some(directive) => return directive.to_owned(),
                Value::Object(parts) => {
                    let part = |key: &str| parts.iter().find(|(name, _)| name == key).and_then(|(_, v)| v.as_str());
                    if part("name").and_then(|name| name.strip_prefix('@')) == Some(directive) {
                        return part("as").unwrap_or(directive).trim_start_matches('@').to_owned();
                    }
                }
                _ => {}
            }
        }
        let own = text(link, "as").unwrap_or_else(|| specification.to_owned());
        return if directive == specification { own } else { format!("{own}__{directive}") };
    }
    directive.to_owned()
}

fn text(directive: &Directive, argument: &str) -> Option<String> {
    directive.specified_argument_by_name(argument)?.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_list().unwrap_or_default();
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn alternatives(directive: &Directive, argument: &str) -> Vec<Vec<String>> {
    let lists = directive.specified_argument_by_name(argument).and_then(|value| value.as_list()).unwrap_or_default();
    lists.iter().map(|list| texts(list)).collect()
}
