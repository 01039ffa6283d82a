//! Merging: turns the subgraphs' types into one supergraph, type by type and per kind.

mod applied;
mod arguments;
mod authorization;
mod directives;
mod enums;
mod fields;
mod inputs;
mod interface_objects;
mod links;
mod references;
mod sharing;
mod text;
mod unions;
mod value_types;

pub use links::used as used_directives;

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Kind, Map, Subgraph, Type};
use crate::supergraph::{JoinType, MergedType, Supergraph};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What merging one type needs to know of all others.
pub struct Merge<'a> {
    /// In the order of their ids.
    pub subgraphs: &'a [Subgraph],
    subgraph_names: FxHashSet<&'a str>,
    pub names: &'a Names,
    pub report: &'a mut Report,
    /// (abstract type, type that it may be), in any subgraph.
    subtypes: FxHashSet<(Symbol, Symbol)>,
    /// Types used by fields.
    outputs: FxHashSet<Symbol>,
    /// Types used by arguments and input fields.
    inputs: FxHashSet<Symbol>,
    /// The directives of each composed specification by the name they have in the supergraph.
    composed: directives::Composed,
}

/// One subgraph's contribution to a type.
pub type Source<'a> = (&'a Subgraph, &'a Type);

/// Merges all subgraphs. Contradictions are reported; what they leave is as complete as it can be.
pub fn merge(subgraphs: &[Subgraph], names: &Names, report: &mut Report) -> Supergraph {
    let composed = directives::composed(subgraphs, names, report);
    let (outputs, inputs) = usage(subgraphs);
    let subtypes = subtypes(subgraphs);
    let subgraph_names = subgraphs.iter().map(|subgraph| subgraph.name.as_str()).collect();
    let mut merge = Merge { subgraphs, subgraph_names, names, report, subtypes, outputs, inputs, composed };
    let mut by_name: BTreeMap<&str, Vec<Source<'_>>> = BTreeMap::new();
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            by_name.entry(&names[ty.name]).or_default().push((subgraph, ty));
        }
    }
    let mut types = Map::with_capacity_and_hasher(by_name.len(), rustc_hash::FxBuildHasher);
    for sources in by_name.values() {
        if let Some(merged) = merge.merge_type(sources) {
            types.insert(merged.name, merged);
        }
    }
    if !types.contains_key(&Symbol::QUERY) && !merge.report.has_errors() {
        let message = "no subgraph has a query root field";
        merge.report.error("NO_QUERIES", message, "add a field to `type Query` in one subgraph", &[]);
    }
    interface_objects::add_fields(&mut types, &by_name, &mut merge);
    authorization::propagate(&mut types, &mut merge);
    let implementations = implementations(&types);
    let mut supergraph = Supergraph { types, implementations, ..Supergraph::default() };
    directives::merge(&mut supergraph, &mut merge);
    links::collect(&mut supergraph, &mut merge);
    supergraph
}

/// The types that implement each interface.
fn implementations(types: &Map<Symbol, MergedType>) -> FxHashMap<Symbol, Vec<Symbol>> {
    let mut implementations: FxHashMap<Symbol, Vec<Symbol>> = FxHashMap::default();
    for ty in types.values() {
        for interface in &ty.interfaces {
            implementations.entry(*interface).or_default().push(ty.name);
        }
    }
    implementations
}

/// The subtype relation of named types across all subgraphs.
fn subtypes(subgraphs: &[Subgraph]) -> FxHashSet<(Symbol, Symbol)> {
    let mut subtypes = FxHashSet::default();
    for ty in subgraphs.iter().flat_map(|subgraph| subgraph.types.values()) {
        subtypes.extend(ty.interfaces.iter().map(|interface| (*interface, ty.name)));
        subtypes.extend(ty.members.iter().map(|member| (ty.name, *member)));
    }
    subtypes
}

