//! Explanations: turns a field that can't be answered into the operation that shows it and the reasons, per subgraph.

use super::graph::PlaceId;
use super::labels::Assumptions;
use super::walk::{Step, Walk};
use crate::names::Symbol;
use crate::schema::Kind;
use std::fmt::Write as _;

const FITS: &str = "a String takes any text";

/// Reports that `field` of the state's type can't be answered there, under what is assumed about labels.
pub fn unanswered(walk: &mut Walk<'_, '_>, state: usize, field: Symbol, assumed: &Assumptions) {
    let ty = walk.states[state].ty;
    let coordinate = format!("{}.{}", &walk.graph.names[ty], &walk.graph.names[field]);
    let operation = operation(walk, state, Some(field));
    let reasons = reasons(walk, state, field);
    let labels: Vec<String> = walk.states[state]
        .followed
        .and(assumed)
        .iter()
        .map(|(label, on)| format!("`{}` is {}", walk.graph.labels.text(label), if on { "on" } else { "off" }))
        .collect();
    let labels = if labels.is_empty() { String::new() } else { format!(", while {}", labels.join(" and ")) };
    let message =
        format!("`{coordinate}` can't be answered in this operation{labels}:\n{operation}because:\n{reasons}");
    let hint = "give the subgraphs a @key in common, or answer the field where the path is";
    walk.report(message, hint, Some((ty, field)));
}

/// Reports that the runtime type of the state's interface can't be found out.
pub fn untyped(walk: &mut Walk<'_, '_>, state: usize) {
    let ty = walk.states[state].ty;
    let operation = operation(walk, state, None);
    let names: Vec<String> = subgraph_names(walk, &walk.states[state].places.clone());
    let message = format!(
        "the object type behind interface `{}` can't be found out in this operation:\n{operation}because [{}] has it as an \
         @interfaceObject only, and no subgraph with the interface can be entered from there",
        &walk.graph.names[ty],
        names.join(", ")
    );
    walk.report(message, "give the interface a resolvable @key that the @interfaceObject has, too", None);
}

/// The operation along the path to a state and on to a field of it.
fn operation(walk: &Walk<'_, '_>, state: usize, field: Option<Symbol>) -> String {
    let names = walk.graph.names;
    let mut steps = Vec::new();
    let mut current = Some(state);
    let mut root = Symbol::QUERY;
    while let Some(index) = current {
        let state = &walk.states[index];
        match state.step {
            Step::Root => root = state.ty,
            Step::Field(name) => {
                let parent = state.parent.map(|parent| walk.states[parent].ty);
                steps.push(field_text(walk, parent, name));
            }
            Step::Cast(ty) => steps.push(format!("... on {}", &names[ty])),
        }
        current = state.parent;
    }
    steps.reverse();
    match field {
        Some(field) => {
            let ty = walk.states[state].ty;
            let definition = walk.graph.supergraph.types.get(&ty).and_then(|ty| ty.fields.get(&field));
            let target = definition.and_then(|field| walk.graph.supergraph.types.get(&field.ty.base));
            let composite = target.is_some_and(|target| target.kind.is_composite());
            let text = field_text(walk, Some(ty), field);
            steps.push(if composite { format!("{text} {{ __typename }}") } else { text });
        }
        None => steps.push("__typename".to_owned()),
    }
    let keyword = match root {
        Symbol::MUTATION => "mutation ",
        Symbol::SUBSCRIPTION => "subscription ",
        _ => "",
    };
    let mut out = format!("{keyword}{{\n");
    let last = steps.len() - 1;
    for (depth, step) in steps.iter().enumerate() {
        let brace = if depth == last { "" } else { " {" };
        writeln!(out, "{}{step}{brace}", "  ".repeat(depth + 1)).expect(FITS);
    }
    for depth in (0..steps.len()).rev() {
        writeln!(out, "{}}}", "  ".repeat(depth)).expect(FITS);
    }
    out
}

/// A field with a variable for each argument that it needs.
fn field_text(walk: &Walk<'_, '_>, parent: Option<Symbol>, name: Symbol) -> String {
    let names = walk.graph.names;
    let ty = parent.and_then(|parent| walk.graph.supergraph.types.get(&parent));
    let Some(field) = ty.and_then(|ty| ty.fields.get(&name)) else { return names[name].to_owned() };
    let needed = field.args.values().filter(|arg| arg.ty.is_non_null() && arg.default.is_none());
    let args: Vec<String> = needed.map(|arg| format!("{0}: ${0}", &names[arg.name])).collect();
    let args = if args.is_empty() { String::new() } else { format!("({})", args.join(", ")) };
    format!("{}{args}", &names[name])
}

fn subgraph_names(walk: &Walk<'_, '_>, places: &[PlaceId]) -> Vec<String> {
    let mut names: Vec<String> = places.iter().map(|place| walk.graph.place(*place).subgraph.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Why none of the places answers the field, and why no other subgraph that has it can be entered.
fn reasons(walk: &mut Walk<'_, '_>, state: usize, field: Symbol) -> String {
    let (ty, places) = (walk.states[state].ty, walk.states[state].places.clone());
    let names = walk.graph.names;
    let mut out = String::new();
    let mut here = Vec::new();
    for id in places.iter() {
        let place = walk.graph.place(*id);
        here.push(place.subgraph.id);
        let coordinate = format!("{}.{}", &names[place.ty.name], &names[field]);
        let why = match place.ty.fields.get(&field) {
            None if matches!(place.ty.kind, Kind::Interface | Kind::Union) => {
                format!("not every type that `{}` may be there can answer `{}`", &names[place.ty.name], &names[field])
            }
            None => format!("it has no field `{coordinate}`"),
            Some(found) if found.external => format!("`{coordinate}` is @external there"),
            Some(_) if walk.graph.is_overridden(place, field) => {
                format!("`{coordinate}` is overridden by another subgraph")
            }
            Some(_) if !walk.has_contexts(state, *id, field) => {
                format!("no type on the way sets the context that `{coordinate}` takes an argument from")
            }
            Some(found) => match &found.requires {
                Some(requires) => format!("`{coordinate}` @requires `{}`, which can't be collected", requires.text),
                None => format!("`{coordinate}` can't be answered for every type that it may be asked on"),
            },
        };
        writeln!(out, "- at [{}]: {why}", place.subgraph.name).expect(FITS);
    }
    let from = subgraph_names(walk, &places).join(", ");
    for subgraph in walk.graph.subgraphs {
        let Some(definition) = subgraph.types.get(&ty).filter(|definition| definition.fields.contains_key(&field))
        else {
            continue;
        };
        if here.contains(&subgraph.id) || definition.fields.get(&field).is_some_and(|field| field.external) {
            continue;
        }
        let keys: Vec<&str> =
            definition.keys.iter().filter(|key| key.resolvable).map(|key| &*key.fields.text).collect();
        let why = if definition.keys.is_empty() {
            format!("`{}` has no @key there", &names[ty])
        } else if keys.is_empty() {
            format!("no @key of `{}` is resolvable there", &names[ty])
        } else {
            format!("its keys ({}) can't be collected in [{from}]", keys.join("; "))
        };
        writeln!(out, "- [{}] answers it, but can't be entered: {why}", subgraph.name).expect(FITS);
    }
    out
}
