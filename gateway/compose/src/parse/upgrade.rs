//! Upgrade: turns Federation 1 subgraphs into ones that mean the same under the rules of Federation 2.
//!
//! Federation 1 had no `@shareable`: value types could be defined anywhere, and entities belonged to one subgraph. It
//! ignored keys on interfaces, and tolerated `@external` where nothing needs it.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Kind, Selection, Subgraph, SubgraphId};
use rustc_hash::{FxHashMap, FxHashSet};

type Implementations = FxHashMap<Symbol, Vec<Symbol>>;

/// Upgrades all Federation 1 subgraphs in place. Extensions of types that nobody defines are reported.
pub fn upgrade(subgraphs: &mut [Subgraph], names: &Names, report: &mut Report) {
    subgraphs.iter_mut().for_each(unmark_key_externals);
    check_bases(subgraphs, names, report);
    if !subgraphs.iter().any(Subgraph::is_fed1) {
        return;
    }
    for subgraph in subgraphs.iter_mut().filter(|subgraph| subgraph.is_fed1()) {
        simplify_interfaces(subgraph);
        drop_needless_provides(subgraph);
        drop_unused_externals(subgraph);
    }
    let owners = owners(subgraphs);
    for subgraph in subgraphs.iter_mut().filter(|subgraph| subgraph.is_fed1()) {
        share(subgraph, &owners);
    }
}

/// An extension needs a definition of the type in some subgraph.
fn check_bases(subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let mut defined: FxHashSet<Symbol> = [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION].into_iter().collect();
    for subgraph in subgraphs {
        defined.extend(subgraph.types.values().filter(|ty| !ty.extension).map(|ty| ty.name));
    }
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.extension && !defined.contains(&ty.name)) {
            let name = &names[ty.name];
            let message =
                format!("[{}] type `{name}` is an extension, but no subgraph defines `{name}`", subgraph.name);
            let hint = "define the type in one subgraph, or drop `extend`";
            report.error("EXTENSION_WITH_NO_BASE", message, hint, &[(subgraph.id, ty.at)]);
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

/// Which subgraphs answer each field of an object type.
fn owners(subgraphs: &[Subgraph]) -> FxHashMap<(Symbol, Symbol), Vec<SubgraphId>> {
    let mut owners: FxHashMap<_, Vec<SubgraphId>> = FxHashMap::default();
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.kind == Kind::Object) {
            for field in ty.fields.values() {
                owners.entry((ty.name, field.name)).or_default().push(subgraph.id);
            }
        }
    }
    owners
}

/// Federation 1 let any subgraph answer a field, so whatever others have as well is shared.
fn share(subgraph: &mut Subgraph, owners: &FxHashMap<(Symbol, Symbol), Vec<SubgraphId>>) {
    for ty in subgraph.types.values_mut().filter(|ty| ty.kind == Kind::Object && ty.name != Symbol::SUBSCRIPTION) {
        let name = ty.name;
        for field in ty.fields.values_mut().filter(|field| !field.external) {
            field.shareable |= owners.get(&(name, field.name)).is_some_and(|who| who.len() > 1);
        }
    }
}