/// Which types fields answer, and which ones arguments and input fields take.
fn usage(subgraphs: &[Subgraph]) -> (FxHashSet<Symbol>, FxHashSet<Symbol>) {
    let (mut outputs, mut inputs) = (FxHashSet::default(), FxHashSet::default());
    for ty in subgraphs.iter().flat_map(|subgraph| subgraph.types.values()) {
        let used = if ty.kind == Kind::Input { &mut inputs } else { &mut outputs };
        used.extend(ty.fields.values().map(|field| field.ty.base));
        for field in ty.fields.values() {
            inputs.extend(field.args.values().map(|arg| arg.ty.base));
        }
    }
    (outputs, inputs)
}

impl Merge<'_> {
    fn merge_type(&mut self, sources: &[Source<'_>]) -> Option<MergedType> {
        let kind = self.merge_kind(sources)?;
        let name = sources[0].1.name;
        let coordinate = self.names[name].to_owned();
        let mut merged = MergedType {
            name,
            kind,
            description: self.description(&coordinate, sources.iter().map(|(_, ty)| ty.description.as_ref())),
            joins: joins(sources),
            interfaces: sources.iter().flat_map(|(_, ty)| ty.interfaces.iter().copied()).collect(),
            join_interfaces: Vec::new(),
            fields: Map::default(),
            members: Default::default(),
            join_members: Vec::new(),
            values: Map::default(),
            applied: self
                .applied(&coordinate, sources.iter().map(|(subgraph, ty)| (subgraph.id, ty.applied.as_slice()))),
        };
        for (subgraph, ty) in sources {
            merged.join_interfaces.extend(ty.interfaces.iter().map(|interface| (subgraph.id, *interface)));
        }
        match kind {
            Kind::Scalar => {}
            Kind::Object | Kind::Interface => self.merge_fields(sources, &mut merged),
            Kind::Union => self.merge_union(sources, &mut merged),
            Kind::Enum => self.merge_enum(sources, &mut merged),
            Kind::Input => self.merge_input(sources, &mut merged),
        }
        let is_root = [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION].contains(&name);
        if is_root && merged.fields.is_empty() {
            return None;
        }
        Some(merged)
    }

    /// The kind all sources agree on; an interface object agrees with the interface.
    fn merge_kind(&mut self, sources: &[Source<'_>]) -> Option<Kind> {
        let kind_of = |ty: &Type| if ty.interface_object { Kind::Interface } else { ty.kind };
        let kind = kind_of(sources[0].1);
        if sources.iter().all(|(_, ty)| kind_of(ty) == kind) {
            return Some(kind);
        }
        let name = &self.names[sources[0].1.name];
        let kinds: Vec<String> =
            sources.iter().map(|(subgraph, ty)| format!("{} in [{}]", kind_of(ty).text(), subgraph.name)).collect();
        let message = format!("type `{name}` is a different kind of type in its subgraphs: {}", kinds.join(", "));
        let at: Vec<_> = sources.iter().map(|(subgraph, ty)| (subgraph.id, ty.at)).collect();
        self.report.error("TYPE_KIND_MISMATCH", message, "rename one of them, or make them the same kind", &at);
        None
    }
}

fn joins(sources: &[Source<'_>]) -> Vec<JoinType> {
    let mut joins = Vec::with_capacity(sources.len());
    for (subgraph, ty) in sources {
        let join = |key: Option<&crate::schema::Key>| JoinType {
            graph: subgraph.id,
            key: key.map(|key| key.fields.text.clone()),
            extension: key.is_some_and(|key| key.extension),
            resolvable: key.is_none_or(|key| key.resolvable),
            interface_object: ty.interface_object,
        };
        joins.extend(ty.keys.iter().map(|key| join(Some(key))));
        if ty.keys.is_empty() {
            joins.push(join(None));
        }
    }
    joins
}

/// Names counted, the most frequent first, first seen first among equals.
fn by_frequency<T: Clone + Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts: FxHashMap<T, (usize, usize)> = FxHashMap::default();
    for (index, item) in items.enumerate() {
        counts.entry(item).or_insert((0, index)).0 += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
    sorted.into_iter().map(|(item, (count, _))| (item, count)).collect()
}
