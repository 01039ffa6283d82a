//! Catalog: the GraphQL object types of the data port, with columns, keys and relations: what contracts are turned into.

mod build;
mod nested;

pub(crate) use build::build_catalog;

use crate::scalar::Scalar;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use terrane_manifest::PgType;

/// A type of the [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntityId(pub(crate) u32);
/// A column of an [`Entity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ColumnId(pub(crate) u32);
/// A relation of an [`Entity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RelationId(pub(crate) u32);

/// A key of an [`Entity`]; the primary key is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId(pub(crate) u32);

impl KeyId {
    pub(crate) const PRIMARY: Self = Self(0);
}

/// All types of the data port.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) entities: Vec<Entity>,
    pub(crate) by_type: FxHashMap<String, EntityId>,
    pub(crate) roots: BTreeMap<String, Root>,
    /// Root fields of subscriptions, and of what they tell the changes.
    pub(crate) changes: BTreeMap<String, EntityId>,
    pub(crate) enums: BTreeMap<String, EnumType>,
    pub(crate) nested: Vec<NestedType>,
    pub(crate) salt: Option<Salt>,
}

/// A [`NestedType`] of the [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NestedId(pub(crate) u32);

/// The GraphQL type of JSON objects in columns.
#[derive(Debug)]
pub(crate) struct NestedType {
    pub(crate) type_name: String,
    pub(crate) description: Option<String>,
    pub(crate) fields: Vec<NestedField>,
}

/// A member of JSON objects.
#[derive(Debug)]
pub(crate) struct NestedField {
    pub(crate) name: String,
    /// In JSON.
    pub(crate) key: String,
    pub(crate) kind: NestedKind,
    pub(crate) list: bool,
    pub(crate) required: bool,
    pub(crate) description: Option<String>,
    pub(crate) deprecated: Option<String>,
}

/// What a member's values, or the items of its list, are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NestedKind {
    Scalar(Scalar),
    Object(NestedId),
}

/// What hashes of this product are made with, so that nobody else can make them. It travels as a bind, and is never shown.
#[derive(Clone)]
pub(crate) struct Salt(pub(crate) String);

impl Salt {
    /// What is hashed before a value of the field with this policy object: equal values of two fields have two hashes.
    pub(crate) fn prefix(&self, object: &str) -> String {
        format!("{}/{object}/", self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// A root field of the data port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Lookup(EntityId, KeyId),
    List(EntityId),
}

/// A GraphQL enum made from a contract's allowed values: (value, description).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnumType {
    pub(crate) values: Vec<(String, Option<String>)>,
}

/// An object type: a dataset of this product, or the stub of another product's.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) type_name: String,
    pub(crate) description: Option<String>,
    /// None for a stub.
    pub(crate) table: Option<Table>,
    pub(crate) columns: Vec<Column>,
    /// The primary key.
    pub(crate) key: Vec<ColumnId>,
    pub(crate) second_keys: Vec<Vec<ColumnId>>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) members: FxHashMap<String, Member>,
}

/// Where a dataset's rows are.
#[derive(Debug)]
pub(crate) struct Table {
    /// The database schema: of the current version, or of a kept one.
    pub(crate) schema: Arc<str>,
    pub(crate) dataset: String,
    pub(crate) name: String,
    pub(crate) search_language: &'static str,
}

/// What a field name of an object type stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Member {
    Column(ColumnId),
    Relation(RelationId),
}

/// A scalar field.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// ODCS name, as in row filters.
    pub(crate) field: String,
    pub(crate) column: String,
    /// Policy object; none for keys of stubs, which say nothing that the caller did not.
    pub(crate) object: Option<String>,
    pub(crate) pg: PgType,
    pub(crate) array: bool,
    pub(crate) scalar: Scalar,
    pub(crate) enum_type: Option<String>,
    /// What its JSON objects are made of, and whether a value is a list of them.
    pub(crate) nested: Option<(NestedId, bool)>,
    pub(crate) required: bool,
    /// Whether `search` looks into it.
    pub(crate) searchable: bool,
    /// Whether every role that may read the dataset may read it.
    pub(crate) readable_by_all: bool,
    pub(crate) description: Option<String>,
    pub(crate) deprecated: Option<String>,
}

