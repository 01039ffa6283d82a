//! Interface objects: checks that `@interfaceObject` types stand for entity interfaces of other subgraphs.

use crate::names::Names;
use crate::report::Report;
use crate::schema::{At, Kind, Subgraph, SubgraphId};

/// Reports interface objects without key, next to implementations, or without an interface elsewhere.
pub fn check(subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.interface_object) {
            let name = &names[ty.name];
            let here: &[(SubgraphId, At)] = &[(subgraph.id, ty.at)];
            if ty.keys.is_empty() {
                let message = format!("[{}] the @interfaceObject type `{name}` has no @key", subgraph.name);
                report.error("INTERFACE_OBJECT_USAGE_ERROR", message, "give it a key of the interface", here);
            }
            let elsewhere =
                subgraphs.iter().any(|other| other.types.get(&ty.name).is_some_and(|t| t.kind == Kind::Interface));
            if !elsewhere {
                let message = format!(
                    "`{name}` is an @interfaceObject in [{}], but no subgraph defines the interface",
                    subgraph.name
                );
                let hint = "define the interface with its implementations in one subgraph";
                report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, here);
            }
            check_implementations(subgraphs, subgraph, ty.name, names, report);
        }
        check_keys(subgraph, names, report);
    }
}

/// A subgraph that sees the interface as one object must not know its implementations as well.
fn check_implementations(
    subgraphs: &[Subgraph],
    subgraph: &Subgraph,
    interface: crate::names::Symbol,
    names: &Names,
    report: &mut Report,
) {
    let implementing =
        subgraphs.iter().flat_map(|other| other.types.values()).filter(|ty| ty.interfaces.contains(&interface));
    let mut seen = rustc_hash::FxHashSet::default();
    for ty in implementing.filter(|ty| seen.insert(ty.name)) {
        if let Some(own) = subgraph.types.get(&ty.name) {
            let message = format!(
                "[{}] has the interface object `{}` and its implementation `{}`",
                subgraph.name, &names[interface], &names[ty.name]
            );
            let hint = "move one of them to another subgraph";
            report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, &[(subgraph.id, own.at)]);
        }
    }
}

/// Every implementation of an entity interface must have the interface's keys.
fn check_keys(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    for interface in subgraph.types.values().filter(|ty| ty.kind == Kind::Interface && !subgraph.is_fed1()) {
        for key in &interface.keys {
            for ty in
                subgraph.types.values().filter(|ty| ty.kind == Kind::Object && ty.interfaces.contains(&interface.name))
            {
                let has =
                    ty.keys.iter().any(|own| own.fields.text == key.fields.text && (own.resolvable || !key.resolvable));
                if !has {
                    let message = format!(
                        "[{}] `{}` has @key(fields: \"{}\"), but its implementation `{}` has not",
                        subgraph.name, &names[interface.name], key.fields.text, &names[ty.name]
                    );
                    let hint = "repeat the key on the implementation";
                    report.error(
                        "INTERFACE_KEY_NOT_ON_IMPLEMENTATION",
                        message,
                        hint,
                        &[(subgraph.id, ty.at), (subgraph.id, key.at)],
                    );
                }
            }
        }
    }
}
