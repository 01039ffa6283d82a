//! Building: turns a product's output contracts into the catalog.

use super::nested::add_nested;
use super::{
    Catalog, Column, ColumnId, Entity, EntityId, EnumType, Join, KeyId, Member, Relation, RelationId, Root, Shape,
    Table,
};
use crate::access::{Access, Reading};
use crate::scalar::Scalar;
use std::collections::BTreeSet;
use terrane_diagnostics::{Diagnostic, Location};
use terrane_manifest::names::{camel_case, is_graphql_name, pascal_case};
use terrane_manifest::{Cardinality, Classification, Dataset, Field, LogicalType, Product, Relationship};
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};

/// Build the catalog; every problem goes to `findings`.
pub(crate) fn build_catalog(product: &Product, findings: &mut Vec<Diagnostic>) -> Catalog {
    let served: Vec<&Dataset> = product.outputs().filter(|d| d.graphql_type.is_some()).collect();
    let readers = Readers::of(product, findings);
    readers.check_masks(product, findings);
    let mut catalog = Catalog::default();
    collect_enums(&served, &mut catalog, findings);
    for dataset in &served {
        add_dataset(product, dataset, &readers, &mut catalog, findings);
    }
    for dataset in &served {
        for relationship in &dataset.relationships {
            add_relationship(dataset, relationship, &mut catalog, findings);
        }
    }
    check_type_names(&catalog, findings);
    catalog
}

fn collision(product_part: &str, name: &str) -> Diagnostic {
    Diagnostic::error("GRAPHQL_NAME_COLLISION", format!("{product_part} `{name}` is named twice in the data port"))
        .at(Location::new("contracts", 1, 1))
        .with_hint("rename one with graphqlType, graphqlName, graphqlLookup, graphqlList or graphqlReverseField")
}

/// What each role gets of which fields, by the product's own policy.
struct Readers {
    roles: Vec<(String, Access)>,
}

impl Readers {
    fn of(product: &Product, findings: &mut Vec<Diagnostic>) -> Self {
        let policy = match Policy::new(DEFAULT_MODEL, &product.policy_lines()) {
            Ok(policy) => policy,
            Err(error) => {
                findings.push(Diagnostic::error(error.code(), error.to_string()));
                return Self { roles: Vec::new() };
            }
        };
        let compile = |role: String| {
            let access = Access::compile(product, &policy, &RoleSet::new([role.as_str()]));
            (role, access)
        };
        Self { roles: product.role_names().into_iter().map(compile).collect() }
    }

    fn sees_dataset(access: &Access, dataset: &Dataset) -> bool {
        dataset.fields.iter().any(|f| access.reading(&dataset.policy_object(f)) != Reading::Denied)
    }

    /// Whether every role that sees the dataset gets a value of the field. Roles that see nothing of it are stopped before.
    fn all_see(&self, dataset: &Dataset, field: &Field) -> bool {
        let object = dataset.policy_object(field);
        let gets_value = |access: &Access| match access.reading(&object) {
            Reading::Clear => true,
            Reading::Masked(mask) => !mask.may_null(field),
            Reading::Denied => false,
        };
        field.classification == Classification::Public
            && self.roles.iter().filter(|(_, a)| Self::sees_dataset(a, dataset)).all(|(_, a)| gets_value(a))
    }

    /// Report masks of a role that reads the field in clear all the same: it would hide nothing.
    fn check_masks(&self, product: &Product, findings: &mut Vec<Diagnostic>) {
        for (role, mask) in
            product.contracts.iter().flat_map(|c| &c.roles).flat_map(|r| r.masks.iter().map(move |m| (r, m)))
        {
            let object = format!("{}.{}", mask.dataset, mask.field);
            let clear = self.roles.iter().any(|(name, a)| *name == role.role && a.reading(&object) == Reading::Clear);
            if clear {
                let message = format!("role `{}` reads `{object}` in clear, so its mask hides nothing", role.role);
                findings.push(Diagnostic::error("FIELD_MASK", message).at(mask.place.clone()).with_hint(
                    "remove the mask, or what allows `read`: a line of policy.csv, or a role that this one inherits",
                ));
            }
        }
    }
}

