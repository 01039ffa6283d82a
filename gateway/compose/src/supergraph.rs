//! The IR between merging and rendering: one merged schema that remembers which subgraph contributes what.

use crate::names::Symbol;
use crate::schema::{Applied, At, Directive, Kind, Map, Set, Subgraph, SubgraphId, Ty, Version};
use apollo_compiler::Node;
use apollo_compiler::ast::Value;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The merged schema.
#[derive(Debug, Default)]
pub struct Supergraph {
    /// Types in the order of their names.
    pub types: Map<Symbol, MergedType>,
    /// The types that implement each interface, in the order of their names.
    pub implementations: FxHashMap<Symbol, Vec<Symbol>>,
    /// Definitions of executable and composed directives, in the order of their names.
    pub directives: Vec<MergedDirective>,
    /// Specifications that the merged schema links beside join.
    pub links: Vec<MergedLink>,
    /// Directives on the schema itself.
    pub applied: Vec<Applied>,
    /// The description of the schema.
    pub description: Option<Arc<str>>,
    /// The version of the join specification that expresses it.
    pub join: Version,
}

impl Supergraph {
    /// The object types that implement an interface, in the order of their names.
    pub fn objects(&self, interface: Symbol) -> impl Iterator<Item = &MergedType> {
        let all = self.implementations.get(&interface).into_iter().flatten();
        all.filter_map(|name| self.types.get(name)).filter(|ty| ty.kind == Kind::Object)
    }

    /// The subgraphs that have a type.
    pub fn owners<'s>(&self, ty: Symbol, subgraphs: &'s [Subgraph]) -> Vec<&'s Subgraph> {
        let mut ids: Vec<SubgraphId> =
            self.types.get(&ty).into_iter().flat_map(|ty| &ty.joins).map(|join| join.graph).collect();
        ids.dedup();
        ids.iter()
            .filter_map(|id| subgraphs.binary_search_by_key(id, |subgraph| subgraph.id).ok())
            .map(|at| &subgraphs[at])
            .collect()
    }

    /// Where the subgraphs have a type, or a field of it.
    pub fn places(&self, subgraphs: &[Subgraph], ty: Symbol, field: Option<Symbol>) -> Vec<(SubgraphId, At)> {
        let owners = self.owners(ty, subgraphs);
        let types = owners.iter().filter_map(|subgraph| Some((subgraph.id, subgraph.types.get(&ty)?)));
        match field {
            None => types.map(|(id, ty)| (id, ty.at)).collect(),
            Some(field) => types.filter_map(|(id, ty)| Some((id, ty.fields.get(&field)?.at))).collect(),
        }
    }
}

/// A specification linked by the supergraph.
#[derive(Debug, Clone)]
pub struct MergedLink {
    /// Its URL with version.
    pub url: String,
    /// `as`, when it differs from the specification's own name.
    pub prefix: Option<String>,
    /// Imported elements: (name in the specification, local name).
    pub imports: Vec<(String, String)>,
    /// `for`
    pub purpose: Option<&'static str>,
    /// Which of federation's directives it stands for; `None` for a composed specification.
    pub directive: Option<Directive>,
}

/// A merged type.
#[derive(Debug)]
pub struct MergedType {
    /// Its name.
    pub name: Symbol,
    /// What it is.
    pub kind: Kind,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// `@join__type`s.
    pub joins: Vec<JoinType>,
    /// What it implements in any subgraph.
    pub interfaces: Set<Symbol>,
    /// `@join__implements`
    pub join_interfaces: Vec<(SubgraphId, Symbol)>,
    /// Fields of objects, interfaces and inputs.
    pub fields: Map<Symbol, MergedField>,
    /// Members of a union.
    pub members: Set<Symbol>,
    /// `@join__unionMember`
    pub join_members: Vec<(SubgraphId, Symbol)>,
    /// Values of an enum.
    pub values: Map<Symbol, MergedValue>,
    /// Merged directives.
    pub applied: Vec<Applied>,
}

impl MergedType {
    /// Whether a directive is applied to it.
    pub fn has(&self, directive: Directive) -> bool {
        self.applied.iter().any(|applied| applied.directive == directive)
    }
}

/// A `@join__type`.
#[derive(Debug)]
pub struct JoinType {
    /// The subgraph.
    pub graph: SubgraphId,
    /// The text of a key.
    pub key: Option<Arc<str>>,
    /// `extension`
    pub extension: bool,
    /// `resolvable`
    pub resolvable: bool,
    /// `isInterfaceObject`
    pub interface_object: bool,
}

/// A merged field, input field or argument.
#[derive(Debug, Clone)]
pub struct MergedField {
    /// Its name.
    pub name: Symbol,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its type.
    pub ty: Ty,
    /// Its arguments.
    pub args: Map<Symbol, MergedField>,
    /// The default of an input field or argument.
    pub default: Option<Node<Value>>,
    /// `@join__field`s; none means: answered by every subgraph that has the type.
    pub joins: Vec<JoinField>,
    /// Merged directives.
    pub applied: Vec<Applied>,
}

impl MergedField {
    /// Whether a directive is applied to it.
    pub fn has(&self, directive: Directive) -> bool {
        self.applied.iter().any(|applied| applied.directive == directive)
    }
}

/// A `@join__field`.
#[derive(Debug, Clone, Default)]
pub struct JoinField {
    /// The subgraph; none for a field that an interface object contributes.
    pub graph: Option<SubgraphId>,
    /// `requires`
    pub requires: Option<Arc<str>>,
    /// `provides`
    pub provides: Option<Arc<str>>,
    /// `type`, when the subgraphs differ.
    pub ty: Option<Ty>,
    /// `external`
    pub external: bool,
    /// `override`
    pub overrides: Option<Arc<str>>,
    /// `usedOverridden`
    pub used_overridden: bool,
    /// `overrideLabel`
    pub label: Option<Arc<str>>,
    /// `contextArguments`
    pub context_arguments: Vec<ContextArgument>,
}

/// An argument that is filled from a context.
#[derive(Debug, Clone)]
pub struct ContextArgument {
    /// The context, prefixed with its subgraph.
    pub context: String,
    /// The argument.
    pub name: Symbol,
    /// Its type.
    pub ty: Ty,
    /// What is selected from the context.
    pub selection: String,
}

/// A merged enum value.
#[derive(Debug, Clone)]
pub struct MergedValue {
    /// Its description.
    pub description: Option<Arc<str>>,
    /// The subgraphs that have it.
    pub joins: Vec<SubgraphId>,
    /// Merged directives.
    pub applied: Vec<Applied>,
}

/// A merged directive definition.
#[derive(Debug, Clone)]
pub struct MergedDirective {
    /// Its name.
    pub name: Symbol,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its arguments.
    pub args: Map<Symbol, MergedField>,
    /// `repeatable`
    pub repeatable: bool,
    /// Its locations.
    pub locations: Vec<&'static str>,
    /// Whether it came by `@composeDirective`; such ones are no part of the API schema.
    pub composed: bool,
}
