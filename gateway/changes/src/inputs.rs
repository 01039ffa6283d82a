//! Inputs: turns arguments and input fields of two schemas into changes, and says which type changes are safe.

use crate::{Change, Severity};
use apollo_compiler::Node;
use apollo_compiler::ast::{InputValueDefinition, Type};

/// Where inputs belong to.
pub(crate) struct Owner<'a> {
    /// `Type.field`, `@directive`, or an input object.
    pub path: &'a str,
    /// An input object, whose inputs are fields.
    pub is_type: bool,
}

impl Owner<'_> {
    fn coordinate(&self, name: &str) -> String {
        if self.is_type { format!("{}.{name}", self.path) } else { format!("{}({name}:)", self.path) }
    }
}

/// Compare the inputs of one owner. Codes differ between arguments and input fields.
pub(crate) fn compare<'s>(
    owner: &Owner<'_>,
    old: &(impl Iterator<Item = &'s Node<InputValueDefinition>> + Clone),
    new: impl Iterator<Item = &'s Node<InputValueDefinition>> + Clone,
    changes: &mut Vec<Change>,
) {
    let what = if owner.is_type { "input field" } else { "argument" };
    for before in old.clone() {
        let path = owner.coordinate(&before.name);
        let Some(after) = new.clone().find(|input| input.name == before.name) else {
            let code = if owner.is_type { "INPUT_FIELD_REMOVED" } else { "ARG_REMOVED" };
            let message = format!("{what} `{path}` was removed");
            changes.push(
                Change::new(code, Severity::Breaking, path, message)
                    .with_hint("deprecate it and keep accepting it until no operation gives it"),
            );
            continue;
        };
        if before.ty != after.ty {
            let safe = is_safe_input(&before.ty, &after.ty);
            let code = if owner.is_type { "INPUT_FIELD_CHANGED_KIND" } else { "ARG_CHANGED_KIND" };
            let severity = if safe { Severity::Safe } else { Severity::Breaking };
            let message = format!("{what} `{path}` was of type `{}` and is now `{}`", before.ty, after.ty);
            let change = Change::new(code, severity, path.clone(), message);
            // What becomes required is missed by those who don't give it.
            let change =
                if after.is_required() && !before.is_required() { change.noticed_by(owner.path) } else { change };
            changes.push(if safe { change } else { change.with_hint("add another one of the new type beside it") });
        }
        let text =
            |input: &InputValueDefinition| input.default_value.as_ref().map(|v| v.serialize().no_indent().to_string());
        let (was, is) = (text(before), text(after));
        if was != is {
            let shown = |value: Option<String>| value.map_or_else(|| "none".to_owned(), |text| format!("`{text}`"));
            let message = format!("the default of {what} `{path}` was {} and is now {}", shown(was), shown(is));
            changes.push(
                Change::new("DEFAULT_VALUE_CHANGED", Severity::Dangerous, path, message)
                    .with_hint("clients that rely on the default get another answer: tell them")
                    .noticed_by(owner.path),
            );
        }
    }
    for after in new.filter(|after| old.clone().all(|before| before.name != after.name)) {
        added(owner, what, after, changes);
    }
}

fn added(owner: &Owner<'_>, what: &str, input: &InputValueDefinition, changes: &mut Vec<Change>) {
    let path = owner.coordinate(&input.name);
    let required = input.is_required();
    let code = match (owner.is_type, required) {
        (true, true) => "REQUIRED_INPUT_FIELD_ADDED",
        (true, false) => "OPTIONAL_INPUT_FIELD_ADDED",
        (false, true) => "REQUIRED_ARG_ADDED",
        (false, false) => "OPTIONAL_ARG_ADDED",
    };
    let severity = if required { Severity::Breaking } else { Severity::Safe };
    let kind = if required { "required" } else { "optional" };
    let change =
        Change::new(code, severity, path.clone(), format!("{kind} {what} `{path}` was added")).noticed_by(owner.path);
    changes.push(if required { change.with_hint("make it nullable or give it a default") } else { change });
}

/// Whether every value of `old` that a client sends is one of `new`.
pub(crate) fn is_safe_input(old: &Type, new: &Type) -> bool {
    match (old, new) {
        (Type::Named(a) | Type::NonNullNamed(a), Type::Named(b)) | (Type::NonNullNamed(a), Type::NonNullNamed(b)) => {
            a == b
        }
        (Type::List(a) | Type::NonNullList(a), Type::List(b)) | (Type::NonNullList(a), Type::NonNullList(b)) => {
            is_safe_input(a, b)
        }
        _ => false,
    }
}

/// Whether every value of `new` that a client reads is one of `old`.
pub(crate) fn is_safe_output(old: &Type, new: &Type) -> bool {
    match (old, new) {
        (Type::Named(a), Type::Named(b) | Type::NonNullNamed(b)) | (Type::NonNullNamed(a), Type::NonNullNamed(b)) => {
            a == b
        }
        (Type::List(a), Type::List(b) | Type::NonNullList(b)) | (Type::NonNullList(a), Type::NonNullList(b)) => {
            is_safe_output(a, b)
        }
        _ => false,
    }
}
