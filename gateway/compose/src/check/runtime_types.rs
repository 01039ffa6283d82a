//! Runtime types: checks that a field that several subgraphs answer can be the same object in all of them.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, Kind, Set, Subgraph, SubgraphId};
use crate::supergraph::{MergedField, MergedType, Supergraph};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Reports shared fields whose subgraphs have no object type in common; a warning where they only differ.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let mut runtime = RuntimeTypes::default();
    for ty in supergraph.types.values().filter(|ty| ty.kind == Kind::Object) {
        let owners = supergraph.owners(ty.name, subgraphs);
        for field in ty.fields.values() {
            let target = supergraph.types.get(&field.ty.base);
            if target.is_some_and(|target| matches!(target.kind, Kind::Interface | Kind::Union)) {
                check_field(ty, field, &owners, &mut runtime, names, report);
            }
        }
    }
}

fn check_field(
    ty: &MergedType,
    field: &MergedField,
    owners: &[&Subgraph],
    runtime: &mut RuntimeTypes,
    names: &Names,
    report: &mut Report,
) {
    let answering: Vec<&Subgraph> = owners.iter().copied().filter(|subgraph| answers(field, subgraph.id)).collect();
    if answering.len() < 2 {
        return;
    }
    let mut sources: Vec<(&Subgraph, At, Arc<Set<Symbol>>)> = Vec::new();
    for subgraph in answering {
        let own = subgraph.types.get(&ty.name).and_then(|ty| ty.fields.get(&field.name));
        if let Some(own) = own
            && let Some(types) = runtime.of(subgraph, own.ty.base)
        {
            sources.push((subgraph, own.at, types));
        }
    }
    let Some((_, _, first)) = sources.first() else { return };
    let equal = |types: &Arc<Set<Symbol>>| types.len() == first.len() && types.iter().all(|one| first.contains(one));
    if sources.iter().all(|(_, _, types)| equal(types)) {
        return;
    }
    let common = first.iter().any(|one| sources.iter().all(|(_, _, types)| types.contains(one)));
    let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
    let seen: Vec<String> = sources
        .iter()
        .map(|(subgraph, _, types)| {
            let mut types: Vec<&str> = types.iter().map(|one| &names[*one]).collect();
            types.sort_unstable();
            format!("{} in [{}]", types.join(", "), subgraph.name)
        })
        .collect();
    let at: Vec<(SubgraphId, At)> = sources.iter().map(|(subgraph, at, _)| (subgraph.id, *at)).collect();
    let seen = seen.join("; ");
    if common {
        let message = format!("`{coordinate}` is shared, but can be different object types: {seen}");
        let hint = "make sure that all subgraphs answer with the same objects";
        report.warning("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", message, hint, &at);
    } else {
        let message = format!("`{coordinate}` is shared, but can never be the same object: {seen}");
        let hint = "give the subgraphs an object type in common, or keep the field in one of them";
        report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, hint, &at);
    }
}

fn answers(field: &MergedField, subgraph: SubgraphId) -> bool {
    field.joins.is_empty()
        || field.joins.iter().any(|join| join.graph == Some(subgraph) && !join.external && !join.used_overridden)
}

/// The object types behind the types of subgraphs, found once for each.
#[derive(Default)]
struct RuntimeTypes {
    implementations: FxHashMap<SubgraphId, FxHashMap<Symbol, Vec<Symbol>>>,
    known: FxHashMap<(SubgraphId, Symbol), Arc<Set<Symbol>>>,
}

impl RuntimeTypes {
    /// The object types that a type of a subgraph may be; none for an interface object, which hides them.
    fn of(&mut self, subgraph: &Subgraph, name: Symbol) -> Option<Arc<Set<Symbol>>> {
        let ty = subgraph.types.get(&name).filter(|ty| !ty.interface_object)?;
        if let Some(known) = self.known.get(&(subgraph.id, name)) {
            return Some(known.clone());
        }
        let found: Set<Symbol> = match ty.kind {
            Kind::Object => [name].into_iter().collect(),
            Kind::Union => ty.members.clone(),
            _ => {
                let all = self.implementations.entry(subgraph.id).or_insert_with(|| subgraph.implementations());
                let own = all.get(&name).into_iter().flatten();
                own.copied().filter(|own| subgraph.types[own].kind == Kind::Object).collect()
            }
        };
        Some(self.known.entry((subgraph.id, name)).or_insert(Arc::new(found)).clone())
    }
}
