//! Documents: turns SDL text into a syntax tree and a GraphQL schema that is valid on its own.

use super::links::Features;
use super::prelude::Preludes;
use crate::report::Report;
use crate::schema::{At, SubgraphId};
use apollo_compiler::ast::{Definition, Document};
use apollo_compiler::parser::{Parser, SourceSpan};
use apollo_compiler::validation::DiagnosticList;
use apollo_compiler::{Node, Schema};

/// Nesting of values and types beyond this is refused.
const DEEPEST: usize = 200;
/// More tokens than this are refused: about 20 MB of SDL.
const MOST_TOKENS: usize = 8_000_000;
/// Texts longer than this are tried by their first tokens before they are parsed as a whole: the parser keeps a record
/// of each error, which is more than a machine has for megabytes of noise.
const LONG: usize = 1 << 20;
/// The number of tokens tried first.
const FIRST_TOKENS: usize = 50_000;
/// Syntax errors are reported up to this number: after the first ones they are noise.
const MOST_ERRORS: usize = 20;

/// The place of a syntax node.
pub fn at(location: Option<SourceSpan>) -> At {
    location.map_or(At::NOWHERE, |span| At::new(span.offset()))
}

/// Parses the SDL; reports syntax errors and returns `None` if there are any.
pub fn parse(id: SubgraphId, input: &crate::Subgraph, report: &mut Report) -> Option<Document> {
    if input.sdl.len() > LONG && is_noise(input) {
        let message =
            format!("[{}] the text is no GraphQL: its first {FIRST_TOKENS} tokens hold many errors", input.name);
        report.error("INVALID_GRAPHQL", message, "check that this is the SDL of the subgraph", &[(id, At::new(0))]);
        return None;
    }
    let parser = Parser::new().recursion_limit(DEEPEST).token_limit(MOST_TOKENS).parse_ast(&*input.sdl, &input.name);
    match parser {
        Ok(document) => Some(document),
        Err(failed) => {
            report_all(id, &input.name, &failed.errors, report);
            None
        }
    }
}

/// Whether the start of a text has so many errors that the whole is not worth parsing.
fn is_noise(input: &crate::Subgraph) -> bool {
    let first = Parser::new().recursion_limit(DEEPEST).token_limit(FIRST_TOKENS).parse_ast(&*input.sdl, &input.name);
    first.is_err_and(|failed| failed.errors.len() > MOST_ERRORS)
}

/// Builds and validates the schema that `document` and the definitions of its linked specifications make up.
pub fn build(
    id: SubgraphId,
    document: &Document,
    features: &Features,
    preludes: &mut Preludes,
    report: &mut Report,
) -> Option<Schema> {
    let name = features.subgraph.as_str();
    let own = without_redefinitions(document, features);
    let prelude = preludes.document(&own, features);
    let builder = Schema::builder().adopt_orphan_extensions().ignore_builtin_redefinitions();
    let built = builder.add_ast(&own).add_ast(prelude).build();
    let valid = built.and_then(Schema::validate);
    match valid {
        Ok(schema) => Some(schema.into_inner()),
        Err(failed) => {
            report_all(id, name, &failed.errors, report);
            None
        }
    }
}

/// Drops definitions of directives and types that the linked specifications define: ours are the ones that count.
fn without_redefinitions(document: &Document, features: &Features) -> Document {
    let mut own = document.clone();
    own.definitions.retain(|definition| match definition {
        Definition::DirectiveDefinition(directive) => features.directive(&directive.name).is_none(),
        other => other.name().is_none_or(|name| !features.owns_type(name)),
    });
    if features.version.0 == 1 {
        for definition in &mut own.definitions {
            drop_service_fields(definition);
        }
    }
    own
}

/// The gateway's own fields `_service` and `_entities` are part of what an SDL may hold, and no part of the graph.
fn drop_service_fields(definition: &mut Definition) {
    let fields = match definition {
        Definition::ObjectTypeDefinition(object) => &mut Node::make_mut(object).fields,
        Definition::ObjectTypeExtension(object) => &mut Node::make_mut(object).fields,
        _ => return,
    };
    fields.retain(|field| field.name != "_service" && field.name != "_entities");
}

fn report_all(id: SubgraphId, name: &str, errors: &DiagnosticList, report: &mut Report) {
    for found in errors.iter().take(MOST_ERRORS) {
        let message = format!("[{name}] {}", found.error);
        let place = found.line_column_range().map(|range| (range.start.line, range.start.column));
        report.error_at_line("INVALID_GRAPHQL", message, "correct the SDL of this subgraph", id, place);
    }
}
