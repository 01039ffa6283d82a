//! Directive definitions: turns composed and executable directives of subgraphs into definitions of the supergraph.

use super::Merge;
use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{DirectiveDefinition, Field, Link, Map, Set, Subgraph, SubgraphId, Version};
use crate::supergraph::{MergedDirective, Supergraph};
use rustc_hash::FxHashMap;

const EXECUTABLE: [&str; 8] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
];

/// The directives that `@composeDirective` carries into the supergraph.
#[derive(Debug, Default)]
pub struct Composed {
    /// What a directive of a subgraph is called in the supergraph.
    names: FxHashMap<(SubgraphId, Symbol), Symbol>,
    /// Name in the supergraph → specification identity, and the subgraph whose definition counts.
    specs: Map<Symbol, ComposedSpec>,
}

/// One composed directive.
#[derive(Debug)]
pub struct ComposedSpec {
    /// The specification without version.
    pub identity: String,
    /// The newest version in use.
    pub version: Version,
    /// The link of the subgraph that uses it.
    pub link: Link,
    /// The name of the directive in its specification, with `@`.
    pub original: String,
    definition: (SubgraphId, Symbol),
    repeatable: bool,
}

impl Composed {
    /// The name in the supergraph, if the directive is composed.
    pub fn name_in(&self, subgraph: SubgraphId, local: Symbol) -> Option<Symbol> {
        self.names.get(&(subgraph, local)).copied()
    }

    /// Whether a composed directive may be repeated.
    pub fn is_repeatable(&self, name: Symbol) -> bool {
        self.specs.get(&name).is_some_and(|spec| spec.repeatable)
    }

    /// All composed directives.
    pub fn specs(&self) -> impl Iterator<Item = (Symbol, &ComposedSpec)> {
        self.specs.iter().map(|(name, spec)| (*name, spec))
    }
}

/// Reads all `@composeDirective`s. Ones without definition or specification are reported.
pub fn composed(subgraphs: &[Subgraph], names: &Names, report: &mut Report) -> Composed {
    let mut composed = Composed::default();
    for subgraph in subgraphs {
        for (name, at) in &subgraph.composed {
            let mut refuse = |why: &str| {
                let message = format!("[{}] @composeDirective(name: \"@{}\"): {why}", subgraph.name, &names[*name]);
                let hint = "define the directive and @link the specification that it belongs to";
                report.error("DIRECTIVE_COMPOSITION_ERROR", message, hint, &[(subgraph.id, *at)]);
            };
            let Some(definition) = subgraph.directives.get(name) else {
                refuse("the directive is not defined");
                continue;
            };
            let Some((link, original)) = origin(subgraph, &names[*name]) else {
                refuse("the directive does not come from a linked specification");
                continue;
            };
            if link.identity.starts_with("https://specs.apollo.dev/")
                && link.identity != "https://specs.apollo.dev/connect"
            {
                refuse("directives of Apollo's specifications are composed without it");
                continue;
            }
            let spec = ComposedSpec {
                identity: link.identity.clone(),
                version: link.version,
                link: link.clone(),
                original,
                definition: (subgraph.id, *name),
                repeatable: definition.repeatable,
            };
            match composed.specs.get_mut(name) {
                None => {
                    composed.specs.insert(*name, spec);
                }
                Some(other) if other.identity != spec.identity || other.original != spec.original => {
                    refuse("another subgraph composes a different directive under this name");
                }
                Some(other) if other.version.0 != spec.version.0 => {
                    refuse("another subgraph composes it from another major version of its specification");
                }
                Some(other) if other.version < spec.version => *other = spec,
                Some(_) => {}
            }
        }
    }
    for subgraph in subgraphs {
        for (merged, spec) in &composed.specs {
            let link = subgraph.links.iter().find(|link| link.identity == spec.identity);
            let local = link.map(|link| local_name(link, &spec.original));
            if let Some(local) = local.and_then(|local| names.find(&local)) {
                composed.names.insert((subgraph.id, local), *merged);
            }
        }
    }
    composed
}

fn origin<'s>(subgraph: &'s Subgraph, local: &str) -> Option<(&'s Link, String)> {
    for link in &subgraph.links {
        if let Some((original, _)) = link.imports.iter().find(|(_, name)| name.strip_prefix('@') == Some(local)) {
            return Some((link, original.clone()));
        }
        if local == link.prefix {
            let original = link.identity.rsplit('/').next().unwrap_or_default();
            return Some((link, format!("@{original}")));
        }
        if let Some(bare) = local.strip_prefix(link.prefix.as_str()).and_then(|rest| rest.strip_prefix("__")) {
            return Some((link, format!("@{bare}")));
        }
    }
    None
}

