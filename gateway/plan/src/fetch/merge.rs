//! Merging: turns fetches that one request of the same subgraph could do into one fetch.

use crate::build::{Draft, DraftFetch, DraftSelection, conflicts, merge_inputs, overreach};
use crate::ids::{FetchId, SelectionId};
use crate::search::Compared;
use crate::supergraph::Supergraph;

/// Merge equal fetches that were made for different openings of the same selection set, and those that can wait for a
/// later fetch of the same objects; recompute levels.
pub(super) fn merge(graph: &Supergraph, draft: &mut Draft) {
    let mut a = 0;
    while a < draft.fetches.len() {
        let mut b = a + 1;
        while b < draft.fetches.len() {
            let (one, other) = (&draft.fetches[a], &draft.fetches[b]);
            if one.level != other.level || !equal(draft, one, other) {
                b += 1;
                continue;
            }
            let gone = draft.fetches.remove(b);
            draft.fetches[a].paths.extend(gone.paths);
            draft.fetches[a].deps.extend(gone.deps);
            decided(&mut draft.fetches[a], gone.decided);
            draft.fetches[a].told.or(&gone.told);
            rename(draft, FetchId::new(b), FetchId::new(a));
        }
        a += 1;
    }
    levels(draft);
    sink(graph, draft);
    levels(draft);
}

/// A fetch that nothing waits for joins a later one of the same subgraph and objects: one request and one
/// representation less, and the answer as a whole is not later.
fn sink(graph: &Supergraph, draft: &mut Draft) {
    let mut early = 0;
    while early < draft.fetches.len() {
        let id = FetchId::new(early);
        let awaited = draft.fetches.iter().any(|f| f.deps.contains(&id));
        let late =
            (0..draft.fetches.len()).find(|&late| !awaited && late != early && can_wait(graph, draft, early, late));
        let Some(late) = late else {
            early += 1;
            continue;
        };
        let gone = draft.fetches[early].clone();
        if draft.fetches[late].paths != gone.paths {
            join(draft, early, late);
            continue;
        }
        let into = &mut draft.fetches[late];
        into.deps.extend(gone.deps);
        decided(into, gone.decided);
        into.told.or(&gone.told);
        merge_inputs(&mut into.inputs, &gone.inputs);
        for (entity, selection) in gone.branches {
            match draft.fetches[late].branches.iter().find(|(known, _)| *known == entity) {
                Some(&(_, known)) => {
                    let fields = std::mem::take(&mut draft.selections[selection.index()].fields);
                    draft.selections[known.index()].fields.extend(fields);
                }
                None => draft.fetches[late].branches.push((entity, selection)),
            }
        }
        draft.fetches.remove(early);
        let kept = FetchId::new(if late > early { late - 1 } else { late });
        rename(draft, id, kept);
    }
}

fn decided(into: &mut DraftFetch, more: Vec<(String, Vec<Compared>)>) {
    for one in more {
        if !into.decided.contains(&one) {
            into.decided.push(one);
        }
    }
}

/// Whether a fetch may be done by a later one: more of the same objects, or the same of objects elsewhere.
fn can_wait(graph: &Supergraph, draft: &Draft, early: usize, late: usize) -> bool {
    let (early, late) = (&draft.fetches[early], &draft.fetches[late]);
    can_take(graph, late, early) || (late.level > early.level && equal(draft, late, early))
}

/// The later of two equal fetches is for the objects of both.
fn join(draft: &mut Draft, early: usize, late: usize) {
    let gone = draft.fetches.remove(early);
    let kept = if late > early { late - 1 } else { late };
    let into = &mut draft.fetches[kept];
    into.paths.splice(0..0, gone.paths);
    into.deps.extend(gone.deps);
    decided(into, gone.decided);
    rename(draft, FetchId::new(early), FetchId::new(kept));
}

fn can_take(graph: &Supergraph, late: &DraftFetch, early: &DraftFetch) -> bool {
    late.is_entity
        && early.is_entity
        && late.subgraph == early.subgraph
        && late.node == early.node
        && late.group == early.group
        && late.paths == early.paths
        && late.level > early.level
        && late.contexts == early.contexts
        && !overreach(graph, late.subgraph, &late.inputs, &early.inputs)
        && early.inputs.iter().all(|input| {
            !conflicts(&late.inputs, input.atom, &input.parts)
                && !late.inputs.iter().any(|known| known.atom == input.atom && known.entity != input.entity)
        })
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
        && a.group == b.group
        && a.inputs == b.inputs
        && a.contexts == b.contexts
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
