//! Interface objects: checks that `@interfaceObject` types stand for interfaces of other subgraphs.

use crate::names::Names;
use crate::report::Report;
use crate::schema::{Kind, Subgraph};

/// Reports interface objects next to implementations, or without an interface elsewhere.
pub fn check(subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.interface_object) {
            let mut all = subgraphs.iter().filter_map(|other| other.types.get(&ty.name));
            if !all.any(|other| other.kind == Kind::Interface) {
                let message = format!(
                    "`{}` is an @interfaceObject in [{}], but no subgraph defines the interface",
                    &names[ty.name], subgraph.name
                );
                let hint = "define the interface with its implementations in one subgraph";
                report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, &[(subgraph.id, ty.at)]);
            }
            check_implementations(subgraphs, subgraph, ty.name, names, report);
        }
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
