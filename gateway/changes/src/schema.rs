//! Schemas: turns types, fields, values and directives of two schemas into changes.

use crate::inputs::{Owner, compare as compare_inputs, is_safe_output};
use crate::{Change, Severity};
use apollo_compiler::ast::{FieldDefinition, OperationType};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::schema::{Component, ComponentName, ExtendedType};
use apollo_compiler::{Name, Schema};

use Severity::{Breaking, Dangerous, Safe};

/// Compare whole schemas.
pub(crate) fn compare(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    roots(old, new, changes);
    for (name, before) in old.types.iter().filter(|(_, ty)| !ty.is_built_in()) {
        match new.types.get(name) {
            Some(after) => compare_types(name, before, after, changes),
            None => changes.push(
                Change::new("TYPE_REMOVED", Breaking, name.as_str(), format!("{} `{name}` was removed", kind(before)))
                    .with_hint("deprecate the fields that lead to it, and remove it when nobody asks for them"),
            ),
        }
    }
    for (name, after) in new.types.iter().filter(|(name, _)| !old.types.contains_key(*name)) {
        let message = format!("{} `{name}` was added", kind(after));
        changes.push(Change::new("TYPE_ADDED", Safe, name.as_str(), message));
    }
    directives(old, new, changes);
}

fn roots(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    for operation in [OperationType::Query, OperationType::Mutation, OperationType::Subscription] {
        let (before, after) = (old.root_operation(operation), new.root_operation(operation));
        let Some(before) = before.filter(|before| after != Some(*before)) else { continue };
        let message = match after {
            Some(after) => format!("the {operation} type was `{before}` and is now `{after}`"),
            None => format!("there is no {operation} type any more; it was `{before}`"),
        };
        let severity = if after.is_some() { Dangerous } else { Breaking };
        let change = Change::new("ROOT_TYPE_CHANGED", severity, before.as_str(), message);
        changes.push(change.with_hint("keep the root type and its name"));
    }
}

fn kind(ty: &ExtendedType) -> &'static str {
    match ty {
        ExtendedType::Scalar(_) => "scalar",
        ExtendedType::Object(_) => "type",
        ExtendedType::Interface(_) => "interface",
        ExtendedType::Union(_) => "union",
        ExtendedType::Enum(_) => "enum",
        ExtendedType::InputObject(_) => "input",
    }
}

fn compare_types(name: &Name, before: &ExtendedType, after: &ExtendedType, changes: &mut Vec<Change>) {
    match (before, after) {
        (ExtendedType::Object(a), ExtendedType::Object(b)) => {
            fields(name, &a.fields, &b.fields, changes);
            interfaces(name, &a.implements_interfaces.iter(), b.implements_interfaces.iter(), changes);
        }
        (ExtendedType::Interface(a), ExtendedType::Interface(b)) => {
            fields(name, &a.fields, &b.fields, changes);
            interfaces(name, &a.implements_interfaces.iter(), b.implements_interfaces.iter(), changes);
        }
        (ExtendedType::Union(a), ExtendedType::Union(b)) => {
            for member in a.members.iter().filter(|m| !b.members.contains(*m)) {
                let message = format!("`{member}` is no member of union `{name}` any more");
                let change = Change::new("TYPE_REMOVED_FROM_UNION", Breaking, name.as_str(), message);
                changes.push(change.with_hint("keep it a member while operations have fragments on it"));
            }
            for member in b.members.iter().filter(|m| !a.members.contains(*m)) {
                let message = format!("`{member}` is a new member of union `{name}`");
                changes
                    .push(Change::new("TYPE_ADDED_TO_UNION", Dangerous, name.as_str(), message).with_hint(
                        "clients that expect every member by name meet one that they don't know: tell them",
                    ));
            }
        }
        (ExtendedType::Enum(a), ExtendedType::Enum(b)) => {
            for value in a.values.keys().filter(|value| !b.values.contains_key(*value)) {
                let path = format!("{name}.{value}");
                let message = format!("value `{value}` was removed from enum `{name}`");
                let change =
                    Change::new("VALUE_REMOVED_FROM_ENUM", Breaking, path, message).noticed_by(format!("{name}.*"));
                changes.push(change.with_hint("deprecate it and keep accepting it"));
            }
            for value in b.values.keys().filter(|value| !a.values.contains_key(*value)) {
                let message = format!("enum `{name}` has a new value `{value}`");
                changes.push(
                    Change::new("VALUE_ADDED_TO_ENUM", Dangerous, format!("{name}.{value}"), message)
                        .noticed_by(format!("{name}.*"))
                        .with_hint("clients that expect every value by name meet one that they don't know: tell them"),
                );
            }
        }
        (ExtendedType::InputObject(a), ExtendedType::InputObject(b)) => {
            let owner = Owner { path: name, is_type: true };
            compare_inputs(&owner, &a.fields.values().map(|f| &f.node), b.fields.values().map(|f| &f.node), changes);
        }
        (ExtendedType::Scalar(_), ExtendedType::Scalar(_)) => {}
        _ => {
            let message = format!("`{name}` was {} and is now {}", with_article(before), with_article(after));
            let change = Change::new("TYPE_CHANGED_KIND", Breaking, name.as_str(), message);
            changes.push(change.with_hint("give the new type another name"));
        }
    }
}

