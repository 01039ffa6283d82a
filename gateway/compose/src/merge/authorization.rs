//! Authorization: turns the requirements of implementations into those of their interface.
//!
//! A client that asks on the interface may get any implementation, so the interface asks for all that they ask for.

use super::Merge;
use crate::names::Symbol;
use crate::schema::{Applied, Directive, Kind, Map, SubgraphId};
use crate::supergraph::MergedType;

/// Adds to interfaces and their fields the requirements of all implementations.
pub fn propagate(types: &mut Map<Symbol, MergedType>, merge: &mut Merge<'_>) {
    let is_requirement = |one: &&Applied| {
        matches!(one.directive, Directive::Authenticated | Directive::RequiresScopes | Directive::Policy)
    };
    let requirements = |applied: &[Applied]| applied.iter().filter(is_requirement).cloned().collect::<Vec<_>>();
    let mut on_types: Map<Symbol, Vec<Vec<Applied>>> = Map::default();
    let mut on_fields: Map<(Symbol, Symbol), Vec<Vec<Applied>>> = Map::default();
    for ty in types.values().filter(|ty| ty.kind == Kind::Object) {
        for interface in &ty.interfaces {
            let own = requirements(&ty.applied);
            if !own.is_empty() {
                on_types.entry(*interface).or_default().push(own);
            }
            for field in ty.fields.values() {
                let own = requirements(&field.applied);
                if !own.is_empty() {
                    on_fields.entry((*interface, field.name)).or_default().push(own);
                }
            }
        }
    }
    let mut combine = |coordinate: &str, existing: &mut Vec<Applied>, groups: &[Vec<Applied>]| {
        let own = requirements(existing);
        existing.retain(|one| !is_requirement(&one));
        let all = std::iter::once(own.as_slice()).chain(groups.iter().map(Vec::as_slice));
        existing.extend(merge.united(coordinate, all.map(|group| (SubgraphId(0), group))));
    };
    for (interface, groups) in &on_types {
        if let Some(ty) = types.get_mut(interface) {
            combine("interface", &mut ty.applied, groups);
        }
    }
    for ((interface, field), groups) in &on_fields {
        if let Some(field) = types.get_mut(interface).and_then(|ty| ty.fields.get_mut(field)) {
            combine("interface field", &mut field.applied, groups);
        }
    }
}
