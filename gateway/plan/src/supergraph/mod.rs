//! The supergraph: turns join-specification SDL into arenas of types, fields and who resolves them.

mod api;
mod context;
mod costs;
mod field_set;
mod governance;
mod join;
mod parse;
mod type_joins;

use crate::error::PlanError;
use crate::ids::{FieldId, NodeId, SubgraphId, TypeId, TypeSet};
use crate::selection::Selections;
use apollo_compiler::ast::{OperationType, Type};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashMap;
use type_joins::TypeJoins;

pub use costs::{Costs, ListSize};
pub use governance::{Description, Element, Governance, Requirement};

/// A composed graph: its subgraphs, its API schema and who can resolve what.
#[derive(Debug)]
pub struct Supergraph {
    pub(crate) subgraphs: Vec<Subgraph>,
    /// The subgraphs by their values of `join__Graph`.
    pub(crate) graphs: FxHashMap<Name, SubgraphId>,
    pub(crate) types: Vec<TypeDef>,
    pub(crate) fields: Vec<FieldDef>,
    pub(crate) sets: Selections,
    pub(crate) by_name: FxHashMap<Name, TypeId>,
    pub(crate) roots: [Option<TypeId>; 3],
    pub(crate) api: Valid<Schema>,
    pub(crate) governance: Governance,
    pub(crate) costs: Costs,
}

/// One subgraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subgraph {
    /// Its name, as its owner wrote it.
    pub name: String,
    /// Where it is served; may be empty.
    pub url: String,
    /// The value of `join__Graph` that stands for it.
    pub(crate) graph: Name,
}

/// What kind of named type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An object type.
    Object,
    /// An interface.
    Interface,
    /// A union.
    Union,
    /// A scalar.
    Scalar,
    /// An enum.
    Enum,
    /// An input object.
    Input,
}

/// A named type.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub name: Name,
    pub kind: Kind,
    /// Object types that a value of it may have.
    pub possible: TypeSet,
    /// What it is in the subgraphs that have it.
    pub joins: TypeJoins,
    pub fields: FxHashMap<Name, FieldId>,
    pub interfaces: Vec<TypeId>,
    pub inaccessible: bool,
    /// Values of an enum.
    pub values: Vec<EnumValue>,
}

/// A value of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// Its name.
    pub name: Name,
    /// Clients may not see it.
    pub inaccessible: bool,
}

/// A type in one subgraph.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeJoin {
    pub keys: Vec<Key>,
    /// `@interfaceObject`: an interface that the subgraph sees as an object type.
    pub interface_object: bool,
    /// The subgraph does not know the type, only an interface object that stands for it.
    pub is_virtual: bool,
    /// Object types that the subgraph may answer with where it promises this type.
    pub possible: TypeSet,
}

/// A way to enter a subgraph at an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub set: NodeId,
    pub resolvable: bool,
    /// The type that representations name: the object type, or the interface object that stands for it.
    pub entity: TypeId,
}

/// A field of an object or interface type.
#[derive(Debug)]
pub(crate) struct FieldDef {
    pub name: Name,
    pub ty: Type,
    pub base: TypeId,
    pub joins: Vec<FieldJoin>,
}

/// A field in one subgraph.
#[derive(Debug, Clone)]
pub(crate) struct FieldJoin {
    pub subgraph: SubgraphId,
    pub external: bool,
    pub requires: Option<NodeId>,
    pub provides: Option<NodeId>,
    /// The field's type there.
    pub ty: Type,
    pub base: TypeId,
    /// Resolved there only while the label is (or is not) among the active ones.
    pub label: Option<(String, bool)>,
    /// Resolved by this interface object.
    pub via: Option<TypeId>,
    /// Arguments that the gateway takes from objects above (`@fromContext`).
    pub contexts: Vec<ContextArgument>,
}

/// An argument that the gateway takes from an object above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextArgument {
    pub name: Name,
    pub ty: Type,
    /// By type that sets the context: what is taken of its objects.
    pub sets: Vec<(TypeId, NodeId)>,
}

