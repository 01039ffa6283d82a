//! Interface objects: turns the fields they contribute to an interface into fields of all its implementations.

use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Kind, Map};
use crate::supergraph::{JoinField, MergedField, MergedType};
use std::collections::BTreeMap;

/// Adds to each implementation the fields that interface objects contribute and that it does not have itself.
pub fn add_fields(types: &mut Map<Symbol, MergedType>, by_name: &BTreeMap<&str, Vec<Source<'_>>>, merge: &mut Merge<'_>) {
    let mut contributed: Map<Symbol, Vec<MergedField>> = Map::default();
    for sources in by_name.values() {
        let objects: Vec<_> = sources.iter().filter(|(_, ty)| ty.interface_object).collect();
        let Some(interface) = types.get(&sources[0].1.name).filter(|_| !objects.is_empty()) else { continue };
        let fields = interface.fields.values().filter(|field| {
            objects.iter().any(|(_, ty)| ty.fields.get(&field.name).is_some_and(|own| !own.external))
        });
        contributed.insert(interface.name, fields.cloned().collect());
    }
    if contributed.is_empty() {
        return;
    }
    for ty in types.values_mut().filter(|ty| ty.kind == Kind::Object) {
        for fields in ty.interfaces.iter().filter_map(|interface| contributed.get(interface)) {
            for field in fields.iter().filter(|field| !ty.fields.contains_key(&field.name)).cloned().collect::<Vec<_>>() {
                ty.fields.insert(field.name, MergedField { joins: vec![JoinField::default()], ..field });
            }
        }
    }
    let _ = merge;
}
