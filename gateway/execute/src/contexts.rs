//! Contexts: turns the objects of a fetch into groups whose `@fromContext` arguments have the same values.

use crate::program::{ContextCode, Program};
use crate::store::{Store, Value};
use crate::targets::{Collected, Lacks, Writer, collect_objects, fails};
use rustc_hash::FxHashMap;
use terrane_plan::{Step, TypeId};

/// Objects of a fetch that get the same values from above.
#[derive(Debug)]
pub(crate) struct Group {
    /// By context of the fetch: JSON text.
    pub values: Vec<Vec<u8>>,
    pub collected: Collected,
}

/// The groups of a fetch's objects, in the order of their first object. Objects whose value failed, or is null where
/// the argument must not be, are left out; a failure becomes that of their fields.
pub(crate) fn groups(program: &Program, fetch: usize, holds: &[bool], store: &mut Store, root: u32) -> Vec<Group> {
    let contexts = &program.fetches[fetch].contexts;
    let mut chains = Vec::new();
    for path in &program.fetches[fetch].paths {
        descend(store, Value::Object(root), path, &mut Vec::new(), &mut chains);
    }
    let mut grouped: Vec<(Vec<Vec<u8>>, Vec<u32>)> = Vec::new();
    let mut known: FxHashMap<Vec<Vec<u8>>, usize> = FxHashMap::default();
    for chain in chains {
        let object = *chain.last().expect("a chain ends with the object");
        let values: Result<Vec<Vec<u8>>, Lacks> =
            contexts.iter().map(|context| value(program, store, holds, context, &chain)).collect();
        match values {
            Err(Lacks::Failed(failure)) => fails(program, fetch, store, object, failure),
            Err(Lacks::Value) => {}
            Ok(values) => {
                let at = *known.entry(values).or_insert_with_key(|values| {
                    grouped.push((values.clone(), Vec::new()));
                    grouped.len() - 1
                });
                grouped[at].1.push(object);
            }
        }
    }
    let mut groups = Vec::with_capacity(grouped.len());
    for (values, objects) in grouped {
        let collected = collect_objects(program, fetch, holds, store, objects);
        if !collected.targets.is_empty() {
            groups.push(Group { values, collected });
        }
    }
    groups
}

/// The objects at the end of a path, each with those above it from the root on: one per step.
fn descend(store: &Store, value: Value, path: &[Step], above: &mut Vec<u32>, found: &mut Vec<Vec<u32>>) {
    match value {
        Value::List { start, len } => {
            for i in start..start + len {
                descend(store, store.items[i as usize], path, above, found);
            }
        }
        Value::Object(object) => {
            above.push(object);
            match path.split_first() {
                None => found.push(above.clone()),
                Some((step, rest)) => {
                    let ty = TypeId(store.objects[object as usize].ty);
                    if step.types.as_ref().is_none_or(|types| types.contains(ty)) {
                        descend(store, store.slot(object, step.slot.0), rest, above, found);
                    }
                }
            }
            above.pop();
        }
        Value::Missing | Value::Null | Value::Error(_) | Value::Leaf { .. } => {}
    }
}

/// The value that the nearest object above which sets the context has, as JSON.
fn value(
    program: &Program,
    store: &Store,
    holds: &[bool],
    context: &ContextCode,
    chain: &[u32],
) -> Result<Vec<u8>, Lacks> {
    for source in &context.sources {
        let Some(&object) = (chain.len() - 1).checked_sub(source.up).and_then(|at| chain.get(at)) else { continue };
        if !source.types.contains(TypeId(store.objects[object as usize].ty)) {
            continue;
        }
        let mut object = object;
        let mut parts = &source.parts[..];
        loop {
            let ty = TypeId(store.objects[object as usize].ty);
            let Some(part) = parts.iter().find(|part| part.types.contains(ty)) else { break };
            match store.slot(object, part.slot) {
                Value::Object(next) if !part.below.is_empty() => (object, parts) = (next, &part.below),
                Value::Null | Value::Missing => break,
                Value::Error(failure) => return Err(Lacks::Failed(failure)),
                value => {
                    let mut out = Vec::new();
                    Writer::new(program, store, holds).value(&mut out, part, value)?;
                    return Ok(out);
                }
            }
        }
        break;
    }
    if context.non_null { Err(Lacks::Value) } else { Ok(b"null".to_vec()) }
}
