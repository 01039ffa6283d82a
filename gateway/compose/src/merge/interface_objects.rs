//! Interface objects: turns the fields they contribute to an interface into fields of all its implementations.

use super::fields::FieldSource;
use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Kind, Map, Set};
use crate::supergraph::{JoinField, MergedField, MergedType};
use std::collections::BTreeMap;

/// Adds to each implementation the fields that interface objects contribute and that it does not have itself, and checks
/// that fields with several sources are shared.
pub fn add_fields(
    types: &mut Map<Symbol, MergedType>,
    by_name: &BTreeMap<&str, Vec<Source<'_>>>,
    merge: &mut Merge<'_>,
) {
    let mut contributed: Map<Symbol, Vec<(MergedField, Vec<Source<'_>>)>> = Map::default();
    for sources in by_name.values() {
        let objects: Vec<Source<'_>> = sources.iter().filter(|(_, ty)| ty.interface_object).copied().collect();
        let Some(interface) = types.get(&sources[0].1.name).filter(|_| !objects.is_empty()) else { continue };
        let mut fields = Vec::new();
        for field in interface.fields.values() {
            let answers = |(_, ty): &Source<'_>| ty.fields.get(&field.name).is_some_and(|own| !own.is_fully_external());
            let answering: Vec<Source<'_>> = objects.iter().copied().filter(answers).collect();
            if !answering.is_empty() {
                fields.push((field.clone(), answering));
            }
        }
        contributed.insert(interface.name, fields);
    }
    if contributed.is_empty() {
        return;
    }
    for ty in types.values_mut().filter(|ty| ty.kind == Kind::Object) {
        let offered: Vec<_> =
            ty.interfaces.iter().filter_map(|interface| contributed.get(interface)).flatten().collect();
        let names: Set<Symbol> = offered.iter().map(|(field, _)| field.name).collect();
        let type_name = merge.names[ty.name].to_owned();
        for name in names {
            let own = by_name.get(type_name.as_str()).into_iter().flatten();
            let given = offered.iter().filter(|(field, _)| field.name == name).flat_map(|(_, sources)| sources);
            let sources: Vec<FieldSource<'_>> =
                own.chain(given).filter_map(|source| FieldSource::of(*source, name)).collect();
            let coordinate = format!("{type_name}.{}", &merge.names[name]);
            merge.check_sharing(&coordinate, &sources);
            if let Some((field, _)) =
                offered.iter().find(|(field, _)| field.name == name && !ty.fields.contains_key(&name))
            {
                ty.fields.insert(name, MergedField { joins: vec![JoinField::default()], ..field.clone() });
            }
        }
    }
}
