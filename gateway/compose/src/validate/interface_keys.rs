//! Interface keys: checks that interface objects have keys, and that implementations have those of their interfaces.

use crate::names::Names;
use crate::report::Report;
use crate::schema::{Kind, Subgraph};
use rustc_hash::FxHashSet;

/// Reports interface objects without key and implementations that lack a key of their interface.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    for ty in subgraph.types.values().filter(|ty| ty.interface_object && ty.keys.is_empty()) {
        let message = format!("[{}] the @interfaceObject type `{}` has no @key", subgraph.name, &names[ty.name]);
        let hint = "give it a key of the interface";
        report.error("INTERFACE_OBJECT_USAGE_ERROR", message, hint, &[(subgraph.id, ty.at)]);
    }
    check_keys(subgraph, names, report);
}

/// Every implementation of an entity interface must have the interface's keys.
fn check_keys(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    let implementations = subgraph.implementations();
    for interface in subgraph.types.values().filter(|ty| ty.kind == Kind::Interface && !subgraph.is_fed1()) {
        if interface.keys.is_empty() {
            continue;
        }
        let implementing = implementations.get(&interface.name).into_iter().flatten();
        let implementing = implementing.filter_map(|name| subgraph.types.get(name));
        for ty in implementing.filter(|ty| ty.kind == Kind::Object) {
            let own: FxHashSet<(&str, bool)> = ty.keys.iter().map(|own| (&*own.fields.text, own.resolvable)).collect();
            for key in &interface.keys {
                let text = &*key.fields.text;
                if !own.contains(&(text, true)) && (key.resolvable || !own.contains(&(text, false))) {
                    let message = format!(
                        "[{}] `{}` has @key(fields: \"{}\"), but its implementation `{}` has not",
                        subgraph.name, &names[interface.name], key.fields.text, &names[ty.name]
                    );
                    let hint = "repeat the key on the implementation";
                    report.error(
                        "INTERFACE_KEY_NOT_ON_IMPLEMENTATION",
                        message,
                        hint,
                        &[(subgraph.id, ty.at), (subgraph.id, key.at)],
                    );
                }
            }
        }
    }
}
