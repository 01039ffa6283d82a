//! Contexts: checks that `@fromContext` arguments refer to a `@context` that is set and selects what they take.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, Directive, Field, Kind, Selection, Subgraph, Ty, Type};
use apollo_compiler::ast::Value;
use rustc_hash::FxHashMap;

/// Reports wrong context names and contextual arguments that can't be filled.
pub fn check(subgraph: &Subgraph, names: &mut Names, report: &mut Report) {
    let mut set: FxHashMap<String, Vec<Symbol>> = FxHashMap::default();
    for ty in subgraph.types.values() {
        for applied in ty.applied.iter().filter(|applied| applied.directive == Directive::Context) {
            let name = applied.arg("name").and_then(Value::as_str).unwrap_or_default();
            let legal =
                name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
            if !legal {
                let message =
                    format!("[{}] the context name {name:?} on `{}` is no name", subgraph.name, &names[ty.name]);
                let hint = "use letters and digits only, a letter first";
                report.error("CONTEXT_NAME_INVALID", message, hint, &[(subgraph.id, applied.at)]);
            }
            set.entry(name.to_owned()).or_default().push(ty.name);
        }
    }
    for ty in subgraph.types.values() {
        for field in ty.fields.values() {
            let contextual: Vec<&Field> = field.args.values().filter(|arg| arg.from_context.is_some()).collect();
            if contextual.is_empty() {
                continue;
            }
            let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
            if ty.kind != Kind::Object {
                let message = format!(
                    "[{}] `{coordinate}` has a contextual argument, but is no field of an object",
                    subgraph.name
                );
                let hint = "use @fromContext on fields of object types";
                report.error("CONTEXT_NOT_SET", message, hint, &[(subgraph.id, field.at)]);
            } else if !ty.keys.iter().any(|key| key.resolvable) {
                let message = format!(
                    "[{}] `{coordinate}` has a contextual argument, but its type has no resolvable key",
                    subgraph.name
                );
                let hint = "give the type a @key: the field is asked for in a fetch of its own";
                report.error("CONTEXT_NO_RESOLVABLE_KEY", message, hint, &[(subgraph.id, ty.at)]);
            }
            for arg in contextual {
                let place = format!("{coordinate}({}:)", &names[arg.name]);
                check_argument(subgraph, &place, arg, &set, names, report);
            }
        }
    }
}

fn check_argument(
    subgraph: &Subgraph,
    place: &str,
    arg: &Field,
    set: &FxHashMap<String, Vec<Symbol>>,
    names: &mut Names,
    report: &mut Report,
) {
    let Some((text, at)) = &arg.from_context else { return };
    let mut error = |code: &'static str, why: String| {
        let message = format!("[{}] @fromContext on `{place}`: {why}", subgraph.name);
        let hint =
            "write @fromContext(field: \"$context { field }\") with a context set by @context(name: \"context\")";
        report.error(code, message, hint, &[(subgraph.id, *at)]);
    };
    if arg.default.is_some() {
        error("CONTEXT_NOT_SET", "the argument has a default value, which would never be used".to_owned());
    }
    let Some((context, selection)) = split(text) else {
        return error("NO_CONTEXT_IN_SELECTION", format!("{text:?} names no context"));
    };
    let Some(types) = set.get(context) else {
        return error("CONTEXT_NOT_SET", format!("no type sets the context `{context}`"));
    };
    let parsed = match crate::schema::parse_field_set(selection, At::NOWHERE, names) {
        Ok(parsed) => parsed,
        Err(why) => return error("CONTEXT_INVALID_SELECTION", why),
    };
    for ty in types.iter().filter_map(|name| subgraph.types.get(name)) {
        if let Err(why) = selected(subgraph, ty, &parsed.selections, arg.ty, names) {
            error("CONTEXT_INVALID_SELECTION", format!("on `{}`: {why}", &names[ty.name]));
        }
    }
}

/// `$name selection` → name and selection.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim().strip_prefix('$')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, selection) = (&rest[..end], rest[end..].trim());
    (!name.is_empty() && !selection.is_empty()).then_some((name, selection))
}

/// Whether a selection leads to exactly one value for each type it may be on, and that value fits the argument. A value
/// that may be null fits nullable arguments only.
fn selected(subgraph: &Subgraph, ty: &Type, selections: &[Selection], wanted: Ty, names: &Names) -> Result<(), String> {
    let mut fields = 0;
    for selection in selections {
        match selection {
            Selection::Fragment { on, children } => {
                let target = on.and_then(|on| subgraph.types.get(&on)).unwrap_or(ty);
                selected(subgraph, target, children, wanted, names)?;
            }
            Selection::Field { name, children, args, aliased } => {
                fields += 1;
                if *aliased || !args.is_empty() {
                    return Err(format!("`{}` has an alias or arguments", &names[*name]));
                }
                let Some(field) = ty.fields.get(name) else {
                    return Err(format!("there is no field `{}`", &names[*name]));
                };
                if children.is_empty() {
                    let value = field.ty;
                    let fits = value.nullable().is_subtype(wanted.nullable(), &|_, _| false);
                    if !fits || wanted.is_non_null() && !value.is_non_null() {
                        let (value, wanted) = (value.print(names), wanted.print(names));
                        return Err(format!("`{}` is `{value}`, but the argument `{wanted}`", &names[*name]));
                    }
                } else {
                    let Some(target) = subgraph.types.get(&field.ty.base) else {
                        return Err(format!("`{}` has no sub-fields", &names[*name]));
                    };
                    let inner = if field.ty.is_non_null() { wanted } else { wanted.nullable() };
                    if !field.ty.is_non_null() && wanted.is_non_null() {
                        return Err(format!("`{}` may be null, but the argument may not", &names[*name]));
                    }
                    selected(subgraph, target, children, inner, names)?;
                }
            }
        }
    }
    if fields > 1 { Err("it selects more than one value".to_owned()) } else { Ok(()) }
}
