//! Schema: turns a checked product and the standard ports' SDL into the schema that operations are compiled against.

use crate::access::Access;
use crate::as_of::Kept;
use crate::catalog::{Catalog, EntityId, Root, Salt, build_catalog};
use crate::prepare::Prepared;
use crate::sdl::{print_full, print_sdl};
use apollo_compiler::ast::{self, Definition};
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node, Schema};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use terrane_diagnostics::{Diagnostic, Location, has_errors};
use terrane_graphql::GraphqlError;
use terrane_manifest::Product;

/// The data port's schema, its federation SDL, and the full schema with the standard ports.
pub struct DataSchema {
    pub(crate) catalog: Catalog,
    pub(crate) full: Valid<Schema>,
    pub(crate) implementers: apollo_compiler::collections::HashMap<Name, Implementers>,
    pub(crate) kept: Option<Kept>,
    sdl: String,
    product: String,
}

/// Who answers a root field of the query type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootField {
    Data(Root),
    Entities,
    Service,
    Typename,
    Introspection,
    Ports,
    Changes(EntityId),
}

impl DataSchema {
    /// Build the schema of `product` (from its output contracts), joined with `ports_sdl`: the standard ports, an SDL
    /// with its own `type Query` and maybe `type Mutation` and `type Subscription`.
    ///
    /// # Errors
    /// Every diagnostic: name collisions, and whatever makes the joined schema invalid.
    pub fn build(product: &Product, ports_sdl: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let catalog = build_catalog(product, &mut findings);
        let sdl = print_sdl(&catalog);
        let ports = without_duplicates(ports_sdl, &sdl, &mut findings);
        let text = print_full(&catalog, &sdl);
        let full = Schema::builder()
            .adopt_orphan_extensions()
            .parse(text, "data.graphql")
            .parse(ports, "ports.graphql")
            .build()
            .and_then(Schema::validate);
        match full {
            Ok(full) if !has_errors(&findings) => Ok(Self {
                implementers: full.implementers_map(),
                catalog,
                full,
                sdl,
                kept: None,
                product: product.id.clone(),
            }),
            Ok(_) => Err(findings),
            Err(with_errors) => {
                findings.extend(with_errors.errors.iter().map(|problem| {
                    let place = problem.line_column_range().map_or((1, 1), |r| (r.start.line, r.start.column));
                    Diagnostic::error("SCHEMA_INVALID", problem.error.to_string())
                        .at(Location::new("schema of the data port", place.0 as u32, place.1 as u32))
                        .with_hint("rename what collides with custom properties of the contract")
                }));
                Err(findings)
            }
        }
    }

    /// With the secret that hashes of masked fields are made with: at least 32 random characters, always the same for one
    /// product. Without it fields that are masked by `hash` are null.
    #[must_use]
    pub fn with_mask_salt(mut self, salt: &str) -> Self {
        self.catalog.salt = Some(Salt(salt.to_owned())).filter(|s| s.0.len() >= 32);
        self
    }

    /// [`crate::prepare`] as a method.
    ///
    /// # Errors
    /// As [`crate::prepare`].
    pub fn prepare(
        self: &Arc<Self>,
        text: &str,
        operation_name: Option<&str>,
        access: &Arc<Access>,
    ) -> Result<Prepared, Vec<GraphqlError>> {
        crate::prepare::prepare(self, text, operation_name, access)
    }

    /// The federation SDL of the data types, as `_service { sdl }` answers it. Stable: the same contracts give the same
    /// text.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// Id of the product.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The full schema: data, federation's root fields and the standard ports.
    pub fn full_sdl(&self) -> String {
        self.full.serialize().to_string()
    }

    /// Who answers a root field of a subscription.
    pub(crate) fn subscription_field(&self, name: &str) -> RootField {
        match name {
            "__typename" => RootField::Typename,
            _ => self.catalog.changes.get(name).map_or(RootField::Ports, |id| RootField::Changes(*id)),
        }
    }

    pub(crate) fn root_field(&self, name: &str) -> RootField {
        match name {
            "_entities" => RootField::Entities,
            "_service" => RootField::Service,
            "__typename" => RootField::Typename,
            "__schema" | "__type" => RootField::Introspection,
            _ => self.catalog.roots.get(name).map_or(RootField::Ports, |root| RootField::Data(*root)),
        }
    }
}

/// The ports' SDL with `type Query` as an extension of ours, without the scalars and directives that both define.
fn without_duplicates(ports_sdl: &str, data_sdl: &str, findings: &mut Vec<Diagnostic>) -> String {
    let parse = |text: &str, name: &str| ast::Document::parse(text, name);
    let (Ok(data), ports) = (parse(data_sdl, "data.graphql"), parse(ports_sdl, "ports.graphql")) else {
        return String::new();
    };
    let mut document = match ports {
        Ok(document) => document,
        Err(problem) => {
            findings
                .push(Diagnostic::error("SCHEMA_INVALID", format!("the ports' SDL is invalid: {}", problem.errors)));
            return String::new();
        }
    };
    let ours: HashMap<&str, bool> = data
        .definitions
        .iter()
        .filter_map(|d| Some((d.name()?.as_str(), matches!(d, Definition::ScalarTypeDefinition(_)))))
        .collect();
    document.definitions.retain(|definition| match definition {
        Definition::ScalarTypeDefinition(scalar) => !is_scalar(&ours, &scalar.name),
        Definition::ObjectTypeDefinition(object) => !(object.name == "PageInfo" && ours.contains_key("PageInfo")),
        Definition::DirectiveDefinition(directive) => {
            !["key", "link", "shareable", "skip", "include", "deprecated", "specifiedBy"]
                .contains(&directive.name.as_str())
        }
        Definition::SchemaDefinition(_) | Definition::SchemaExtension(_) => false,
        _ => true,
    });
    for definition in &mut document.definitions {
        if let Definition::ObjectTypeDefinition(object) = definition
            && (object.name == "Query" || object.name == "Subscription" && ours.contains_key("Subscription"))
        {
            *definition = Definition::ObjectTypeExtension(Node::new(ast::ObjectTypeExtension {
                name: object.name.clone(),
                implements_interfaces: object.implements_interfaces.clone(),
                directives: object.directives.clone(),
                fields: object.fields.clone(),
            }));
        }
    }
    document.to_string()
}

fn is_scalar<S: BuildHasher>(ours: &HashMap<&str, bool, S>, name: &Name) -> bool {
    ours.get(name.as_str()).copied().unwrap_or(false)
}
