//! The IR between parsing and merging: one subgraph's schema with names interned and federation directives understood.

mod directive;
mod selection;
mod types;

pub use directive::{Applied, Directive};
pub use selection::{FieldSet, Selection, parse_field_set};
pub use types::Ty;

use crate::names::Symbol;
use apollo_compiler::Node;
use apollo_compiler::ast::Value;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::sync::Arc;

/// A map that keeps insertion order and hashes symbols fast.
pub type Map<K, V> = IndexMap<K, V, FxBuildHasher>;
/// A set that keeps insertion order and hashes symbols fast.
pub type Set<K> = indexmap::IndexSet<K, FxBuildHasher>;

/// Which subgraph; subgraphs are numbered in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubgraphId(pub u32);

impl SubgraphId {
    /// As an index into the list of subgraphs.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A byte offset in a subgraph's text, or nowhere for what the compiler added itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(u32);

impl At {
    /// No place.
    pub const NOWHERE: At = At(u32::MAX);

    /// At a byte offset.
    pub fn new(offset: usize) -> Self {
        Self(u32::try_from(offset).unwrap_or(u32::MAX))
    }

    /// The byte offset if there is one.
    pub fn offset(self) -> Option<u32> {
        (self != Self::NOWHERE).then_some(self.0)
    }
}

/// The kinds of named types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `scalar`
    Scalar,
    /// `type`
    Object,
    /// `interface`
    Interface,
    /// `union`
    Union,
    /// `enum`
    Enum,
    /// `input`
    Input,
}

impl Kind {
    /// The kind as messages call it.
    pub fn text(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Object => "object type",
            Kind::Interface => "interface",
            Kind::Union => "union",
            Kind::Enum => "enum",
            Kind::Input => "input object",
        }
    }

    /// Whether values of this kind can only be selected with sub-selections.
    pub fn is_composite(self) -> bool {
        matches!(self, Kind::Object | Kind::Interface | Kind::Union)
    }
}

/// A federation version as `(major, minor)`; Federation 1 is `(1, 0)`.
pub type Version = (u16, u16);

/// One subgraph after parsing.
#[derive(Debug)]
pub struct Subgraph {
    /// Its number.
    pub id: SubgraphId,
    /// Its name as given.
    pub name: String,
    /// Its routing address, passed on as text.
    pub url: String,
    /// Which federation it is written in.
    pub federation: Version,
    /// Its types by their name in the supergraph (root types are renamed).
    pub types: Map<Symbol, Type>,
    /// Directive definitions of its own, without federation's.
    pub directives: Map<Symbol, DirectiveDefinition>,
    /// The specifications it links.
    pub links: Vec<Link>,
    /// Names in `@composeDirective`, without the `@`.
    pub composed: Vec<(Symbol, At)>,
    /// Directives applied to its `schema`.
    pub applied: Vec<Applied>,
    /// The description of its `schema`.
    pub description: Option<Arc<str>>,
}

impl Subgraph {
    /// The types that implement each interface.
    pub fn implementations(&self) -> FxHashMap<Symbol, Vec<Symbol>> {
        let mut implementations: FxHashMap<Symbol, Vec<Symbol>> = FxHashMap::default();
        for ty in self.types.values() {
            for interface in &ty.interfaces {
                implementations.entry(*interface).or_default().push(ty.name);
            }
        }
        implementations
    }

    /// Whether it is written in Federation 1.
    pub fn is_fed1(&self) -> bool {
        self.federation.0 == 1
    }
}

/// One `@link` of a subgraph.
#[derive(Debug, Clone)]
pub struct Link {
    /// The URL without name and version, e.g. `https://specs.apollo.dev/federation`.
    pub identity: String,
    /// The full URL.
    pub url: String,
    /// The version, `(0, 0)` when the URL has none.
    pub version: Version,
    /// The name that prefixes what is not imported.
    pub prefix: String,
    /// Imported elements: (name in the specification, local name); directives with their `@`.
    pub imports: Vec<(String, String)>,
    /// Where it is applied.
    pub at: At,
}

