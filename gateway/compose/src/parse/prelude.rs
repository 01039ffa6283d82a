//! Prelude: turns what a schema links into the definitions it may leave out.

use super::links::Features;
use crate::schema::Directive;
use apollo_compiler::ast::{Definition, Document};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;

/// The field that keeps a query root valid whose only fields are federation's own.
pub const PLACEHOLDER: &str = "_terranePlaceholder";

/// Most subgraphs link the same version with the same imports, so that a mesh needs few different preludes.
#[derive(Debug, Default)]
pub struct Preludes(FxHashMap<String, Document>);

/// More different preludes than this are not kept.
const MOST_KEPT: usize = 64;

impl Preludes {
    /// Definitions of federation's directives and scalars under their local names, as a document.
    pub fn document(&mut self, own: &Document, features: &Features) -> &Document {
        let text = text(own, features);
        if self.0.len() >= MOST_KEPT && !self.0.contains_key(&text) {
            self.0.clear();
        }
        self.0.entry(text).or_insert_with_key(|text| match Document::parse(text.as_str(), "federation") {
            Ok(document) => document,
            Err(failed) => failed.partial,
        })
    }
}

fn text(own: &Document, features: &Features) -> String {
    let mut out = String::with_capacity(4096);
    let mut put = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    let field_set = features.type_name("FieldSet").to_owned();
    let mut directives: Vec<_> = features.directives().collect();
    directives.sort_unstable();
    for (local, directive) in directives {
        if let Some(rest) = definition(directive, features, &field_set) {
            put(format!("directive @{local}{rest}"));
        }
    }
    let mut scalars: Vec<String> = vec![field_set, "link__Import".to_owned(), "_Any".to_owned()];
    if features.version.0 == 1 {
        scalars.push("FieldSet".to_owned());
    } else {
        scalars.extend(["ContextFieldValue", "Scope", "Policy"].map(|name| features.type_name(name).to_owned()));
        scalars.push("_FieldSet".to_owned());
    }
    scalars.sort_unstable();
    scalars.dedup();
    for scalar in scalars {
        put(format!("scalar {scalar}"));
    }
    put("enum link__Purpose { SECURITY EXECUTION }\ntype _Service { sdl: String }\nunion _Entity = _Service".to_owned());
    put(format!("extend type {} {{ {PLACEHOLDER}: Int }}", query_root(own)));
    let link = &features.link_name;
    if !own.definitions.iter().any(|d| matches!(d, Definition::DirectiveDefinition(d) if d.name == link.as_str())) {
        put(format!(
            "directive @{link}(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"
        ));
    }
    out
}

/// The name of the query root type.
fn query_root(own: &Document) -> String {
    let roots = own.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.root_operations.as_slice(),
        Definition::SchemaExtension(schema) => schema.root_operations.as_slice(),
        _ => &[],
    });
    let query =
        roots.filter(|root| root.0 == apollo_compiler::ast::OperationType::Query).map(|root| root.1.to_string());
    query.reduce(|_, last| last).unwrap_or_else(|| "Query".to_owned())
}

/// The definition of a directive after its name.
fn definition(directive: Directive, features: &Features, set: &str) -> Option<String> {
    const EVERYWHERE: &str = "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | \
                              ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION";
    const SECURED: &str = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM";
    let (scope, policy, context) =
        (features.type_name("Scope"), features.type_name("Policy"), features.type_name("ContextFieldValue"));
    let mut text = String::new();
    let mut put = |arguments: std::fmt::Arguments<'_>| text.write_fmt(arguments).expect("a String takes any text");
    match directive {
        Directive::Key => {
            put(format_args!("(fields: {set}!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE"))
        }
        Directive::Requires | Directive::Provides => put(format_args!("(fields: {set}!) on FIELD_DEFINITION")),
        Directive::External => put(format_args!("(reason: String) on OBJECT | FIELD_DEFINITION | INTERFACE")),
        Directive::Extends => put(format_args!(" on OBJECT | INTERFACE")),
        Directive::Shareable => put(format_args!(" repeatable on FIELD_DEFINITION | OBJECT")),
        Directive::Tag => put(format_args!("(name: String!) repeatable on {EVERYWHERE} | SCHEMA")),
        Directive::Inaccessible => put(format_args!(" on {EVERYWHERE}")),
        Directive::Override => put(format_args!("(from: String!, label: String) on FIELD_DEFINITION")),
        Directive::ComposeDirective => put(format_args!("(name: String) repeatable on SCHEMA")),
        Directive::InterfaceObject => put(format_args!(" on OBJECT")),
        Directive::Authenticated => put(format_args!(" on {SECURED}")),
        Directive::RequiresScopes => put(format_args!("(scopes: [[{}!]!]!) on {SECURED}", or_string(scope))),
        Directive::Policy => put(format_args!("(policies: [[{}!]!]!) on {SECURED}", or_string(policy))),
        Directive::Context => put(format_args!("(name: String!) repeatable on INTERFACE | OBJECT | UNION")),
        Directive::FromContext => put(format_args!("(field: {}) on ARGUMENT_DEFINITION", or_string(context))),
        Directive::Cost => put(format_args!(
            "(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR"
        )),
        Directive::ListSize => put(format_args!(
            "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true) \
             on FIELD_DEFINITION"
        )),
        Directive::CacheTag => put(format_args!("(format: String!) repeatable on FIELD_DEFINITION | OBJECT")),
        Directive::Custom(_) => return None,
    }
    Some(text)
}

/// A specification that is linked without federation brings no scalars of its own.
fn or_string(scalar: &str) -> &str {
    if scalar == "_FieldSet" { "String" } else { scalar }
}