fn with_article(ty: &ExtendedType) -> String {
    let kind = kind(ty);
    format!("{} {kind}", if kind.starts_with(['e', 'i']) { "an" } else { "a" })
}

type Fields = IndexMap<Name, Component<FieldDefinition>>;

fn fields(ty: &Name, old: &Fields, new: &Fields, changes: &mut Vec<Change>) {
    for (name, before) in old {
        let path = format!("{ty}.{name}");
        let Some(after) = new.get(name) else {
            let deprecated = before.directives.has("deprecated");
            let was = if deprecated { "deprecated field" } else { "field" };
            changes.push(
                Change::new("FIELD_REMOVED", Breaking, path.clone(), format!("{was} `{path}` was removed")).with_hint(
                    if deprecated { "remove it when no operation asks for it" } else { "deprecate it first" },
                ),
            );
            continue;
        };
        if before.ty != after.ty {
            let safe = is_safe_output(&before.ty, &after.ty);
            let message = format!("field `{path}` was of type `{}` and is now `{}`", before.ty, after.ty);
            let severity = if safe { Safe } else { Breaking };
            let change = Change::new("FIELD_CHANGED_KIND", severity, path.clone(), message);
            changes.push(if safe { change } else { change.with_hint("add another field of the new type beside it") });
        }
        if !before.directives.has("deprecated") && after.directives.has("deprecated") {
            let message = format!("field `{path}` is deprecated");
            changes.push(Change::new("FIELD_DEPRECATED", Safe, path.clone(), message));
        }
        let owner = Owner { path: &path, is_type: false };
        compare_inputs(&owner, &before.arguments.iter(), after.arguments.iter(), changes);
    }
    for name in new.keys().filter(|name| !old.contains_key(*name)) {
        let path = format!("{ty}.{name}");
        changes.push(Change::new("FIELD_ADDED", Safe, path.clone(), format!("field `{path}` was added")));
    }
}

fn interfaces<'s>(
    ty: &Name,
    old: &(impl Iterator<Item = &'s ComponentName> + Clone),
    new: impl Iterator<Item = &'s ComponentName> + Clone,
    changes: &mut Vec<Change>,
) {
    for interface in old.clone().filter(|i| !new.clone().any(|n| n.name == i.name)) {
        let message = format!("`{ty}` does not implement `{interface}` any more");
        let change = Change::new("IMPLEMENTED_INTERFACE_REMOVED", Breaking, ty.as_str(), message);
        let change = change.noticed_by(interface.as_str());
        changes.push(change.with_hint("keep it while operations ask for the interface"));
    }
    for interface in new.filter(|i| !old.clone().any(|o| o.name == i.name)) {
        let message = format!("`{ty}` implements `{interface}`, which it did not");
        changes.push(
            Change::new("IMPLEMENTED_INTERFACE_ADDED", Dangerous, ty.as_str(), message)
                .noticed_by(interface.as_str())
                .with_hint("clients of the interface meet a type that they don't know: tell them"),
        );
    }
}

fn directives(old: &Schema, new: &Schema, changes: &mut Vec<Change>) {
    for (name, before) in old.directive_definitions.iter().filter(|(_, d)| !d.is_built_in()) {
        let path = format!("@{name}");
        let Some(after) = new.directive_definitions.get(name) else {
            let message = format!("directive `{path}` was removed");
            changes.push(Change::new("DIRECTIVE_REMOVED", Breaking, path, message).with_hint("keep its definition"));
            continue;
        };
        for location in before.locations.iter().filter(|location| !after.locations.contains(location)) {
            let message = format!("directive `{path}` is not allowed on {location} any more");
            let change = Change::new("DIRECTIVE_LOCATION_REMOVED", Breaking, path.clone(), message);
            changes.push(change.with_hint("keep the location"));
        }
        if before.repeatable && !after.repeatable {
            let message = format!("directive `{path}` is not repeatable any more");
            let change = Change::new("DIRECTIVE_REPEATABLE_REMOVED", Breaking, path.clone(), message);
            changes.push(change.with_hint("keep it repeatable"));
        }
        let owner = Owner { path: &path, is_type: false };
        compare_inputs(&owner, &before.arguments.iter(), after.arguments.iter(), changes);
    }
}
