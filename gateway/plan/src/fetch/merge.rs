//! Merging: turns fetches that one request of the same subgraph could do into one fetch.

use crate::build::{Draft, DraftFetch, DraftSelection};
use crate::ids::{FetchId, SelectionId};
use crate::supergraph::Supergraph;

/// Merge equal fetches that were made for different openings of the same selection set, and recompute levels.
pub(super) fn merge(_graph: &Supergraph, draft: &mut Draft) {
    loop {
        let pair = (0..draft.fetches.len())
            .flat_map(|a| (a + 1..draft.fetches.len()).map(move |b| (a, b)))
            .find(|&(a, b)| equal(draft, &draft.fetches[a], &draft.fetches[b]));
        let Some((a, b)) = pair else { break };
        let gone = draft.fetches.remove(b);
        draft.fetches[a].paths.extend(gone.paths);
        draft.fetches[a].deps.extend(gone.deps);
        rename(draft, FetchId::new(b), FetchId::new(a));
    }
    levels(draft);
}

/// References to `gone` become references to `kept`; later ones move up by one.
fn rename(draft: &mut Draft, gone: FetchId, kept: FetchId) {
    for fetch in &mut draft.fetches {
        fetch.deps = fetch
            .deps
            .iter()
            .map(|&dep| match dep.cmp(&gone) {
                std::cmp::Ordering::Less => dep,
                std::cmp::Ordering::Equal => kept,
                std::cmp::Ordering::Greater => FetchId(dep.0 - 1),
            })
            .collect();
    }
}

fn levels(draft: &mut Draft) {
    // Dependencies have smaller levels, so as many rounds as there are fetches settle them.
    for _ in 0..draft.fetches.len() {
        let mut changed = false;
        for i in 0..draft.fetches.len() {
            let deps = &draft.fetches[i].deps;
            let level = deps.iter().map(|dep| draft.fetches[dep.index()].level + 1).max().unwrap_or(0);
            changed |= draft.fetches[i].level != level;
            draft.fetches[i].level = level;
        }
        if !changed {
            return;
        }
    }
}

fn equal(draft: &Draft, a: &DraftFetch, b: &DraftFetch) -> bool {
    a.is_entity
        && b.is_entity
        && a.subgraph == b.subgraph
        && a.node == b.node
        && a.level == b.level
        && a.inputs == b.inputs
        && a.branches.len() == b.branches.len()
        && a.branches.iter().zip(&b.branches).all(|(a, b)| a.0 == b.0 && same_selection(draft, a.1, b.1))
}

fn same_selection(draft: &Draft, a: SelectionId, b: SelectionId) -> bool {
    let (a, b): (&DraftSelection, &DraftSelection) = (&draft.selections[a.index()], &draft.selections[b.index()]);
    a.node == b.node
        && a.local == b.local
        && a.fields.len() == b.fields.len()
        && a.fields.iter().zip(&b.fields).all(|(a, b)| {
            a.slot == b.slot
                && a.on == b.on
                && a.condition == b.condition
                && match (a.child, b.child) {
                    (Some(a), Some(b)) => same_selection(draft, a, b),
                    (None, None) => true,
                    _ => false,
                }
        })
}
