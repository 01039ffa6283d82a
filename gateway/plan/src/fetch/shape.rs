//! Shapes: turns draft selections, which refer to each other, into the trees that are sent and read.

use crate::build::{Draft, DraftField};
use crate::condition::Condition;
use crate::ids::{SelectionId, TypeId};
use crate::plan::{Candidate, Decided, Fetch, FetchField, FetchSelection, Part};
use crate::search::Compared;
use crate::supergraph::Supergraph;

/// The fetches of a draft, in its order.
pub(super) fn fetches(graph: &Supergraph, draft: &Draft) -> Vec<Fetch> {
    draft
        .fetches
        .iter()
        .map(|fetch| {
            let mut branches: Vec<FetchSelection> =
                fetch.branches.iter().map(|&(_, selection)| tree(graph, draft, selection)).collect();
            let condition = hoist(&mut branches, &fetch.told);
            let mut inputs = fetch.inputs.clone();
            inputs.iter_mut().for_each(|input| settle(&mut input.parts, &condition));
            Fetch {
                subgraph: fetch.subgraph,
                node: fetch.node,
                paths: fetch.paths.clone(),
                inputs,
                is_entity: fetch.is_entity,
                key: "_entities".to_owned(),
                variable: "representations".to_owned(),
                branches,
                condition,
                group: fetch.group,
                reason: fetch.reason.clone(),
                contexts: fetch.contexts.clone(),
                decided: fetch
                    .decided
                    .iter()
                    .map(|(field, compared)| Decided {
                        field: field.clone(),
                        candidates: compared.iter().map(candidate).collect(),
                    })
                    .collect(),
            }
        })
        .collect()
}

fn candidate(compared: &Compared) -> Candidate {
    Candidate { subgraph: compared.subgraph, waves: compared.waves, requests: compared.requests }
}

fn tree(graph: &Supergraph, draft: &Draft, id: SelectionId) -> FetchSelection {
    let selection = &draft.selections[id.index()];
    let fields = selection.fields.iter().map(|field| {
        let slot = &draft.nodes.node(selection.node).slots[field.slot.index()];
        let name = slot.field().map_or_else(|| slot.key.clone(), |f| graph.field_name(f).clone());
        FetchField {
            key: if slot.internal { name.clone() } else { slot.key.clone() },
            slot: field.slot,
            name,
            on: merged_on(selection.local, field),
            ty: field.ty.clone(),
            arguments: slot.arguments.with_variables(&field.contexts),
            condition: field.condition.clone(),
            child: field.child.map(|child| tree(graph, draft, child)),
        }
    });
    let unknown = graph.is_interface_object(selection.local, selection.subgraph);
    FetchSelection {
        node: selection.node,
        local: selection.local,
        typename: graph.is_abstract(selection.local) && !unknown,
        unknown,
        fields: fields.collect(),
    }
}

fn merged_on(local: TypeId, field: &DraftField) -> Vec<TypeId> {
    if field.on.contains(&local) { vec![local] } else { field.on.clone() }
}

/// Parts that are needed whenever the fetch is need no condition of their own.
fn settle(parts: &mut [Part], fetched: &Condition) {
    for part in parts {
        if part.condition == *fetched {
            part.condition = Condition::always();
        }
        settle(part.below.as_deref_mut().unwrap_or_default(), fetched);
    }
}

/// When a fetch is needed at all. A condition that all its fields share is the fetch's own and leaves the fields.
fn hoist(branches: &mut [FetchSelection], told: &Condition) -> Condition {
    let mut any = told.clone();
    for field in branches.iter().flat_map(|b| &b.fields) {
        any.or(&field.condition);
    }
    let same = branches.iter().flat_map(|b| &b.fields).all(|f| f.condition == any);
    if same {
        for field in branches.iter_mut().flat_map(|b| &mut b.fields) {
            field.condition = Condition::always();
        }
    }
    if any.any.is_empty() || (told.any.is_empty() && branches.iter().any(|b| b.fields.is_empty())) {
        Condition::always()
    } else {
        any
    }
}
