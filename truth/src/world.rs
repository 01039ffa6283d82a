//! Worlds: the IR of a random graph, from which its monolith, its subgraphs and its data all follow.
//!
//! Every object is a number; the numbers of a type are consecutive. A field's value is a function of the world's seed, the
//! object's number, the field's name, its arguments and what it requires — not of the subgraph that is asked.

use std::collections::{BTreeMap, BTreeSet};

/// How many objects each object type has.
pub const OBJECTS: u32 = 4;

/// A type of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// A subgraph of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphId(pub u32);

/// A graph and how it is split.
#[derive(Debug, Clone)]
pub struct World {
    /// What its data follows from.
    pub seed: u64,
    /// How many subgraphs it is split into.
    pub graphs: u32,
    /// Its types; 0 is `Query` and 1 is `Mutation`.
    pub types: Vec<Type>,
    /// Whether the label of progressive overrides is active.
    pub label: bool,
}

/// What kind of type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Query` or `Mutation`.
    Root,
    /// An object type; with keys it is an entity.
    Object,
    /// An interface.
    Interface,
    /// A union.
    Union,
}

/// A type.
#[derive(Debug, Clone)]
pub struct Type {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Of an object or interface type.
    pub fields: Vec<Field>,
    /// Its keys, as far as it has them in any subgraph.
    pub keys: Vec<KeyShape>,
    /// The subgraphs that define it, and which of its keys they have.
    pub graphs: BTreeMap<GraphId, Presence>,
    /// Of an interface or union: the object types it stands for.
    pub members: Vec<TypeId>,
    /// Whether all its fields are leaves that never fail, so that others may require them.
    pub plain: bool,
}

/// A type in a subgraph.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    /// Indexes of its keys there.
    pub keys: BTreeSet<usize>,
    /// The keys are for reference only.
    pub unresolvable: bool,
    /// An interface that is an `@interfaceObject` there.
    pub interface_object: bool,
}

/// A key: what fields identify an object, and how their values say its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyShape {
    /// `id`, the number as a text.
    Id,
    /// `code`, the number as a text with a letter.
    Code,
    /// `row column`, the number in two parts.
    Pair,
    /// `ref { row column }`, the same in an object of a type of its own.
    Nested,
}

impl KeyShape {
    /// The field set.
    pub fn text(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Code => "code",
            Self::Pair => "row column",
            Self::Nested => "ref { row column }",
        }
    }

    /// The fields at its top.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Id => &["id"],
            Self::Code => &["code"],
            Self::Pair => &["row", "column"],
            Self::Nested => &["ref"],
        }
    }
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Its arguments.
    pub args: Vec<Argument>,
    /// Whether it raises errors, and nulls where its type allows none.
    pub fails: bool,
    /// Where its value comes from.
    pub source: Source,
    /// Who answers it.
    pub owners: BTreeMap<GraphId, Owner>,
    /// The subgraph that it was moved from with `@override`, and whether by label.
    pub overridden: Option<(GraphId, bool)>,
    /// The interface whose `@interfaceObject` answers it.
    pub via: Option<TypeId>,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It looks random.
    Hash,
    /// It is a part of the number.
    Key,
}

/// A field in a subgraph that answers it.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    /// `@requires`
    pub requires: FieldSet,
    /// `@provides`
    pub provides: FieldSet,
}

/// Fields, each with the leaves that are selected of it.
pub type FieldSet = Vec<(String, Vec<String>)>;

/// The text of a field set.
pub fn field_set_text(set: &FieldSet) -> String {
    let item = |(name, below): &(String, Vec<String>)| {
        if below.is_empty() { name.clone() } else { format!("{name} {{ {} }}", below.join(" ")) }
    };
    set.iter().map(item).collect::<Vec<_>>().join(" ")
}

/// A type of a field or argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ty {
    /// What is in the lists, or the type itself.
    pub base: Base,
    /// Whether that is non-null.
    pub non_null: bool,
    /// Lists around it, the outermost first: whether each is non-null.
    pub lists: Vec<bool>,
}

/// A named type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// `Int`
    Int,
    /// `Float`
    Float,
    /// `String`
    String,
    /// `Boolean`
    Boolean,
    /// `ID`
    Id,
    /// `Color`, an enum that every subgraph has.
    Color,
    /// `Range`, an input that every subgraph has.
    Range,
    /// A type of the world.
    Type(TypeId),
}

/// An argument.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Its default, as GraphQL text.
    pub default: Option<&'static str>,
}

impl Ty {
    /// A nullable type.
    pub fn of(base: Base) -> Self {
        Self { base, non_null: false, lists: Vec::new() }
    }

