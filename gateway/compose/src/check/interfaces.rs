//! Interfaces: checks that implementations have every field and argument of the merged interface.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, Kind, Subgraph, SubgraphId};
use crate::supergraph::{MergedField, MergedType, Supergraph};

/// Reports missing and unfitting fields of implementations.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let mut check = Check { supergraph, subgraphs, names, report };
    for ty in supergraph.types.values() {
        for interface in ty.interfaces.iter().filter_map(|name| supergraph.types.get(name)) {
            check.implementation(ty, interface);
        }
    }
}

/// Reports entity interfaces whose subgraph does not know all of their implementations.
pub fn check_keys(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let mut check = Check { supergraph, subgraphs, names, report };
    for ty in supergraph.types.values().filter(|ty| ty.kind == Kind::Interface) {
        check.entity_interface(ty);
    }
}

struct Check<'a> {
    supergraph: &'a Supergraph,
    subgraphs: &'a [Subgraph],
    names: &'a Names,
    report: &'a mut Report,
}

impl Check<'_> {
    fn implementation(&mut self, ty: &MergedType, interface: &MergedType) {
        for wanted in interface.fields.values() {
            let coordinate = format!("{}.{}", &self.names[interface.name], &self.names[wanted.name]);
            match ty.fields.get(&wanted.name) {
                Some(field) => self.fits(ty, field, wanted, &coordinate),
                None => {
                    let message = format!(
                        "interface field `{coordinate}` is not implemented by `{}`, which implements the interface in {}",
                        &self.names[ty.name],
                        self.implementing(ty, interface.name)
                    );
                    let hint = "add the field to the type in one subgraph, or remove it from the interface";
                    let at = self.places(interface.name, Some(wanted.name));
                    self.report.error("INTERFACE_FIELD_NO_IMPLEM", message, hint, &at);
                }
            }
        }
    }

    fn fits(&mut self, ty: &MergedType, field: &MergedField, wanted: &MergedField, coordinate: &str) {
        let is_subtype = |special: Symbol, general: Symbol| self.is_subtype(special, general);
        let own = format!("{}.{}", &self.names[ty.name], &self.names[field.name]);
        let at = self.places(ty.name, Some(field.name));
        if !field.ty.is_subtype(wanted.ty, &is_subtype) {
            let message = format!(
                "`{own}` has type `{}`, which does not fit `{}` of the interface field `{coordinate}`",
                field.ty.print(self.names),
                wanted.ty.print(self.names)
            );
            let hint = "give both types that fit in all subgraphs together";
            self.report.error("INTERFACE_FIELD_TYPE_MISMATCH", message, hint, &at);
        }
        for arg in wanted.args.values() {
            if field.args.get(&arg.name).is_none_or(|given| given.ty != arg.ty) {
                let message =
                    format!("`{own}` lacks the argument `{coordinate}({}:)` of its interface", &self.names[arg.name]);
                let hint = "declare the argument with the same type wherever the field is";
                self.report.error("INTERFACE_FIELD_ARGUMENT_MISMATCH", message, hint, &at);
            }
        }
        for arg in field.args.values().filter(|arg| arg.ty.is_non_null() && arg.default.is_none()) {
            if !wanted.args.contains_key(&arg.name) {
                let message =
                    format!("`{own}` requires the argument `{}`, which its interface has not", &self.names[arg.name]);
                let hint = "make the argument optional";
                self.report.error("INTERFACE_FIELD_ARGUMENT_MISMATCH", message, hint, &at);
            }
        }
    }

    fn is_subtype(&self, special: Symbol, general: Symbol) -> bool {
        let implements = self.supergraph.types.get(&special).is_some_and(|ty| ty.interfaces.contains(&general));
        implements || self.supergraph.types.get(&general).is_some_and(|ty| ty.members.contains(&special))
    }

    /// A subgraph that resolves an interface by key must know all of its implementations, if another subgraph sees
    /// the interface as one object.
    fn entity_interface(&mut self, interface: &MergedType) {
        let implementations: Vec<&MergedType> = self.supergraph.objects(interface.name).collect();
        for subgraph in self.supergraph.owners(interface.name, self.subgraphs) {
            let Some(local) = subgraph.types.get(&interface.name) else { continue };
            let Some(key) = local.keys.iter().find(|key| key.resolvable) else { continue };
            if local.kind != Kind::Interface {
                continue;
            }
            let missing: Vec<String> = implementations
                .iter()
                .filter(|ty| !subgraph.types.get(&ty.name).is_some_and(|own| own.interfaces.contains(&interface.name)))
                .map(|ty| format!("`{}`", &self.names[ty.name]))
                .collect();
            if !missing.is_empty() {
                let message = format!(
                    "[{}] interface `{}` has a resolvable @key, but its implementations {} are unknown there",
                    subgraph.name,
                    &self.names[interface.name],
                    missing.join(", ")
                );
                let hint = "define these types in that subgraph, too, or make the key resolvable: false";
                let at = [(subgraph.id, key.at)];
                self.report.error("INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE", message, hint, &at);
            }
        }
    }

    fn implementing(&self, ty: &MergedType, interface: Symbol) -> String {
        let ids = ty.join_interfaces.iter().filter(|(_, name)| *name == interface).map(|(id, _)| *id);
        let names: Vec<&str> = ids
            .filter_map(|id| self.subgraphs.binary_search_by_key(&id, |subgraph| subgraph.id).ok())
            .map(|at| self.subgraphs[at].name.as_str())
            .collect();
        format!("[{}]", names.join(", "))
    }

    fn places(&self, ty: Symbol, field: Option<Symbol>) -> Vec<(SubgraphId, At)> {
        self.supergraph.places(self.subgraphs, ty, field)
    }
}