fn local_name(link: &Link, original: &str) -> String {
    if let Some((_, local)) = link.imports.iter().find(|(name, _)| name == original) {
        return local.trim_start_matches('@').to_owned();
    }
    let bare = original.trim_start_matches('@');
    if link.identity.rsplit('/').next() == Some(bare) {
        link.prefix.clone()
    } else {
        format!("{}__{bare}", link.prefix)
    }
}

/// Adds composed definitions, and the executable ones that all subgraphs have.
pub fn merge(supergraph: &mut Supergraph, merge: &mut Merge<'_>) {
    let mut merged = Vec::new();
    for (name, spec) in merge.composed.specs() {
        let (subgraph, local) = spec.definition;
        let owner = merge.subgraphs.iter().find(|candidate| candidate.id == subgraph);
        let Some(definition) = owner.and_then(|owner| owner.directives.get(&local)) else { continue };
        merged.push((name, definition.clone()));
    }
    for (name, definition) in merged {
        let args = definition.args.values().map(|arg| (arg.name, plain(arg))).collect();
        supergraph.directives.push(MergedDirective {
            name,
            description: definition.description.clone(),
            args,
            repeatable: definition.repeatable,
            locations: definition.locations.clone(),
            composed: true,
        });
    }
    let executable: Set<Symbol> = merge
        .subgraphs
        .iter()
        .flat_map(|subgraph| subgraph.directives.values())
        .filter(|definition| definition.locations.iter().any(|location| EXECUTABLE.contains(location)))
        .map(|definition| definition.name)
        .collect();
    let composed: Set<Symbol> = supergraph.directives.iter().map(|directive| directive.name).collect();
    for name in executable {
        if !composed.contains(&name)
            && let Some(directive) = merge.executable(name)
        {
            supergraph.directives.push(directive);
        }
    }
    supergraph.directives.sort_by(|a, b| merge.names[a.name].cmp(&merge.names[b.name]));
}

fn plain(arg: &Field) -> crate::supergraph::MergedField {
    crate::supergraph::MergedField {
        name: arg.name,
        description: arg.description.clone(),
        ty: arg.ty,
        args: Map::default(),
        default: arg.default.clone(),
        joins: Vec::new(),
        applied: Vec::new(),
    }
}

impl Merge<'_> {
    /// An executable directive is usable where every subgraph understands it.
    fn executable(&mut self, name: Symbol) -> Option<MergedDirective> {
        let present: Vec<(&Subgraph, &DirectiveDefinition)> =
            self.subgraphs.iter().filter_map(|subgraph| Some((subgraph, subgraph.directives.get(&name)?))).collect();
        let at: Vec<_> = present.iter().map(|(subgraph, definition)| (subgraph.id, definition.at)).collect();
        let text = self.names[name].to_owned();
        if present.len() < self.subgraphs.len() {
            let message = format!("executable directive `@{text}` is left out, as some subgraphs don't define it");
            let hint = "define it in all subgraphs";
            self.report.warning("INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE", message, hint, &at);
            return None;
        }
        let everywhere =
            |location: &&&str| present.iter().all(|(_, definition)| definition.locations.contains(*location));
        let executable = EXECUTABLE.iter().filter(everywhere).copied();
        let locations: Vec<&'static str> = executable.collect();
        if locations.is_empty() {
            let message =
                format!("executable directive `@{text}` is left out, as the subgraphs allow it in different places");
            let hint = "give it a common location";
            self.report.warning("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", message, hint, &at);
            return None;
        }
        let coordinate = format!("@{text}");
        let somewhere =
            |location: &&&str| present.iter().any(|(_, definition)| definition.locations.contains(*location));
        if EXECUTABLE.iter().filter(somewhere).count() > locations.len() {
            let message = format!("executable directive `@{text}` is allowed in common places of the subgraphs only");
            let hint = "give it the same locations in all subgraphs";
            self.report.warning("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", message, hint, &at);
        }
        let fields: Vec<(&Subgraph, Field)> = present
            .iter()
            .map(|(subgraph, definition)| {
                let mut field = Field::new(name, crate::schema::Ty::named(Symbol::BOOLEAN), definition.at);
                field.args.clone_from(&definition.args);
                (*subgraph, field)
            })
            .collect();
        let sources: Vec<(&Subgraph, &Field)> = fields.iter().map(|(subgraph, field)| (*subgraph, field)).collect();
        Some(MergedDirective {
            name,
            description: self
                .description(&coordinate, present.iter().map(|(_, definition)| definition.description.as_ref())),
            args: self.arguments(&coordinate, &sources),
            repeatable: present.iter().all(|(_, definition)| definition.repeatable),
            locations,
            composed: false,
        })
    }
}
