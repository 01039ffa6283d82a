//! Parsing: turns supergraph SDL into the arenas of [`Supergraph`].

use super::field_set::FieldSets;
use super::join::{self, JoinNames};
use super::type_joins::TypeJoins;
use super::{EnumValue, FieldDef, Key, Kind, Supergraph, TypeDef, TypeJoin, api, costs, governance};
use crate::error::PlanError;
use crate::ids::{FieldId, SubgraphId, TypeId, TypeSet};
use crate::selection::Selections;
use apollo_compiler::schema::{EnumType, ExtendedType, FieldDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashMap;

pub(super) fn parse(sdl: &str) -> Result<Supergraph, PlanError> {
    let schema = Schema::parse_and_validate(sdl, "supergraph.graphql")
        .map_err(|e| PlanError::Supergraph(e.errors.to_string().trim_end().to_owned()))?;
    let names = JoinNames::read(&schema);
    let subgraphs = join::read_subgraphs(&schema, &names)?;
    let api = api::api_schema(&schema, &names)?;
    let graphs = subgraphs.iter().enumerate().map(|(i, s)| (s.graph.clone(), SubgraphId::new(i))).collect();
    let mut graph = Supergraph {
        subgraphs,
        graphs,
        types: Vec::new(),
        fields: Vec::new(),
        sets: Selections::default(),
        by_name: FxHashMap::default(),
        roots: [None; 3],
        api,
        governance: governance::read(&schema),
        costs: costs::read(&schema),
    };
    declare_types(&mut graph, &schema, &names);
    read_members(&mut graph, &schema);
    declare_fields(&mut graph, &schema);
    join::read_types(&mut graph, &schema, &names)?;
    join::read_members(&mut graph, &schema, &names)?;
    let mut sets = FieldSets::new(&schema);
    read_keys(&mut graph, &schema, &names, &mut sets)?;
    join::read_fields(&mut graph, &schema, &names, &mut sets)?;
    stand_for_themselves(&mut graph);
    spread_interface_objects(&mut graph);
    Ok(graph)
}

/// Object types get the smallest ids, so that sets of them are few words.
fn declare_types(graph: &mut Supergraph, schema: &Schema, names: &JoinNames) {
    let mut defs: Vec<(&Name, &ExtendedType)> = schema.types.iter().collect();
    defs.sort_by_key(|(_, ty)| kind_of(ty) as u8);
    for (name, ty) in defs {
        if names.is_own(name) || name.starts_with("__") {
            continue;
        }
        graph.by_name.insert(name.clone(), TypeId::new(graph.types.len()));
        graph.types.push(TypeDef {
            name: name.clone(),
            kind: kind_of(ty),
            possible: TypeSet::default(),
            joins: TypeJoins::default(),
            fields: FxHashMap::default(),
            interfaces: Vec::new(),
            inaccessible: ty.directives().has(&names.inaccessible),
            values: ty.as_enum().map(|e| enum_values(e, names)).unwrap_or_default(),
        });
    }
    let roots = &schema.schema_definition;
    for (i, root) in [&roots.query, &roots.mutation, &roots.subscription].into_iter().enumerate() {
        graph.roots[i] = root.as_ref().and_then(|name| graph.by_name.get(&name.name).copied());
    }
}

fn enum_values(ty: &EnumType, names: &JoinNames) -> Vec<EnumValue> {
    let values = ty.values.iter();
    values
        .map(|(name, value)| EnumValue { name: name.clone(), inaccessible: value.directives.has(&names.inaccessible) })
        .collect()
}

fn kind_of(ty: &ExtendedType) -> Kind {
    match ty {
        ExtendedType::Object(_) => Kind::Object,
        ExtendedType::Interface(_) => Kind::Interface,
        ExtendedType::Union(_) => Kind::Union,
        ExtendedType::Scalar(_) => Kind::Scalar,
        ExtendedType::Enum(_) => Kind::Enum,
        ExtendedType::InputObject(_) => Kind::Input,
    }
}

/// Which interfaces a type has and which object types an abstract type may be.
fn read_members(graph: &mut Supergraph, schema: &Schema) {
    for i in 0..graph.types.len() {
        let id = TypeId::new(i);
        match &schema.types[&graph.types[i].name] {
            ExtendedType::Object(object) => {
                graph.types[i].possible.insert(id);
                for name in &object.implements_interfaces {
                    let interface = graph.by_name[&name.name];
                    graph.types[i].interfaces.push(interface);
                    graph.types[interface.index()].possible.insert(id);
                }
            }
            ExtendedType::Interface(interface) => {
                graph.types[i].interfaces =
                    interface.implements_interfaces.iter().map(|name| graph.by_name[&name.name]).collect();
            }
            ExtendedType::Union(union) => {
                graph.types[i].possible = union.members.iter().map(|name| graph.by_name[&name.name]).collect();
            }
            ExtendedType::Scalar(_) | ExtendedType::Enum(_) | ExtendedType::InputObject(_) => {}
        }
    }
}

/// The field definitions of an object or interface type.
pub(super) fn field_definitions<'a>(
    schema: &'a Schema,
    name: &str,
) -> Box<dyn Iterator<Item = (&'a Name, &'a FieldDefinition)> + 'a> {
    match schema.types.get(name) {
        Some(ExtendedType::Object(ty)) => Box::new(ty.fields.iter().map(|(name, field)| (name, &***field))),
        Some(ExtendedType::Interface(ty)) => Box::new(ty.fields.iter().map(|(name, field)| (name, &***field))),
        _ => Box::new(std::iter::empty()),
    }
}

