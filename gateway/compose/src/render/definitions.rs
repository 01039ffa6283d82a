//! Definitions: the directives, scalars and enums that a supergraph declares for the specifications it links.

use crate::schema::{Directive, Version};
use rustc_hash::FxHashSet;

const LINK: &str =
    "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA";
const PURPOSE: &str = "enum link__Purpose {
  \"\"\"
  `SECURITY` features provide metadata necessary to securely resolve fields.
  \"\"\"
  SECURITY

  \"\"\"
  `EXECUTION` features provide metadata necessary for operation execution.
  \"\"\"
  EXECUTION
}";

/// Directive definitions, in the order of their names.
pub fn directives(join: Version, used: &FxHashSet<Directive>) -> Vec<String> {
    let mut field =
        "graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, \
                     override: String, usedOverridden: Boolean"
            .to_owned();
    if join >= (0, 4) {
        field.push_str(", overrideLabel: String");
    }
    if join >= (0, 5) {
        field.push_str(", contextArguments: [join__ContextArgument!]");
    }
    let mut all = vec![
        "@join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE".to_owned(),
        format!("@join__field({field}) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION"),
        "@join__graph(name: String!, url: String!) on ENUM_VALUE".to_owned(),
        "@join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE".to_owned(),
        "@join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, \
         isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR"
            .to_owned(),
        "@join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION".to_owned(),
    ];
    if join >= (0, 4) {
        let definition = "@join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments) repeatable \
                          on SCHEMA | OBJECT | INTERFACE | FIELD_DEFINITION";
        all.push(definition.to_owned());
    }
    const EVERYWHERE: &str = "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | \
                              ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION";
    const SECURED: &str = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM";
    let known = [
        (Directive::Tag, format!("@tag(name: String!) repeatable on {EVERYWHERE} | SCHEMA")),
        (Directive::Inaccessible, format!("@inaccessible on {EVERYWHERE}")),
        (Directive::Authenticated, format!("@authenticated on {SECURED}")),
        (Directive::RequiresScopes, format!("@requiresScopes(scopes: [[requiresScopes__Scope!]!]!) on {SECURED}")),
        (Directive::Policy, format!("@policy(policies: [[policy__Policy!]!]!) on {SECURED}")),
        (Directive::Context, "@context(name: String!) repeatable on INTERFACE | OBJECT | UNION".to_owned()),
        (
            Directive::Cost,
            "@cost(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR"
                .to_owned(),
        ),
        (
            Directive::ListSize,
            "@listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: \
             Boolean = true) on FIELD_DEFINITION"
                .to_owned(),
        ),
    ];
    // the cost specification is declared as a whole: routers look for both
    let declared = |directive: &Directive| {
        used.contains(directive) || (*directive == Directive::Cost && used.contains(&Directive::ListSize))
    };
    all.extend(known.into_iter().filter(|(directive, _)| declared(directive)).map(|(_, text)| text));
    if used.contains(&Directive::Context) {
        all.push("@context__fromContext(field: context__ContextFieldValue) on ARGUMENT_DEFINITION".to_owned());
    }
    let mut all: Vec<String> = all.into_iter().map(|text| format!("directive {text}")).collect();
    all.push(LINK.to_owned());
    all.sort();
    all
}

/// Type definitions, in the order of their names, without `join__Graph`.
pub fn types(join: Version, used: &FxHashSet<Directive>) -> Vec<String> {
    let mut all = vec!["scalar join__FieldSet".to_owned(), "scalar link__Import".to_owned(), PURPOSE.to_owned()];
    if join >= (0, 4) {
        all.push("scalar join__DirectiveArguments".to_owned());
    }
    if join >= (0, 5) {
        all.push("scalar join__FieldValue".to_owned());
        let input = "input join__ContextArgument {\n  name: String!\n  type: String!\n  context: String!\n  selection: join__FieldValue!\n}";
        all.push(input.to_owned());
    }
    if used.contains(&Directive::RequiresScopes) {
        all.push("scalar requiresScopes__Scope".to_owned());
    }
    if used.contains(&Directive::Policy) {
        all.push("scalar policy__Policy".to_owned());
    }
    if used.contains(&Directive::Context) {
        all.push("scalar context__ContextFieldValue".to_owned());
    }
    all
}
