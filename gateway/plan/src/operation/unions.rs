//! Unions: narrows the members whose fields are fetched to those that all subgraphs of a shared field agree on.

use crate::ids::{NodeId, SubgraphId, TypeId, TypeSet};
use crate::selection::{Selections, Source};
use crate::supergraph::{Kind, Supergraph};

/// Set `fetchable` of every union-typed selection set below `root`.
pub(super) fn narrow(graph: &Supergraph, selections: &mut Selections, root: NodeId) {
    let all: Vec<SubgraphId> = (0..graph.subgraphs.len()).map(SubgraphId::new).collect();
    let mut open: Vec<(NodeId, Vec<SubgraphId>)> = vec![(root, all)];
    while let Some((node, here)) = open.pop() {
        for index in 0..selections.node(node).slots.len() {
            let slot = &selections.node(node).slots[index];
            let (Source::Field(_), Some(child), false) = (slot.source, slot.child, slot.denied) else { continue };
            let resolvers = resolvers(graph, slot.on, slot.source, &slot.types, &here);
            let ty = selections.node(child).ty;
            if graph.kind(ty) == Kind::Union {
                let members = resolvers.iter().filter_map(|&s| graph.join(ty, s)).map(|join| &join.possible);
                let common = members.fold(None, |common: Option<TypeSet>, members| {
                    Some(common.map_or_else(|| members.clone(), |common| common.and(members)))
                });
                let node = &mut selections.nodes[child.index()];
                if let Some(common) = common.filter(|common| !common.is_empty()) {
                    node.fetchable = node.fetchable.and(&common);
                }
            }
            open.push((child, resolvers));
        }
    }
}

/// The subgraphs that could resolve a field of objects which the subgraphs `here` can have: these themselves, and any
/// that the objects can be entered in.
fn resolvers(graph: &Supergraph, on: TypeId, source: Source, types: &TypeSet, here: &[SubgraphId]) -> Vec<SubgraphId> {
    let Source::Field(field) = source else { return Vec::new() };
    let name = graph.field_name(field);
    let mut found = Vec::new();
    for ty in types.iter().chain([on]) {
        let Some(field) = graph.field_of(ty, name) else { continue };
        for join in graph.field(field).joins.iter().filter(|join| !join.external) {
            let enters = || graph.join(ty, join.subgraph).is_some_and(|j| j.keys.iter().any(|key| key.resolvable));
            if !found.contains(&join.subgraph) && (here.contains(&join.subgraph) || enters()) {
                found.push(join.subgraph);
            }
        }
    }
    found
}