/// Make an enum type for each field with allowed values that are all legal names: `ContinentCode`, or
/// `CountryContinentCode` where two fields of that name allow different values.
fn collect_enums(served: &[&Dataset], catalog: &mut Catalog, findings: &mut Vec<Diagnostic>) {
    for dataset in served {
        for field in dataset.fields.iter().filter(|f| is_enum(f)) {
            let values = field.enumeration.iter().map(|v| {
                let words = [v.label.clone(), v.description.clone()];
                (v.value.clone(), words.into_iter().flatten().reduce(|a, b| format!("{a}: {b}")))
            });
            let kind = EnumType { values: values.collect() };
            let name = enum_name(dataset, field, served);
            if catalog.enums.insert(name.clone(), kind.clone()).is_some_and(|other| other != kind) {
                findings.push(collision("enum", &name));
            }
        }
    }
}

fn is_enum(field: &Field) -> bool {
    let legal = |value: &str| is_graphql_name(value) && !["true", "false", "null"].contains(&value);
    Scalar::of_field(field) == Scalar::String
        && !field.enumeration.is_empty()
        && field.key_position.is_none()
        && field.enumeration.iter().all(|v| legal(&v.value))
}

fn enum_name(dataset: &Dataset, field: &Field, served: &[&Dataset]) -> String {
    let short = pascal_case(&field.graphql_name);
    let differs = served
        .iter()
        .flat_map(|d| &d.fields)
        .any(|f| is_enum(f) && f.graphql_name == field.graphql_name && f.enumeration != field.enumeration);
    let taken = served.iter().any(|d| d.graphql_type.as_deref() == Some(&short));
    if differs || taken { format!("{}{short}", dataset.graphql_type.as_deref().unwrap_or_default()) } else { short }
}

fn add_dataset(
    product: &Product,
    dataset: &Dataset,
    readers: &Readers,
    catalog: &mut Catalog,
    findings: &mut Vec<Diagnostic>,
) {
    let (Some(type_name), Some(names)) = (&dataset.graphql_type, &dataset.graphql_names) else { return };
    let served: Vec<&Dataset> = product.outputs().filter(|d| d.graphql_type.is_some()).collect();
    let single_key = dataset.primary_key().len() == 1;
    let columns: Vec<Column> = dataset
        .fields
        .iter()
        .map(|field| {
            let scalar = Scalar::of_field(field);
            let is_id = field.key_position.is_some() && scalar == Scalar::String && !field.physical.array;
            Column {
                name: field.graphql_name.clone(),
                field: field.name.clone(),
                column: field.column.clone(),
                object: Some(dataset.policy_object(field)),
                pg: field.physical.base,
                array: field.physical.array,
                scalar: if is_id && single_key { Scalar::Id } else { scalar },
                enum_type: is_enum(field).then(|| enum_name(dataset, field, &served)),
                nested: field
                    .nested
                    .as_ref()
                    .map(|nested| (add_nested(type_name, field, nested, catalog), field.logical == LogicalType::Array)),
                required: field.required,
                searchable: field.searchable,
                readable_by_all: readers.all_see(dataset, field),
                description: field.description.clone().or_else(|| field.business_name.clone()),
                deprecated: field.deprecated.clone(),
            }
        })
        .collect();
    let members =
        columns.iter().enumerate().map(|(i, c)| (c.name.clone(), Member::Column(ColumnId(i as u32)))).collect();
    let mut entity = Entity {
        type_name: type_name.clone(),
        description: dataset.description.clone(),
        table: Some(Table {
            schema: "output".into(),
            dataset: dataset.name.clone(),
            name: dataset.table.clone(),
            search_language: dataset.search_language,
        }),
        columns,
        key: Vec::new(),
        second_keys: Vec::new(),
        relations: Vec::new(),
        members,
    };
    entity.key = dataset.primary_key().iter().filter_map(|f| entity.column_of_field(&f.name)).collect();
    entity.second_keys = dataset
        .second_keys
        .iter()
        .map(|key| key.iter().filter_map(|field| entity.column_of_field(field)).collect())
        .collect();
    let by_key: Vec<(String, Root)> = entity
        .keys()
        .skip(1)
        .map(|key| {
            let parts = entity.key_of(key).iter().map(|c| pascal_case(&entity.column(*c).name)).collect::<Vec<_>>();
            (format!("{}By{}", names.one, parts.join("And")), key)
        })
        .map(|(name, key)| (name, Root::Lookup(EntityId(catalog.entities.len() as u32), key)))
        .collect();
    let id = EntityId(catalog.entities.len() as u32);
    if catalog.by_type.insert(type_name.clone(), id).is_some() {
        findings.push(collision("type", type_name));
    }
    let primary = [(names.one.clone(), Root::Lookup(id, KeyId::PRIMARY)), (names.many.clone(), Root::List(id))];
    for (name, root) in primary.into_iter().chain(by_key) {
        if catalog.roots.insert(name.clone(), root).is_some() {
            findings.push(collision("root field", &name));
        }
    }
    if entity.has_changes() {
        catalog.changes.insert(format!("{}Changes", names.one), id);
    }
    catalog.entities.push(entity);
}

