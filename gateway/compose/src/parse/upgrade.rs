//! Upgrade: turns Federation 1 subgraphs into ones that mean the same under the rules of Federation 2.
//!
//! Federation 1 ignored keys on interfaces, and tolerated `@external` where nothing needs it. It had no `@shareable`
//! either: merging knows that it shared everything.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, Kind, Selection, Subgraph, SubgraphId};
use rustc_hash::{FxHashMap, FxHashSet};

type Implementations = FxHashMap<Symbol, Vec<Symbol>>;

/// The types that a subgraph defines, and those that it only extends.
#[derive(Debug, Default)]
pub struct Bases {
    subgraph: String,
    defined: Vec<Symbol>,
    extended: Vec<(Symbol, At)>,
}

/// Upgrades a Federation 1 subgraph in place, and says which types it had before.
pub fn upgrade(subgraph: &mut Subgraph) -> Bases {
    unmark_key_externals(subgraph);
    let mut bases = Bases { subgraph: subgraph.name.clone(), ..Bases::default() };
    for ty in subgraph.types.values() {
        if ty.extension {
            bases.extended.push((ty.name, ty.at));
        } else {
            bases.defined.push(ty.name);
        }
    }
    if subgraph.is_fed1() {
        simplify_interfaces(subgraph);
        drop_needless_provides(subgraph);
        drop_unused_externals(subgraph);
    }
    bases
}

/// Reports extensions of types that no subgraph defines.
///
/// `all` are in the order of the subgraphs' ids, those that could not be parsed included.
pub fn check_bases(all: &[&Bases], names: &Names, report: &mut Report) {
    let mut defined: FxHashSet<Symbol> = [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION].into_iter().collect();
    defined.extend(all.iter().flat_map(|bases| &bases.defined));
    for (bases, index) in all.iter().zip(0..) {
        for (ty, at) in bases.extended.iter().filter(|(ty, _)| !defined.contains(ty)) {
            let name = &names[*ty];
            let message =
                format!("[{}] type `{name}` is an extension, but no subgraph defines `{name}`", bases.subgraph);
            let hint = "define the type in one subgraph, or drop `extend`";
            report.error("EXTENSION_WITH_NO_BASE", message, hint, &[(SubgraphId(index), *at)]);
        }
    }
}

fn simplify_interfaces(subgraph: &mut Subgraph) {
    for ty in subgraph.types.values_mut().filter(|ty| ty.kind == Kind::Interface) {
        ty.keys.clear();
        for field in ty.fields.values_mut() {
            field.external = false;
            field.requires = None;
            field.provides = None;
        }
    }
}

/// `@provides` on a field that has no sub-selections was accepted and meant nothing.
fn drop_needless_provides(subgraph: &mut Subgraph) {
    let composite: FxHashSet<Symbol> =
        subgraph.types.values().filter(|ty| ty.kind.is_composite()).map(|ty| ty.name).collect();
    for field in subgraph.types.values_mut().flat_map(|ty| ty.fields.values_mut()) {
        if !composite.contains(&field.ty.base) {
            field.provides = None;
        }
    }
}

/// An extension repeats the key of the type it extends with `@external`, although it can answer it. Federation 2 still
/// reads such extensions this way.
fn unmark_key_externals(subgraph: &mut Subgraph) {
    let implementations = subgraph.implementations();
    let mut selected = FxHashSet::default();
    for ty in subgraph.types.values().filter(|ty| ty.extension || subgraph.is_fed1()) {
        for key in &ty.keys {
            collect(subgraph, &implementations, ty.name, &key.fields.selections, &mut selected);
        }
    }
    for ty in subgraph.types.values_mut() {
        let name = ty.name;
        for field in ty.fields.values_mut().filter(|field| selected.contains(&(name, field.name))) {
            field.external = false;
        }
    }
}

/// Fields marked `@external` that no field set and no interface needs are as good as absent.
fn drop_unused_externals(subgraph: &mut Subgraph) {
    let implementations = subgraph.implementations();
    let mut used = FxHashSet::default();
    for ty in subgraph.types.values() {
        for field in ty.fields.values() {
            if let Some(set) = &field.requires {
                collect(subgraph, &implementations, ty.name, &set.selections, &mut used);
            }
            if let Some(set) = &field.provides {
                collect(subgraph, &implementations, field.ty.base, &set.selections, &mut used);
            }
        }
        for interface in ty.interfaces.iter().filter_map(|name| subgraph.types.get(name)) {
            used.extend(interface.fields.keys().map(|field| (ty.name, *field)));
        }
    }
    for ty in subgraph.types.values_mut() {
        let name = ty.name;
        ty.fields.retain(|field, definition| !definition.external || used.contains(&(name, *field)));
    }
    subgraph.types.retain(|name, ty| {
        *name == Symbol::QUERY || ty.kind != Kind::Object || !ty.fields.is_empty() || !ty.keys.is_empty()
    });
}

/// All (type, field) pairs that selections on `on` touch, implementations of interfaces included.
fn collect(
    subgraph: &Subgraph,
    implementations: &Implementations,
    on: Symbol,
    selections: &[Selection],
    out: &mut FxHashSet<(Symbol, Symbol)>,
) {
    let Some(ty) = subgraph.types.get(&on) else { return };
    for selection in selections {
        match selection {
            Selection::Field { name, children, .. } => {
                let Some(field) = ty.fields.get(name) else { continue };
                out.insert((on, *name));
                if ty.kind == Kind::Interface {
                    let implementing = implementations.get(&on).into_iter().flatten();
                    out.extend(implementing.map(|other| (*other, *name)));
                }
                collect(subgraph, implementations, field.ty.base, children, out);
            }
            Selection::Fragment { on: condition, children } => {
                collect(subgraph, implementations, condition.unwrap_or(on), children, out);
            }
        }
    }
}
