//! Interface objects: checks that `@interfaceObject` types stand for interfaces of other subgraphs.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Kind, Set, Subgraph};
use rustc_hash::{FxHashMap, FxHashSet};

/// Reports interface objects next to implementations, or without an interface elsewhere.
pub fn check(subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    if !subgraphs.iter().flat_map(|subgraph| subgraph.types.values()).any(|ty| ty.interface_object) {
        return;
    }
    // The merged types can't tell: where kinds contradict each other there is no merged type.
    let all = || subgraphs.iter().flat_map(|subgraph| subgraph.types.values());
    let defined: FxHashSet<Symbol> = all().filter(|ty| ty.kind == Kind::Interface).map(|ty| ty.name).collect();
    let mut implementations: FxHashMap<Symbol, Set<Symbol>> = FxHashMap::default();
    for ty in all() {
        for interface in &ty.interfaces {
            implementations.entry(*interface).or_default().insert(ty.name);
        }
    }
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.interface_object) {
            if !defined.contains(&ty.name) {
                let message = format!(
                    "`{}` is an @interfaceObject in [{}], but no subgraph defines the interface",
                    &names[ty.name], subgraph.name
                );
                let hint = "define the interface with its implementations in one subgraph";
                report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, &[(subgraph.id, ty.at)]);
            }
            if let Some(implementing) = implementations.get(&ty.name) {
                check_implementations(implementing, subgraph, ty.name, names, report);
            }
        }
    }
}

/// A subgraph that sees the interface as one object must not know its implementations as well.
fn check_implementations(
    implementing: &Set<Symbol>,
    subgraph: &Subgraph,
    interface: Symbol,
    names: &Names,
    report: &mut Report,
) {
    for own in implementing.iter().filter_map(|name| subgraph.types.get(name)) {
        let message = format!(
            "[{}] has the interface object `{}` and its implementation `{}`",
            subgraph.name, &names[interface], &names[own.name]
        );
        let hint = "move one of them to another subgraph";
        report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, &[(subgraph.id, own.at)]);
    }
}
