//! External fields: checks that every `@external` has a use and no contradicting directive beside it.

use crate::names::Names;
use crate::report::Report;
use crate::schema::{Kind, Subgraph, Type};

/// Reports unused and contradictory `@external`s.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    for ty in subgraph.types.values().filter(|ty| ty.kind == Kind::Object) {
        for field in ty.fields.values().filter(|field| field.external) {
            let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
            // @override beside @external is refused with the overrides.
            let beside = [(field.requires.is_some(), "@requires"), (field.provides.is_some(), "@provides")];
            for (_, directive) in beside.into_iter().filter(|(is, _)| *is) {
                let message = format!("[{}] `{coordinate}` is @external and has {directive}", subgraph.name);
                let hint = "an external field is answered elsewhere: remove one of the two directives";
                let code = "EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE";
                report.warning(code, message, hint, &[(subgraph.id, field.at)]);
            }
            let used = field.in_key || field.provided || field.required || in_interface(subgraph, ty, field.name);
            if !used && !subgraph.is_fed1() {
                let message = format!(
                    "[{}] `{coordinate}` is @external, but no @key, @requires, @provides or interface here needs it",
                    subgraph.name
                );
                report.error(
                    "EXTERNAL_UNUSED",
                    message,
                    "remove the field from this subgraph",
                    &[(subgraph.id, field.at)],
                );
            }
        }
    }
}

fn in_interface(subgraph: &Subgraph, ty: &Type, field: crate::names::Symbol) -> bool {
    let mut interfaces = ty.interfaces.iter().filter_map(|name| subgraph.types.get(name));
    interfaces.any(|interface| interface.fields.contains_key(&field))
}