    /// The non-null type.
    pub fn must(base: Base) -> Self {
        Self { base, non_null: true, lists: Vec::new() }
    }

    /// The type of the world that it is of.
    pub fn composite(&self) -> Option<TypeId> {
        if let Base::Type(id) = self.base { Some(id) } else { None }
    }
}

impl World {
    /// A type by its id.
    pub fn ty(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// A type by its name.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        let found = self.types.iter().position(|ty| ty.name == name)?;
        Some(TypeId(u32::try_from(found).expect("there are few types")))
    }

    /// All types.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (0..u32::try_from(self.types.len()).expect("there are few types")).map(TypeId)
    }

    /// All subgraphs.
    pub fn graph_ids(&self) -> impl Iterator<Item = GraphId> + use<> {
        (0..self.graphs).map(GraphId)
    }

    /// The number of an object of an object type.
    pub fn number(&self, ty: TypeId, object: u32) -> u32 {
        ty.0 * OBJECTS + object % OBJECTS
    }

    /// The object type of a number; `None` where there is no such object.
    pub fn type_of(&self, number: u32) -> Option<TypeId> {
        let id = TypeId(number / OBJECTS);
        let known = self.types.get(id.0 as usize).is_some_and(|ty| ty.kind == Kind::Object);
        known.then_some(id)
    }

    /// The object types that a type stands for in a subgraph; in no subgraph: at all.
    pub fn possible(&self, id: TypeId, graph: Option<GraphId>) -> Vec<TypeId> {
        let ty = self.ty(id);
        let (Kind::Interface | Kind::Union) = ty.kind else { return vec![id] };
        let has = |member: TypeId, graph: GraphId| self.ty(member).graphs.contains_key(&graph);
        let in_some = |member: TypeId| {
            ty.graphs.iter().any(|(graph, presence)| !presence.interface_object && has(member, *graph))
        };
        let graph = graph.filter(|graph| !ty.graphs.get(graph).is_some_and(|presence| presence.interface_object));
        let members = ty.members.iter().copied();
        members.filter(|member| graph.map_or_else(|| in_some(*member), |graph| has(*member, graph))).collect()
    }

    /// Whether a type is an `@interfaceObject` in a subgraph.
    pub fn is_interface_object(&self, id: TypeId, graph: Option<GraphId>) -> bool {
        graph.and_then(|graph| self.ty(id).graphs.get(&graph)).is_some_and(|presence| presence.interface_object)
    }

    /// The object types that a field's values may have: those which all that answer it know.
    pub fn runtime_types(&self, field: &Field) -> Vec<TypeId> {
        let Some(id) = field.ty.composite() else { return Vec::new() };
        let mut types = self.possible(id, None);
        for graph in field.owners.keys() {
            let known = self.possible(id, Some(*graph));
            types.retain(|ty| known.contains(ty));
        }
        types
    }

    /// The fields of a type that a subgraph can't answer by itself, but names in `@requires` or `@provides`.
    pub fn external(&self, id: TypeId, graph: GraphId) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for field in &self.ty(id).fields {
            names.extend(field.owners.get(&graph).into_iter().flat_map(|o| o.requires.iter().map(|(n, _)| n.clone())));
        }
        for field in self.types.iter().flat_map(|ty| &ty.fields).filter(|f| f.ty.composite() == Some(id)) {
            names.extend(field.owners.get(&graph).into_iter().flat_map(|o| o.provides.iter().map(|(n, _)| n.clone())));
        }
        names.retain(|name| self.field(id, name).is_some_and(|field| !field.owners.contains_key(&graph)));
        names
    }

    /// A field of a type.
    pub fn field(&self, id: TypeId, name: &str) -> Option<&Field> {
        self.ty(id).fields.iter().find(|field| field.name == name)
    }

    /// Whether a subgraph lists a field of an object type.
    pub fn lists(&self, id: TypeId, field: &Field, graph: GraphId) -> bool {
        field.owners.contains_key(&graph)
            || field.overridden.is_some_and(|(from, _)| from == graph)
            || self.external(id, graph).contains(&field.name)
    }

    /// The fields that an interface has in a subgraph: those that all its implementations there list, externals aside.
    pub fn interface_fields(&self, id: TypeId, graph: GraphId) -> Vec<&Field> {
        let members = self.possible(id, Some(graph));
        let all_list = |field: &&Field| {
            members.iter().all(|member| {
                self.field(*member, &field.name).is_some_and(|own| {
                    own.owners.contains_key(&graph) || own.overridden.is_some_and(|(from, _)| from == graph)
                })
            })
        };
        self.ty(id).fields.iter().filter(all_list).collect()
    }
}