impl Column {
    /// The GraphQL type of one value.
    pub(crate) fn type_name(&self) -> &str {
        self.enum_type.as_deref().unwrap_or(self.scalar.name())
    }

    /// Whether the field is non-null in the schema. An object is not: one that breaks its shape must have a place where it
    /// can be null.
    pub(crate) fn is_non_null(&self) -> bool {
        self.required && self.readable_by_all && self.nested.is_none()
    }
}

/// How the two sides of a relation are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// `here = there`
    Equal,
    /// `there = ANY(here)`: here is an array.
    ItemsHere,
    /// `here = ANY(there)`: there is an array.
    ItemsThere,
}

/// How many objects a relation gives, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One object or null.
    One,
    /// A connection.
    Connection,
    /// A plain list of stubs.
    List,
}

/// A field that leads to another object type.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) target: EntityId,
    pub(crate) from: Vec<ColumnId>,
    pub(crate) to: Vec<ColumnId>,
    pub(crate) join: Join,
    pub(crate) shape: Shape,
    pub(crate) non_null: bool,
    pub(crate) description: String,
}

impl Catalog {
    pub(crate) fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0 as usize]
    }

    pub(crate) fn nested_type(&self, id: NestedId) -> &NestedType {
        &self.nested[id.0 as usize]
    }

    /// Entities in id order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = EntityId> + use<> {
        (0..self.entities.len() as u32).map(EntityId)
    }

    /// The relations of `entity` that filters and orders can follow: those to rows of this product.
    pub(crate) fn followed<'c>(&'c self, entity: &'c Entity) -> impl Iterator<Item = &'c Relation> {
        entity.relations.iter().filter(|r| self.entity(r.target).table.is_some())
    }

    /// Types of which filters can ask for some, none or every of many related rows.
    pub(crate) fn quantified(&self) -> BTreeSet<EntityId> {
        let owners = self.entities.iter().filter(|e| e.table.is_some());
        owners.flat_map(|e| self.followed(e)).filter(|r| r.shape == Shape::Connection).map(|r| r.target).collect()
    }

    /// Types that `_entities` can resolve: datasets, and stubs that this product adds fields to.
    pub(crate) fn resolvable(&self) -> impl Iterator<Item = EntityId> + '_ {
        self.ids().filter(|id| {
            let entity = self.entity(*id);
            entity.table.is_some() || !entity.relations.is_empty()
        })
    }

    /// What `_entities` is asked by: the keys of resolvable types, type by type.
    pub(crate) fn groups(&self) -> Vec<(EntityId, KeyId)> {
        self.resolvable().flat_map(|id| self.entity(id).keys().map(move |key| (id, key))).collect()
    }
}

impl Entity {
    pub(crate) fn column(&self, id: ColumnId) -> &Column {
        &self.columns[id.0 as usize]
    }

    /// Whether its changes are told: they are known by the key.
    pub(crate) fn has_changes(&self) -> bool {
        self.table.is_some() && !self.key.is_empty()
    }

    pub(crate) fn is_searchable(&self) -> bool {
        self.table.is_some() && self.columns.iter().any(|c| c.searchable)
    }

    pub(crate) fn key_of(&self, id: KeyId) -> &[ColumnId] {
        match (id.0 as usize).checked_sub(1) {
            None => &self.key,
            Some(index) => &self.second_keys[index],
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..=self.second_keys.len() as u32).map(KeyId)
    }

    /// The key by which `representation` is meant: the first of which it has every part.
    pub(crate) fn key_in(&self, representation: &Value) -> KeyId {
        if self.second_keys.is_empty() {
            return KeyId::PRIMARY;
        }
        let has = |c: &ColumnId| representation.get(&self.column(*c).name).is_some_and(|v| !v.is_null());
        self.keys().find(|key| self.key_of(*key).iter().all(has)).unwrap_or(KeyId::PRIMARY)
    }

    pub(crate) fn relation(&self, id: RelationId) -> &Relation {
        &self.relations[id.0 as usize]
    }

    /// The column of that ODCS name.
    pub(crate) fn column_of_field(&self, field: &str) -> Option<ColumnId> {
        self.columns.iter().position(|c| c.field == field).map(|i| ColumnId(i as u32))
    }
}