impl Supergraph {
    /// Read supergraph SDL of the join specification, v0.1 to v0.5.
    ///
    /// # Errors
    /// [`PlanError::Supergraph`] when the text is not valid GraphQL or its join directives contradict each other.
    pub fn parse(sdl: &str) -> Result<Self, PlanError> {
        parse::parse(sdl)
    }

    /// The API schema: what clients see, to validate operations against and for introspection.
    pub fn api_schema(&self) -> &Valid<Schema> {
        &self.api
    }

    /// Who may ask for what, as the subgraphs have said it. Planning denies nothing by it: see [`crate::PlanOptions::denied`].
    pub fn governance(&self) -> &Governance {
        &self.governance
    }

    /// What the subgraphs have said about costs.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// The subgraphs, in the order of their ids.
    pub fn subgraphs(&self) -> &[Subgraph] {
        &self.subgraphs
    }

    /// The name of a type.
    pub fn type_name(&self, ty: TypeId) -> &Name {
        &self.types[ty.index()].name
    }

    /// The kind of a type.
    pub fn kind(&self, ty: TypeId) -> Kind {
        self.types[ty.index()].kind
    }

    /// How many types there are; ids are smaller.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// Whether clients may not see the type.
    pub fn is_inaccessible(&self, ty: TypeId) -> bool {
        self.types[ty.index()].inaccessible
    }

    /// The values of an enum; none for other types.
    pub fn enum_values(&self, ty: TypeId) -> &[EnumValue] {
        &self.types[ty.index()].values
    }

    /// The type of a field as clients see it.
    pub fn field_type(&self, field: FieldId) -> &Type {
        &self.fields[field.index()].ty
    }

    /// The named type inside of a field's type.
    pub fn field_base(&self, field: FieldId) -> TypeId {
        self.fields[field.index()].base
    }

    /// Whether a subgraph sees an interface as an object type.
    pub fn has_interface_object(&self, ty: TypeId) -> bool {
        self.types[ty.index()].joins.iter().any(|(_, join)| join.interface_object)
    }

    /// The object types that a type may be; the type itself for an object type.
    pub fn possible_types(&self, ty: TypeId) -> &TypeSet {
        &self.types[ty.index()].possible
    }

    /// The name of a field.
    pub fn field_name(&self, field: FieldId) -> &Name {
        &self.fields[field.index()].name
    }

    /// The field `name` of a type.
    pub fn field_of(&self, ty: TypeId, name: &str) -> Option<FieldId> {
        self.types[ty.index()].fields.get(name).copied()
    }

    /// A type by its name.
    pub fn type_by_name(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The type of the root of operations of a kind.
    pub fn root(&self, kind: OperationType) -> Option<TypeId> {
        self.roots[root_index(kind)]
    }

    pub(crate) fn ty(&self, ty: TypeId) -> &TypeDef {
        &self.types[ty.index()]
    }

    pub(crate) fn field(&self, field: FieldId) -> &FieldDef {
        &self.fields[field.index()]
    }

    pub(crate) fn join(&self, ty: TypeId, subgraph: SubgraphId) -> Option<&TypeJoin> {
        self.types[ty.index()].joins.get(subgraph)
    }

    pub(crate) fn is_interface_object(&self, ty: TypeId, subgraph: SubgraphId) -> bool {
        self.join(ty, subgraph).is_some_and(|join| join.interface_object)
    }

    pub(crate) fn is_abstract(&self, ty: TypeId) -> bool {
        matches!(self.types[ty.index()].kind, Kind::Interface | Kind::Union)
    }

    pub(crate) fn is_root(&self, ty: TypeId) -> bool {
        self.roots.contains(&Some(ty))
    }
}

pub(crate) fn root_index(kind: OperationType) -> usize {
    match kind {
        OperationType::Query => 0,
        OperationType::Mutation => 1,
        OperationType::Subscription => 2,
    }
}