fn add_relationship(
    dataset: &Dataset,
    relationship: &Relationship,
    catalog: &mut Catalog,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(&here) = dataset.graphql_type.as_ref().and_then(|t| catalog.by_type.get(t)) else { return };
    let from: Vec<ColumnId> =
        relationship.fields.iter().filter_map(|f| catalog.entity(here).column_of_field(f)).collect();
    if from.len() != relationship.fields.len() {
        return;
    }
    let there = match &relationship.target.product {
        Some(_) if relationship.graphql_field.is_none() && relationship.reverse_field.is_none() => return,
        Some(_) => match stub(relationship, here, &from, catalog, findings) {
            Some(id) => id,
            None => return,
        },
        None => match catalog.by_type.get(&relationship.target.graphql_type) {
            Some(id) => *id,
            None => return,
        },
    };
    let target = catalog.entity(there);
    let to: Vec<ColumnId> = if target.table.is_some() {
        relationship.target.fields.iter().filter_map(|f| target.column_of_field(f)).collect()
    } else {
        target.key.clone()
    };
    if to.len() != from.len() {
        return;
    }
    if let Some(name) = &relationship.graphql_field {
        let relation = forward(name, relationship, catalog, (here, there), &from, &to);
        add_relation(catalog, here, relation, findings);
    }
    if let Some(name) = &relationship.reverse_field {
        let relation = reverse(name, relationship, catalog, here, &from, &to);
        add_relation(catalog, there, relation, findings);
    }
}

fn forward(
    name: &str,
    relationship: &Relationship,
    catalog: &Catalog,
    (here, there): (EntityId, EntityId),
    from: &[ColumnId],
    to: &[ColumnId],
) -> Relation {
    let (source, target) = (catalog.entity(here), catalog.entity(there));
    let always = from.iter().all(|c| source.column(*c).is_non_null());
    // the way into rows is nullable: a caller whose roles mean nothing here gets null there, and the rest of its data
    let (shape, non_null) = match (relationship.each_item, &target.table) {
        (true, None) => (Shape::List, always),
        (true, Some(_)) => (Shape::Connection, false),
        (false, None) => (Shape::One, always),
        (false, Some(_)) => (Shape::One, false),
    };
    Relation {
        name: name.to_owned(),
        target: there,
        from: from.to_vec(),
        to: to.to_vec(),
        join: if relationship.each_item { Join::ItemsHere } else { Join::Equal },
        shape,
        non_null,
        description: relationship
            .description
            .clone()
            .unwrap_or_else(|| format!("The {} that `{}` refers to.", target.type_name, source.column(from[0]).name)),
    }
}

fn reverse(
    name: &str,
    relationship: &Relationship,
    catalog: &Catalog,
    here: EntityId,
    from: &[ColumnId],
    to: &[ColumnId],
) -> Relation {
    let source = catalog.entity(here);
    let one = relationship.cardinality == Cardinality::OneToOne && !relationship.each_item;
    Relation {
        name: name.to_owned(),
        target: here,
        from: to.to_vec(),
        to: from.to_vec(),
        join: if relationship.each_item { Join::ItemsThere } else { Join::Equal },
        shape: if one { Shape::One } else { Shape::Connection },
        non_null: false,
        description: format!("{} whose `{}` refers to this.", source.type_name, source.column(from[0]).name),
    }
}

