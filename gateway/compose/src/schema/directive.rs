//! Applied directives: gives the directives of all specifications one vocabulary, whatever a subgraph calls them.

use super::At;
use crate::names::Symbol;
use apollo_compiler::Node;
use apollo_compiler::ast::Value;
use std::sync::Arc;

macro_rules! directives {
    ($($variant:ident = $name:literal since $since:literal,)+) => {
        /// Which directive, independent of its local name.
        #[allow(clippy::enum_variant_names, reason = "variants are called what the specification calls them")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Directive {
            $(#[doc = concat!("`@", $name, "`")] $variant,)+
            /// A directive that GraphQL itself defines, or one of a subgraph's own.
            Custom(Symbol),
        }
        impl Directive {
            /// Those of the federation specification: name, directive, and the minor version of Federation 2 they
            /// came with.
            pub const FEDERATION: &[(&str, Directive, u16)] = &[$(($name, Directive::$variant, $since)),+];
        }
    };
}

directives! {
    Key = "key" since 0,
    Requires = "requires" since 0,
    Provides = "provides" since 0,
    External = "external" since 0,
    Tag = "tag" since 0,
    Extends = "extends" since 0,
    Shareable = "shareable" since 0,
    Inaccessible = "inaccessible" since 0,
    Override = "override" since 0,
    ComposeDirective = "composeDirective" since 1,
    InterfaceObject = "interfaceObject" since 3,
    Authenticated = "authenticated" since 5,
    RequiresScopes = "requiresScopes" since 5,
    Policy = "policy" since 6,
    Context = "context" since 8,
    FromContext = "fromContext" since 8,
    Cost = "cost" since 9,
    ListSize = "listSize" since 9,
    CacheTag = "cacheTag" since 12,
}

/// A directive at a place that merging keeps.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Which one.
    pub directive: Directive,
    /// Its arguments as written.
    pub args: Vec<(Arc<str>, Node<Value>)>,
    /// Where it stands.
    pub at: At,
}

impl Applied {
    /// The value of an argument.
    pub fn arg(&self, name: &str) -> Option<&Value> {
        self.args.iter().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
    }

    /// Whether both are the same directive with the same arguments, wherever they stand.
    pub fn same(&self, other: &Self) -> bool {
        self.directive == other.directive
            && self.args.len() == other.args.len()
            && self.args.iter().all(|(name, value)| other.arg(name).is_some_and(|theirs| theirs == &**value))
    }
}
