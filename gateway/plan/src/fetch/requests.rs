//! Requests: turns fetches into requests, several entity fetches of one subgraph in one where no wave is added.

use crate::build::Draft;
use crate::ids::FetchId;
use crate::plan::{Fetch, Request, Variable};
use crate::print::operation;
use crate::supergraph::Supergraph;
use apollo_compiler::Name;
use apollo_compiler::executable::Operation;

/// Group fetches into requests.
pub(super) fn group(graph: &Supergraph, draft: &Draft, fetches: &mut [Fetch], client: &Operation) -> Vec<Request> {
    let types: Vec<Name> = graph.types.iter().map(|t| t.name.clone()).collect();
    let variables = super::variables(client);
    let representations = representations(&variables);
    let waves = schedule(draft);
    let mut groups: Vec<(u32, Vec<FetchId>)> = Vec::new();
    let mut order: Vec<usize> = (0..fetches.len()).collect();
    order.sort_by_key(|&i| (waves[i], i));
    for i in order {
        let fetch = &fetches[i];
        let joins = |(wave, members): &&mut (u32, Vec<FetchId>)| {
            let first = &fetches[members[0].index()];
            *wave == waves[i]
                && fetch.is_entity
                && first.is_entity
                && first.subgraph == fetch.subgraph
                && first.group == fetch.group
        };
        match groups.iter_mut().find(joins) {
            Some((_, members)) => members.push(FetchId::new(i)),
            None => groups.push((waves[i], vec![FetchId::new(i)])),
        }
    }
    let mut requests: Vec<Request> = Vec::with_capacity(groups.len());
    for (index, (wave, members)) in groups.iter().enumerate() {
        if members.len() > 1 {
            for (n, id) in members.iter().enumerate() {
                fetches[id.index()].key = format!("_{n}");
                fetches[id.index()].variable = format!("{representations}{n}");
            }
        } else {
            fetches[members[0].index()].variable.clone_from(&representations);
        }
        name_contexts(fetches, members, client);
        let needed = |fetch: &FetchId| members.iter().any(|m| draft.fetches[m.index()].deps.contains(fetch));
        let after = (0..index).filter(|&other| groups[other].1.iter().any(needed)).collect();
        let carried: Vec<&Fetch> = members.iter().map(|id| &fetches[id.index()]).collect();
        let (text, variables) = operation::compact(&types, &carried, &variables, client.operation_type);
        requests.push(Request {
            subgraph: carried[0].subgraph,
            fetches: members.clone(),
            after,
            wave: *wave,
            group: carried[0].group,
            operation: text,
            variables,
        });
    }
    requests
}

/// How variables with representations start: as no variable of the client does.
pub(crate) fn representations(client: &[Variable]) -> String {
    let mut name = "representations".to_owned();
    while client.iter().any(|variable| variable.name.starts_with(&name)) {
        name.insert(0, '_');
    }
    name
}

/// Variables of contexts get names that are the request's own and none of the client's.
fn name_contexts(fetches: &mut [Fetch], members: &[FetchId], client: &Operation) {
    let mut free = (0u32..)
        .map(|n| Name::new(&format!("contextual_{n}")).expect("a prefix and a number are a name"))
        .filter(|name| client.variables.iter().all(|variable| variable.name != *name));
    for id in members {
        let fetch = &mut fetches[id.index()];
        if !fetch.contexts.is_empty() {
            let names = free.by_ref().take(fetch.contexts.len()).collect();
            fetch.rename_contexts(names);
        }
    }
}

/// The wave of each fetch: as early as possible, or later where a request to the same subgraph goes anyway and nothing
/// has to wait longer for it.
fn schedule(draft: &Draft) -> Vec<u32> {
    let fetches = &draft.fetches;
    let mut waves: Vec<u32> = fetches.iter().map(|f| f.level).collect();
    let last = waves.iter().copied().max().unwrap_or(0);
    for i in (0..fetches.len()).rev() {
        if !fetches[i].is_entity {
            continue;
        }
        let dependents = (0..fetches.len()).filter(|&j| fetches[j].deps.contains(&FetchId::new(i)));
        let latest = dependents.map(|j| waves[j] - 1).min().unwrap_or(last);
        let same = |j: &usize| {
            let (one, other) = (&fetches[i], &fetches[*j]);
            *j != i && other.is_entity && other.subgraph == one.subgraph && other.group == one.group
        };
        if (0..fetches.len()).filter(same).any(|j| waves[j] == waves[i]) {
            continue;
        }
        let later = (0..fetches.len()).filter(same).map(|j| waves[j]).filter(|&w| w > waves[i] && w <= latest).min();
        if let Some(later) = later {
            waves[i] = later;
        }
    }
    waves
}