fn add_relation(catalog: &mut Catalog, owner: EntityId, relation: Relation, findings: &mut Vec<Diagnostic>) {
    let entity = &mut catalog.entities[owner.0 as usize];
    let id = RelationId(entity.relations.len() as u32);
    if entity.members.insert(relation.name.clone(), Member::Relation(id)).is_some() {
        findings.push(collision(&format!("field of type `{}`:", entity.type_name), &relation.name));
        return;
    }
    entity.relations.push(relation);
}

/// The stub of the type another product owns, with the key by which this relationship refers to it.
fn stub(
    relationship: &Relationship,
    here: EntityId,
    from: &[ColumnId],
    catalog: &mut Catalog,
    findings: &mut Vec<Diagnostic>,
) -> Option<EntityId> {
    let target = &relationship.target;
    let names: Vec<String> = target.fields.iter().map(|f| camel_case(f)).collect();
    if let Some(&id) = catalog.by_type.get(&target.graphql_type) {
        let entity = catalog.entity(id);
        let key: Vec<&str> = entity.key.iter().map(|c| entity.column(*c).name.as_str()).collect();
        if entity.table.is_some() || key != names {
            findings.push(
                Diagnostic::error(
                    "RELATIONSHIP_STUB",
                    format!("type `{}` of another product is referred to by two different keys, or is a type of this product", target.graphql_type),
                )
                .at(Location::new("contracts", 1, 1))
                .with_hint("refer to one type by one key"),
            );
            return None;
        }
        return Some(id);
    }
    let source = catalog.entity(here);
    let columns: Vec<Column> = from
        .iter()
        .zip(&names)
        .map(|(column, name)| {
            let column = source.column(*column);
            let text = column.scalar.is_text();
            Column {
                name: name.clone(),
                field: name.clone(),
                column: name.clone(),
                object: None,
                pg: column.pg,
                array: false,
                scalar: if text && from.len() == 1 { Scalar::Id } else { column.scalar },
                enum_type: None,
                nested: None,
                required: true,
                searchable: false,
                readable_by_all: true,
                description: None,
                deprecated: None,
            }
        })
        .collect();
    let id = EntityId(catalog.entities.len() as u32);
    let members = names.iter().enumerate().map(|(i, n)| (n.clone(), Member::Column(ColumnId(i as u32)))).collect();
    catalog.by_type.insert(target.graphql_type.clone(), id);
    catalog.entities.push(Entity {
        type_name: target.graphql_type.clone(),
        // the product that owns the type describes it
        description: None,
        table: None,
        key: (0..columns.len() as u32).map(ColumnId).collect(),
        second_keys: Vec::new(),
        columns,
        relations: Vec::new(),
        members,
    });
    Some(id)
}

/// Names that this product's types make up (`CountryFilter`, …) must not be those of other types.
fn check_type_names(catalog: &Catalog, findings: &mut Vec<Diagnostic>) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut check = |name: String| {
        if Product::is_reserved_type(&name) || !seen.insert(name.clone()) {
            findings.push(collision("type", &name));
        }
    };
    for name in catalog.enums.keys() {
        check(name.clone());
        check(format!("{name}Filter"));
    }
    for nested in &catalog.nested {
        check(nested.type_name.clone());
    }
    for entity in &catalog.entities {
        check(entity.type_name.clone());
        if entity.table.is_some() {
            for suffix in ["Connection", "Edge", "Filter", "Order", "OrderField"] {
                check(format!("{}{suffix}", entity.type_name));
            }
            if entity.has_changes() {
                for suffix in ["Changes", "Change", "Key"] {
                    check(format!("{}{suffix}", entity.type_name));
                }
            }
            crate::aggregate::type_names(entity).into_iter().for_each(&mut check);
        }
    }
    for id in catalog.quantified() {
        check(format!("{}RelationFilter", catalog.entity(id).type_name));
    }
    for scalar in crate::sdl::FILTER_SCALARS {
        check(format!("{}Filter", scalar.name()));
        check(format!("{}ListFilter", scalar.name()));
    }
}
