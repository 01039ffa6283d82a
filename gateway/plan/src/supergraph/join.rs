//! The join specification: turns `@join__*` directives (v0.1 to v0.5) into who has which type and field.

use super::context::Contexts;
use super::field_set::FieldSets;
use super::parse::field_definitions;
use super::type_joins::TypeJoins;
use super::{FieldJoin, Kind, Subgraph, Supergraph, TypeJoin};
use crate::error::PlanError;
use crate::ids::{FieldId, SubgraphId, TypeId, TypeSet};
use apollo_compiler::Schema;
use apollo_compiler::ast::{Directive, Type, Value};
use apollo_compiler::validation::Valid;
use rustc_hash::FxHashMap;

/// The names under which the specifications are linked.
#[derive(Debug)]
pub(super) struct JoinNames {
    prefix: String,
    /// Prefixes of every linked specification.
    linked: Vec<String>,
    pub inaccessible: String,
    pub context: String,
}

impl JoinNames {
    /// Read `@link` and `@core` of the schema definition.
    pub fn read(schema: &Schema) -> Self {
        let mut names = Self {
            prefix: "join".to_owned(),
            linked: Vec::new(),
            inaccessible: "inaccessible".to_owned(),
            context: "context".to_owned(),
        };
        for directive in &schema.schema_definition.directives.0 {
            let url = text(directive, "url").or_else(|| text(directive, "feature")).unwrap_or_default();
            let mut parts = url.rsplit('/');
            let _version = parts.next();
            let Some(spec) = parts.next().filter(|spec| !spec.is_empty()) else { continue };
            let name = text(directive, "as").unwrap_or_else(|| spec.to_owned());
            match spec {
                "join" => names.prefix.clone_from(&name),
                "inaccessible" => names.inaccessible.clone_from(&name),
                "context" => names.context.clone_from(&name),
                _ => {}
            }
            names.linked.push(name);
        }
        for known in ["join", "link", "core"] {
            names.linked.push(known.to_owned());
        }
        names
    }

    /// Whether a type or directive belongs to a specification and is not part of the graph.
    pub fn is_own(&self, name: &str) -> bool {
        name.split_once("__").is_some_and(|(prefix, _)| self.linked.iter().any(|own| own == prefix))
    }

    /// Whether a directive is that of a linked specification.
    pub fn is_linked_directive(&self, name: &str) -> bool {
        self.is_own(name) || self.linked.iter().any(|own| own == name)
    }

    fn directive(&self, name: &str) -> String {
        format!("{}__{name}", self.prefix)
    }
}

fn text(directive: &Directive, argument: &str) -> Option<String> {
    directive.specified_argument_by_name(argument)?.as_str().map(str::to_owned)
}

fn flag(directive: &Directive, argument: &str) -> Option<bool> {
    directive.specified_argument_by_name(argument)?.to_bool()
}

pub(super) fn bad(message: impl Into<String>) -> PlanError {
    PlanError::Supergraph(message.into())
}

/// The values of `join__Graph`.
pub(super) fn read_subgraphs(schema: &Schema, names: &JoinNames) -> Result<Vec<Subgraph>, PlanError> {
    let graphs = schema
        .get_enum(&names.directive("Graph"))
        .ok_or_else(|| bad("it has no `join__Graph` enum; compose the subgraphs first: this is not a supergraph"))?;
    let mut subgraphs = Vec::with_capacity(graphs.values.len());
    for (value, definition) in &graphs.values {
        let directive = definition
            .directives
            .get(&names.directive("graph"))
            .ok_or_else(|| bad(format!("`join__Graph.{value}` has no @join__graph(name:, url:)")))?;
        subgraphs.push(Subgraph {
            name: text(directive, "name").unwrap_or_else(|| value.to_string()),
            url: text(directive, "url").unwrap_or_default(),
            graph: value.clone(),
        });
    }
    Ok(subgraphs)
}

fn graph_of(graph: &Supergraph, directive: &Directive) -> Result<Option<SubgraphId>, PlanError> {
    let Some(value) = directive.specified_argument_by_name("graph") else { return Ok(None) };
    let Value::Enum(name) = &**value else { return Ok(None) };
    graph
        .graphs
        .get(name)
        .map(|subgraph| Some(*subgraph))
        .ok_or_else(|| bad(format!("`{name}` is no value of `join__Graph`")))
}

