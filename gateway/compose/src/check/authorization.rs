//! Authorization: checks where requirements stand, and that a field that `@requires` protected data is protected as well.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Applied, Directive, Kind, Selection, Subgraph};
use crate::supergraph::Supergraph;
use apollo_compiler::ast::Value;
use std::collections::BTreeSet;

const ALL: [(Directive, &str); 3] = [
    (Directive::Authenticated, "@authenticated"),
    (Directive::RequiresScopes, "@requiresScopes"),
    (Directive::Policy, "@policy"),
];

/// Reports requirements on interfaces, and `@requires` that would let protected data leak.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    for subgraph in subgraphs {
        for ty in subgraph.types.values().filter(|ty| ty.kind == Kind::Interface || ty.interface_object) {
            // Fields that an interface object contributes may be protected: they become fields of the implementations.
            let fields = ty.fields.values().filter(|_| !ty.interface_object);
            let on_fields = fields.map(|field| (format!("{}.{}", &names[ty.name], &names[field.name]), &field.applied));
            for (coordinate, applied) in std::iter::once((names[ty.name].to_owned(), &ty.applied)).chain(on_fields) {
                let found = applied.iter().filter_map(|one| {
                    ALL.iter().find(|(which, _)| *which == one.directive).map(|(_, name)| (name, one.at))
                });
                for (name, at) in found {
                    let message =
                        format!("[{}] {name} on `{coordinate}`: interfaces can't carry requirements", subgraph.name);
                    let hint = "put it on the implementing types or their fields";
                    report.error("AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE", message, hint, &[(subgraph.id, at)]);
                }
            }
        }
    }
    let any = supergraph.types.values().any(|ty| {
        let protected =
            |applied: &[Applied]| applied.iter().any(|one| ALL.iter().any(|(which, _)| *which == one.directive));
        protected(&ty.applied) || ty.fields.values().any(|field| protected(&field.applied))
    });
    if any {
        check_transitive(supergraph, subgraphs, names, report);
    }
}

/// Whoever may ask for a field sees what it is computed from, so its requirements must include those of its inputs.
fn check_transitive(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            for field in ty.fields.values() {
                let Some(requires) = &field.requires else { continue };
                let own = supergraph.types.get(&ty.name).map(|merged| {
                    requirements(merged.fields.get(&field.name).map_or(&[], |f| &f.applied), &merged.applied)
                });
                let mut leaks = BTreeSet::new();
                leaking(supergraph, ty.name, &requires.selections, &own.unwrap_or_default(), names, &mut leaks);
                for leak in leaks {
                    let message = format!(
                        "[{}] `{}.{}` @requires `{leak}`, but does not ask for all that `{leak}` does",
                        subgraph.name, &names[ty.name], &names[field.name]
                    );
                    let hint = "repeat the @authenticated, @requiresScopes and @policy of what it requires";
                    report.error("MISSING_TRANSITIVE_AUTH_REQUIREMENTS", message, hint, &[(subgraph.id, requires.at)]);
                }
            }
        }
    }
}

/// Each requirement as alternatives of names that must hold together.
type Requirements = Vec<(Directive, Vec<BTreeSet<String>>)>;

fn requirements(on_field: &[Applied], on_type: &[Applied]) -> Requirements {
    let all = on_field.iter().chain(on_type);
    all.filter_map(|one| match one.directive {
        Directive::Authenticated => Some((one.directive, vec![BTreeSet::new()])),
        Directive::RequiresScopes => Some((one.directive, alternatives(one.arg("scopes")))),
        Directive::Policy => Some((one.directive, alternatives(one.arg("policies")))),
        _ => None,
    })
    .collect()
}

fn alternatives(value: Option<&Value>) -> Vec<BTreeSet<String>> {
    let lists = value.and_then(Value::as_list).unwrap_or_default();
    lists
        .iter()
        .map(|list| {
            list.as_list().unwrap_or_default().iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        })
        .collect()
}

/// Whether everybody who meets `own` meets `wanted`: each alternative of some own requirement contains one that is wanted.
fn implies(own: &Requirements, wanted: &(Directive, Vec<BTreeSet<String>>)) -> bool {
    own.iter().any(|(directive, given)| {
        *directive == wanted.0 && given.iter().all(|set| wanted.1.iter().any(|other| other.is_subset(set)))
    })
}

fn leaking(
    supergraph: &Supergraph,
    on: Symbol,
    selections: &[Selection],
    own: &Requirements,
    names: &Names,
    leaks: &mut BTreeSet<String>,
) {
    let Some(ty) = supergraph.types.get(&on) else { return };
    for selection in selections {
        match selection {
            Selection::Field { name, children, .. } => {
                let Some(field) = ty.fields.get(name) else { continue };
                let implementing = (ty.kind == Kind::Interface).then(|| supergraph.implementations.get(&on)).flatten();
                let others = implementing.into_iter().flatten().filter_map(|name| supergraph.types.get(name));
                let holders = std::iter::once(ty).chain(others);
                for holder in holders {
                    let applied = holder.fields.get(name).map_or(&[][..], |field| &field.applied);
                    if requirements(applied, &holder.applied).iter().any(|wanted| !implies(own, wanted)) {
                        leaks.insert(format!("{}.{}", &names[holder.name], &names[*name]));
                    }
                }
                leaking(supergraph, field.ty.base, children, own, names, leaks);
            }
            Selection::Fragment { on: condition, children } => {
                leaking(supergraph, condition.unwrap_or(on), children, own, names, leaks);
            }
        }
    }
}
