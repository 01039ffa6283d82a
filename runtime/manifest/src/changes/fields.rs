//! Field changes: turns two forms of a dataset into what became of each of its fields.

use super::{Bump, Notes};
use crate::dataset::{Dataset, Field, Layer};

/// Compare the fields of a dataset by their names.
pub(super) fn compare_fields(before: &Dataset, after: &Dataset, notes: &mut Notes<'_>) {
    for old in &before.fields {
        match after.field(&old.name) {
            Some(new) => compare_field(&after.name, old, new, notes),
            None => {
                let message = format!("field `{}.{}` is gone", after.name, old.name);
                notes.add(Some(&old.name), "FIELD_REMOVED", Bump::Major, message);
            }
        }
    }
    for new in after.fields.iter().filter(|new| before.field(&new.name).is_none()) {
        let demanded = notes.layer() == Layer::Input && is_required(new);
        let (bump, word) = if demanded { (Bump::Major, "required") } else { (Bump::Minor, "new") };
        let code = if demanded { "REQUIRED_FIELD_ADDED" } else { "FIELD_ADDED" };
        notes.add(Some(&new.name), code, bump, format!("field `{}.{}` is {word}", after.name, new.name));
    }
}

fn is_required(field: &Field) -> bool {
    field.required || field.key_position.is_some()
}

fn compare_field(dataset: &str, old: &Field, new: &Field, notes: &mut Notes<'_>) {
    let name = format!("`{dataset}.{}`", new.name);
    let mut note = |code, bump, message| notes.add(Some(&new.name), code, bump, message);
    let widened = old.physical.base == new.physical.base && old.physical.array == new.physical.array;
    if old.logical != new.logical || !widened || old.options.format != new.options.format {
        let (was, is) = ((old.logical.word(), &old.physical), (new.logical.word(), &new.physical));
        let message = format!("{name} was {} ({}) and is {} ({})", was.0, was.1, is.0, is.1);
        note("FIELD_RETYPED", Bump::Major, message);
    } else if old.physical != new.physical {
        let message = format!("{name} was {} and is {}", old.physical, new.physical);
        note("FIELD_RESIZED", Bump::Minor, message);
    }
    if old.column != new.column {
        let message = format!("the column of {name} was `{}` and is `{}`", old.column, new.column);
        note("COLUMN_RENAMED", Bump::Major, message);
    }
    if old.graphql_name != new.graphql_name {
        let message = format!("{name} was `{}` in GraphQL and is `{}`", old.graphql_name, new.graphql_name);
        note("GRAPHQL_NAMES_CHANGED", Bump::Major, message);
    }
    if old.nested != new.nested {
        note("FIELD_RETYPED", Bump::Major, format!("the members of the objects in {name} are others"));
    }
    let values = |field: &Field| field.enumeration.iter().map(|v| v.value.clone()).collect::<Vec<_>>();
    let (was, is) = (values(old), values(new));
    let output = notes.layer() == Layer::Output;
    // a promise may become stronger, a demand weaker
    let breaks = |stronger: bool| if stronger == output { Bump::Minor } else { Bump::Major };
    let mut note = |code, bump, message| notes.add(Some(&new.name), code, bump, message);
    if is_required(old) != is_required(new) {
        let (code, word) = match is_required(new) {
            true => ("FIELD_REQUIRED", "is required now"),
            false => ("FIELD_OPTIONAL", "may be without a value now"),
        };
        note(code, breaks(is_required(new)), format!("{name} {word}"));
    }
    if old.unique != new.unique && old.key_position.is_none() && new.key_position.is_none() {
        let (code, word) = match new.unique {
            true => ("FIELD_UNIQUE", "is unique now"),
            false => ("FIELD_NOT_UNIQUE", "is unique no longer"),
        };
        note(code, breaks(new.unique), format!("{name} {word}"));
    }
    if (&old.deprecated, &old.removed_after) != (&new.deprecated, &new.removed_after) {
        let (code, message) = deprecation(&name, new);
        note(code, Bump::Patch, message);
    }
    if was.is_empty() != is.is_empty() {
        let (code, word) = match was.is_empty() {
            true => ("VALUES_LIMITED", "takes listed values only now"),
            false => ("VALUES_NOT_LIMITED", "takes any value now"),
        };
        // either way it is another type in GraphQL
        note(code, Bump::Major, format!("{name} {word}"));
        return;
    }
    let gone: Vec<&str> = was.iter().filter(|v| !is.contains(v)).map(String::as_str).collect();
    if !gone.is_empty() {
        note("VALUES_REMOVED", Bump::Major, format!("{name} has lost the values {}", gone.join(", ")));
    }
    let added: Vec<&str> = is.iter().filter(|v| !was.contains(v)).map(String::as_str).collect();
    if !added.is_empty() {
        note("VALUES_ADDED", Bump::Minor, format!("{name} has the new values {}", added.join(", ")));
    }
}

/// Nothing that anybody relies on changes by it, and everybody wants to know.
fn deprecation(name: &str, field: &Field) -> (&'static str, String) {
    match (&field.deprecated, &field.removed_after) {
        (Some(reason), Some(day)) => {
            ("FIELD_DEPRECATED", format!("{name} is deprecated and goes after {day}: {reason}"))
        }
        (Some(reason), None) => ("FIELD_DEPRECATED", format!("{name} is deprecated: {reason}")),
        (None, _) => ("FIELD_NOT_DEPRECATED", format!("{name} is deprecated no longer")),
    }
}