/// `@join__type`: which subgraphs have the type. A type without it is a value type of all of them (v0.1).
pub(super) fn read_types(graph: &mut Supergraph, schema: &Schema, names: &JoinNames) -> Result<(), PlanError> {
    let directive_name = names.directive("type");
    for i in 0..graph.types.len() {
        let definition = &schema.types[&graph.types[i].name];
        let mut joined = false;
        for directive in definition.directives().get_all(&directive_name) {
            let Some(subgraph) = graph_of(graph, directive)? else { continue };
            let join = graph.types[i].joins.get_or_insert_with(subgraph, TypeJoin::default);
            join.interface_object |= flag(directive, "isInterfaceObject").unwrap_or(false);
            joined = true;
        }
        let owner = definition.directives().get(&names.directive("owner"));
        if let Some(subgraph) = owner.map(|d| graph_of(graph, d)).transpose()?.flatten() {
            graph.types[i].joins.get_or_insert_with(subgraph, TypeJoin::default);
            joined = true;
        }
        if !joined {
            graph.types[i].joins = TypeJoins::everywhere(graph.subgraphs.len());
        }
    }
    Ok(())
}

/// `@join__implements` and `@join__unionMember`: which object types a subgraph may answer with. Where a supergraph has
/// neither (before v0.3), every possible type that the subgraph has.
pub(super) fn read_members(graph: &mut Supergraph, schema: &Schema, names: &JoinNames) -> Result<(), PlanError> {
    let (implements, member) = (names.directive("implements"), names.directive("unionMember"));
    let explicit = schema.directive_definitions.contains_key(&*implements);
    let mut found: FxHashMap<(TypeId, SubgraphId), TypeSet> = FxHashMap::default();
    for i in 0..graph.types.len() {
        let ty = TypeId::new(i);
        let directives = schema.types[&graph.types[i].name].directives();
        for directive in directives.get_all(&implements).filter(|_| graph.kind(ty) == Kind::Object) {
            let (Some(subgraph), Some(name)) = (graph_of(graph, directive)?, text(directive, "interface")) else {
                continue;
            };
            if let Some(interface) = graph.type_by_name(&name) {
                found.entry((interface, subgraph)).or_default().insert(ty);
            }
        }
        for directive in directives.get_all(&member) {
            let (Some(subgraph), Some(name)) = (graph_of(graph, directive)?, text(directive, "member")) else {
                continue;
            };
            if let Some(object) = graph.type_by_name(&name) {
                found.entry((ty, subgraph)).or_default().insert(object);
            }
        }
    }
    for i in 0..graph.types.len() {
        let ty = TypeId::new(i);
        let subgraphs: Vec<SubgraphId> = graph.ty(ty).joins.iter().map(|(subgraph, _)| subgraph).collect();
        for subgraph in subgraphs {
            let possible: TypeSet = match graph.kind(ty) {
                Kind::Object => TypeSet::one(ty),
                _ if explicit => found.remove(&(ty, subgraph)).unwrap_or_default(),
                _ => graph.ty(ty).possible.iter().filter(|&o| graph.join(o, subgraph).is_some()).collect(),
            };
            graph.types[i].joins.get_or_insert_with(subgraph, TypeJoin::default).possible = possible;
        }
    }
    Ok(())
}

/// The keys of a type: subgraph, field set, whether it can be resolved by it.
pub(super) fn keys_of(
    graph: &Supergraph,
    schema: &Schema,
    names: &JoinNames,
    ty: TypeId,
) -> Result<Vec<(SubgraphId, String, bool)>, PlanError> {
    let mut keys = Vec::new();
    for directive in schema.types[graph.type_name(ty)].directives().get_all(&names.directive("type")) {
        let (Some(subgraph), Some(key)) = (graph_of(graph, directive)?, text(directive, "key")) else { continue };
        keys.push((subgraph, key, flag(directive, "resolvable").unwrap_or(true)));
    }
    Ok(keys)
}

