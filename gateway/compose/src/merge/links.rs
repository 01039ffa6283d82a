//! Links: turns the directives that the merged schema uses into the specifications that it links.

use super::Merge;
use crate::schema::{Applied, Directive, Version};
use crate::supergraph::{MergedLink, Supergraph};
use rustc_hash::FxHashSet;

/// Adds the links, the directives on the schema, and the version of join that the newest subgraph calls for.
pub fn collect(supergraph: &mut Supergraph, merge: &mut Merge<'_>) {
    let subgraphs = merge.subgraphs;
    supergraph.applied =
        merge.applied("schema", subgraphs.iter().map(|subgraph| (subgraph.id, subgraph.applied.as_slice())));
    supergraph.description =
        merge.description("schema", subgraphs.iter().map(|subgraph| subgraph.description.as_ref()));
    let newest: Version = subgraphs.iter().map(|subgraph| subgraph.federation).max().unwrap_or((1, 0));
    supergraph.join = if newest >= (2, 8) {
        (0, 5)
    } else if newest >= (2, 7) {
        (0, 4)
    } else {
        (0, 3)
    };
    let used = used(supergraph);
    let known: [(&[Directive], &str, Option<&'static str>); 7] = [
        (&[Directive::Tag], "tag/v0.3", None),
        (&[Directive::Inaccessible], "inaccessible/v0.2", Some("SECURITY")),
        (&[Directive::Authenticated], "authenticated/v0.1", Some("SECURITY")),
        (&[Directive::RequiresScopes], "requiresScopes/v0.1", Some("SECURITY")),
        (&[Directive::Policy], "policy/v0.1", Some("SECURITY")),
        (&[Directive::Context], "context/v0.1", Some("SECURITY")),
        (&[Directive::Cost, Directive::ListSize], "cost/v0.1", None),
    ];
    for (directives, spec, purpose) in known {
        if !directives.iter().any(|directive| used.contains(directive)) {
            continue;
        }
        let imports = if directives.len() > 1 {
            let present = [(Directive::Cost, "@cost"), (Directive::ListSize, "@listSize")];
            let imported = present.iter().filter(|(directive, name)| used.contains(directive) && *name != "@cost");
            imported.map(|(_, name)| ((*name).to_owned(), (*name).to_owned())).collect()
        } else {
            Vec::new()
        };
        supergraph.links.push(MergedLink {
            url: format!("https://specs.apollo.dev/{spec}"),
            prefix: None,
            imports,
            purpose,
            directive: Some(directives[0]),
        });
    }
    for (name, spec) in merge.composed.specs() {
        let local = format!("@{}", &merge.names[name]);
        let existing = supergraph.links.iter_mut().find(|link| link.url == spec.link.url && link.directive.is_none());
        let import = (spec.original.clone(), local);
        match existing {
            Some(link) => link.imports.push(import),
            None => supergraph.links.push(MergedLink {
                url: spec.link.url.clone(),
                prefix: None,
                imports: vec![import],
                purpose: None,
                directive: None,
            }),
        }
    }
}

/// The directives applied anywhere.
pub fn used(supergraph: &Supergraph) -> FxHashSet<Directive> {
    let mut used = FxHashSet::default();
    let mut add = |applied: &[Applied]| used.extend(applied.iter().map(|one| one.directive));
    add(&supergraph.applied);
    for ty in supergraph.types.values() {
        add(&ty.applied);
        for field in ty.fields.values() {
            add(&field.applied);
            field.args.values().for_each(|arg| add(&arg.applied));
        }
        ty.values.values().for_each(|value| add(&value.applied));
    }
    used
}