fn declare_fields(graph: &mut Supergraph, schema: &Schema) {
    for i in 0..graph.types.len() {
        let name = graph.types[i].name.clone();
        for (field_name, definition) in field_definitions(schema, &name) {
            let Some(&base) = graph.by_name.get(definition.ty.inner_named_type()) else { continue };
            let id = FieldId::new(graph.fields.len());
            graph.types[i].fields.insert(field_name.clone(), id);
            graph.fields.push(FieldDef {
                name: field_name.clone(),
                ty: definition.ty.clone(),
                base,
                joins: Vec::new(),
            });
        }
    }
}

fn read_keys(
    graph: &mut Supergraph,
    schema: &Valid<Schema>,
    names: &JoinNames,
    sets: &mut FieldSets<'_>,
) -> Result<(), PlanError> {
    for i in 0..graph.types.len() {
        let entity = TypeId::new(i);
        for (subgraph, text, resolvable) in join::keys_of(graph, schema, names, entity)? {
            let set = sets.read(graph, entity, &text)?;
            let join = graph.types[i].joins.get_or_insert_with(subgraph, TypeJoin::default);
            join.keys.push(Key { set, resolvable, entity });
        }
    }
    Ok(())
}

/// An interface of interface objects that no object type implements stands for its own objects: there are no others.
fn stand_for_themselves(graph: &mut Supergraph) {
    for i in 0..graph.types.len() {
        let ty = &mut graph.types[i];
        if !ty.possible.is_empty() || !ty.joins.iter().any(|(_, join)| join.interface_object) {
            continue;
        }
        ty.possible.insert(TypeId::new(i));
        for join in ty.joins.values_mut() {
            join.possible.insert(TypeId::new(i));
        }
    }
}

/// Let an interface object stand for every object type that implements its interface: the type can be entered in that
/// subgraph by the interface's keys, and has the interface's fields there.
fn spread_interface_objects(graph: &mut Supergraph) {
    let interfaces: Vec<TypeId> =
        (0..graph.types.len()).map(TypeId::new).filter(|&t| graph.kind(t) == Kind::Interface).collect();
    for interface in interfaces {
        let objects = graph.ty(interface).joins.iter().filter(|(_, join)| join.interface_object);
        let subgraphs: Vec<SubgraphId> = objects.map(|(subgraph, _)| subgraph).collect();
        for subgraph in subgraphs {
            let possible = graph.ty(interface).possible.clone();
            let keys = graph.join(interface, subgraph).map(|join| join.keys.clone()).unwrap_or_default();
            for ty in possible.iter().filter(|&ty| ty != interface) {
                let join = graph.types[ty.index()].joins.get_or_insert_with(subgraph, || TypeJoin {
                    is_virtual: true,
                    possible: TypeSet::one(ty),
                    ..TypeJoin::default()
                });
                join.keys.extend(keys.iter().cloned());
            }
            spread_fields(graph, interface, subgraph, &possible);
            let join = graph.types[interface.index()].joins.get_or_insert_with(subgraph, TypeJoin::default);
            join.possible = possible;
        }
    }
}

fn spread_fields(graph: &mut Supergraph, interface: TypeId, subgraph: SubgraphId, possible: &TypeSet) {
    let fields: Vec<FieldId> = graph.ty(interface).fields.values().copied().collect();
    for field in fields {
        let Some(join) = graph.field(field).joins.iter().find(|j| j.subgraph == subgraph) else { continue };
        let mut join = join.clone();
        join.via = Some(interface);
        let name = graph.field_name(field).clone();
        for ty in possible.iter().filter(|&ty| ty != interface) {
            let Some(own) = graph.field_of(ty, &name) else { continue };
            let joins = &mut graph.fields[own.index()].joins;
            if !joins.iter().any(|j| j.subgraph == subgraph && j.via == join.via) {
                joins.push(join.clone());
            }
        }
    }
}