/// A named type of one subgraph, extensions folded in.
#[derive(Debug)]
pub struct Type {
    /// Its name in the supergraph.
    pub name: Symbol,
    /// What it is.
    pub kind: Kind,
    /// Where its name stands.
    pub at: At,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Whether the subgraph only extends it (`extend type` or `@extends`).
    pub extension: bool,
    /// `@interfaceObject`.
    pub interface_object: bool,
    /// Its `@key`s.
    pub keys: Vec<Key>,
    /// What it implements.
    pub interfaces: Set<Symbol>,
    /// Fields of objects, interfaces and input objects.
    pub fields: Map<Symbol, Field>,
    /// Members of a union.
    pub members: Set<Symbol>,
    /// Values of an enum.
    pub values: Map<Symbol, EnumValue>,
    /// The directives that merging keeps.
    pub applied: Vec<Applied>,
}

/// A `@key`.
#[derive(Debug, Clone)]
pub struct Key {
    /// The selected fields.
    pub fields: FieldSet,
    /// `resolvable`, true unless said otherwise.
    pub resolvable: bool,
    /// Whether it stands on an extension of the type.
    pub extension: bool,
    /// Where the directive stands.
    pub at: At,
}

/// A field, an input field or an argument.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: Symbol,
    /// Where its name stands.
    pub at: At,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its type.
    pub ty: Ty,
    /// Its arguments.
    pub args: Map<Symbol, Field>,
    /// The default of an input field or argument.
    pub default: Option<Node<Value>>,
    /// `@external`, on the field or its type.
    pub external: bool,
    /// `@shareable`, on the field or its type, or implied.
    pub shareable: bool,
    /// `@requires`.
    pub requires: Option<FieldSet>,
    /// `@provides`.
    pub provides: Option<FieldSet>,
    /// `@override`.
    pub overrides: Option<Override>,
    /// Whether a key of the subgraph selects it.
    pub in_key: bool,
    /// Whether a `@provides` of the subgraph selects it.
    pub provided: bool,
    /// Whether a `@requires` of the subgraph selects it.
    pub required: bool,
    /// `@fromContext(field:)` of an argument.
    pub from_context: Option<(Arc<str>, At)>,
    /// The directives that merging keeps.
    pub applied: Vec<Applied>,
}

impl Field {
    /// A field without arguments or marks.
    pub fn new(name: Symbol, ty: Ty, at: At) -> Self {
        Self {
            name,
            at,
            description: None,
            ty,
            args: Map::default(),
            default: None,
            external: false,
            shareable: false,
            requires: None,
            provides: None,
            overrides: None,
            in_key: false,
            provided: false,
            required: false,
            from_context: None,
            applied: Vec::new(),
        }
    }

    /// Whether the subgraph never answers it by itself.
    pub fn is_fully_external(&self) -> bool {
        self.external && !self.provided
    }
}

/// An `@override`.
#[derive(Debug, Clone)]
pub struct Override {
    /// The subgraph that loses the field.
    pub from: Arc<str>,
    /// The label of a progressive override.
    pub label: Option<Arc<str>>,
    /// Where the directive stands.
    pub at: At,
}

/// A value of an enum.
#[derive(Debug, Clone)]
pub struct EnumValue {
    /// Where it stands.
    pub at: At,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// The directives that merging keeps.
    pub applied: Vec<Applied>,
}

/// The definition of a directive.
#[derive(Debug, Clone)]
pub struct DirectiveDefinition {
    /// Its name.
    pub name: Symbol,
    /// Where it stands.
    pub at: At,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its arguments.
    pub args: Map<Symbol, Field>,
    /// `repeatable`.
    pub repeatable: bool,
    /// Its locations, as GraphQL writes them, sorted.
    pub locations: Vec<&'static str>,
}
