//! Response keys: gives every slot of a selection set one key that no other has, by aliases only where needed.

use crate::plan::{FetchField, FetchSelection};
use apollo_compiler::Name;

/// Assign the keys of all selection sets of a fetch.
pub(super) fn assign(branches: &mut [FetchSelection]) {
    for branch in branches.iter_mut() {
        assign_set(branch);
    }
    // Entities of different types share the response's position, so their keys must not contradict each other.
    for i in 1..branches.len() {
        let (before, rest) = branches.split_at_mut(i);
        let count = rest[0].fields.len();
        for j in 0..count {
            let field = &rest[0].fields[j];
            let clash =
                before.iter().flat_map(|b| &b.fields).any(|other| other.key == field.key && !agree(other, field));
            if clash {
                let taken =
                    |key: &Name| before.iter().flat_map(|b| &b.fields).chain(&rest[0].fields).any(|f| f.key == *key);
                let key = alias(&field.key, taken);
                rest[0].fields[j].key = key;
            }
        }
    }
}

fn assign_set(set: &mut FetchSelection) {
    for i in 0..set.fields.len() {
        let (before, rest) = set.fields.split_at_mut(i);
        let field = &mut rest[0];
        let shares = |other: &FetchField| other.slot == field.slot && other.ty == field.ty && other.child.is_none();
        if field.key == "__typename" || before.iter().any(|other| other.key == field.key && !shares(other)) {
            let key = alias(&field.key, |key| before.iter().any(|f| f.key == *key));
            field.key = key;
        }
        if let Some(child) = &mut field.child {
            assign_set(child);
        }
    }
}

/// The first of `_0_key`, `_1_key`, … that is free.
fn alias(key: &Name, taken: impl Fn(&Name) -> bool) -> Name {
    (0u32..)
        .filter_map(|n| Name::new(&format!("_{n}_{}", key.trim_start_matches('_'))).ok())
        .find(|candidate| !taken(candidate))
        .expect("there are more numbers than fields")
}

/// Whether two fields of different object types may share a response key (GraphQL, section 5.3.2).
fn agree(a: &FetchField, b: &FetchField) -> bool {
    if a.ty != b.ty
        && (a.child.is_none() || a.ty.is_list() != b.ty.is_list() || a.ty.is_non_null() != b.ty.is_non_null())
    {
        return false;
    }
    match (&a.child, &b.child) {
        (Some(a), Some(b)) => a.fields.iter().all(|x| b.fields.iter().filter(|y| x.key == y.key).all(|y| agree(x, y))),
        (None, None) => true,
        _ => false,
    }
}