/// `@join__field`: who resolves which field, and under which conditions.
pub(super) fn read_fields(
    graph: &mut Supergraph,
    schema: &Valid<Schema>,
    names: &JoinNames,
    sets: &mut FieldSets<'_>,
) -> Result<(), PlanError> {
    let contexts = Contexts::read(graph, schema, names);
    for i in 0..graph.types.len() {
        let ty = TypeId::new(i);
        let type_name = graph.type_name(ty).clone();
        let owner = schema.types[&type_name].directives().get(&names.directive("owner"));
        let owner = owner.map(|d| graph_of(graph, d)).transpose()?.flatten();
        for (name, definition) in field_definitions(schema, &type_name) {
            let Some(field) = graph.field_of(ty, name) else { continue };
            let directives: Vec<&Directive> =
                definition.directives.get_all(&names.directive("field")).map(|d| &**d).collect();
            let joins = if directives.is_empty() {
                everywhere(graph, ty, field, owner)
            } else {
                read_joins(graph, (ty, field), &directives, sets, &contexts)?
            };
            graph.fields[field.index()].joins = joins;
        }
    }
    Ok(())
}

fn plain(graph: &Supergraph, field: FieldId, subgraph: SubgraphId) -> FieldJoin {
    let definition = graph.field(field);
    FieldJoin {
        subgraph,
        external: false,
        requires: None,
        provides: None,
        ty: definition.ty.clone(),
        base: definition.base,
        label: None,
        via: None,
        contexts: Vec::new(),
    }
}

/// A field without `@join__field`: every subgraph of the type has it; with an owner (v0.1), the owner, and who has it
/// in a key.
fn everywhere(graph: &Supergraph, ty: TypeId, field: FieldId, owner: Option<SubgraphId>) -> Vec<FieldJoin> {
    let name = graph.field_name(field);
    let in_key = |s: SubgraphId| {
        graph.join(ty, s).is_some_and(|join| {
            join.keys.iter().any(|key| graph.sets.node(key.set).slots.iter().any(|slot| slot.key == *name))
        })
    };
    let joins = graph.ty(ty).joins.iter().filter(|(_, join)| !join.is_virtual);
    joins
        .map(|(subgraph, _)| subgraph)
        .filter(|&s| owner.is_none_or(|owner| owner == s || in_key(s)))
        .map(|s| plain(graph, field, s))
        .collect()
}

fn read_joins(
    graph: &mut Supergraph,
    (ty, field): (TypeId, FieldId),
    directives: &[&Directive],
    sets: &mut FieldSets<'_>,
    contexts: &Contexts,
) -> Result<Vec<FieldJoin>, PlanError> {
    let mut joins = Vec::with_capacity(directives.len());
    let mut overridden: Vec<(String, String)> = Vec::new();
    for directive in directives {
        let Some(subgraph) = graph_of(graph, directive)? else { continue };
        let mut join = plain(graph, field, subgraph);
        if let Some(value) = directive.specified_argument_by_name("contextArguments") {
            join.contexts = contexts.arguments(graph, sets, value)?;
        }
        join.external =
            flag(directive, "external").unwrap_or(false) || flag(directive, "usedOverridden").unwrap_or(false);
        if let Some(own) = text(directive, "type") {
            join.ty = Type::parse(&own, "join__field.graphql").map_err(|e| bad(format!("type `{own}`: {e}")))?;
            if let Some(base) = graph.type_by_name(join.ty.inner_named_type()) {
                join.base = base;
            }
        }
        if let Some(set) = text(directive, "requires") {
            join.requires = Some(sets.read(graph, ty, &set)?);
        }
        if let Some(set) = text(directive, "provides") {
            join.provides = Some(sets.read(graph, join.base, &set)?);
        }
        if let (Some(from), Some(label)) = (text(directive, "override"), text(directive, "overrideLabel")) {
            join.label = Some((label.clone(), true));
            overridden.push((from, label));
        }
        joins.push(join);
    }
    for (from, label) in overridden {
        for join in &mut joins {
            if graph.subgraphs[join.subgraph.index()].name == from {
                join.label = Some((label.clone(), false));
                join.external = false;
            }
        }
    }
    Ok(joins)
}
