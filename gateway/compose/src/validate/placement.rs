//! Placement: checks that federation directives stand where their version of federation allows them.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Kind, Subgraph};

/// The Federation 2 minor version since which interfaces may have keys.
const ENTITY_INTERFACES: (u16, u16) = (2, 3);

/// Reports directives on interfaces, roots and scalar fields that may not stand there.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    let name = &subgraph.name;
    for ty in subgraph.types.values() {
        let type_name = &names[ty.name];
        if ty.kind == Kind::Interface && subgraph.federation < ENTITY_INTERFACES {
            for key in &ty.keys {
                let message = format!("[{name}] interface `{type_name}` has a @key, which needs federation v2.3");
                let hint = "link federation v2.3 or newer, or remove the @key";
                report.error("KEY_UNSUPPORTED_ON_INTERFACE", message, hint, &[(subgraph.id, key.at)]);
            }
        }
        for field in ty.fields.values() {
            let coordinate = format!("{type_name}.{}", &names[field.name]);
            if ty.kind == Kind::Interface {
                let wrong = [
                    (field.requires.is_some(), "REQUIRES_UNSUPPORTED_ON_INTERFACE", "@requires"),
                    (field.provides.is_some(), "PROVIDES_UNSUPPORTED_ON_INTERFACE", "@provides"),
                    (field.external && !subgraph.is_fed1(), "EXTERNAL_ON_INTERFACE", "@external"),
                ];
                for (_, code, directive) in wrong.into_iter().filter(|(is, ..)| *is) {
                    let message = format!("[{name}] {directive} on the interface field `{coordinate}`");
                    report.error(
                        code,
                        message,
                        "put it on the fields of the implementing types",
                        &[(subgraph.id, field.at)],
                    );
                }
            }
            let target = subgraph.types.get(&field.ty.base);
            if let Some(set) = &field.provides
                && !target.is_some_and(|target| target.kind.is_composite())
            {
                let message = format!("[{name}] @provides on `{coordinate}`, which has no sub-fields");
                let hint = "remove @provides: only fields of object, interface and union types can provide";
                report.error("PROVIDES_ON_NON_OBJECT_FIELD", message, hint, &[(subgraph.id, set.at)]);
            }
            if ty.name == Symbol::SUBSCRIPTION && field.shareable {
                let message = format!("[{name}] the subscription root field `{coordinate}` is @shareable");
                let hint = "remove @shareable: one subgraph only may answer a subscription";
                report.error("INVALID_FIELD_SHARING", message, hint, &[(subgraph.id, field.at)]);
            }
        }
    }
}
