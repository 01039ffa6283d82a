//! Rewriting: turns a model's SELECT into the same statement over the tables that are being built.

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Where the layers that a run builds are while it builds them.
const NEXT: [(&str, &str); 2] = [("abstraction", "abstraction_next"), ("output", "output_next")];

/// Replace the schema of every table that belongs to a layer being built. Only those words change: the rest of the
/// text, comments and spacing included, stays as it was written.
///
/// # Errors
/// The parser's word, where the text is no SQL (the manifest has checked it, so that is rare).
pub fn read_from_next(sql: &str) -> Result<String, String> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|e| e.to_string())?;
    let mut found = Schemas::default();
    // the visitor never breaks
    let _ = statements.visit(&mut found);
    let mut text = String::with_capacity(sql.len() + 32);
    for (number, line) in sql.split_inclusive('\n').enumerate() {
        let mut column = 0;
        let line_number = number as u64 + 1;
        let chars: Vec<char> = line.chars().collect();
        for ((_, start), (length, replacement)) in found.places.range((line_number, 0)..(line_number + 1, 0)) {
            let start = *start as usize - 1;
            text.extend(&chars[column..start]);
            text.push_str(replacement);
            column = start + length;
        }
        text.extend(&chars[column..]);
    }
    Ok(text)
}

/// Places (line, column) of schema names, with their length in characters and what stands there instead.
#[derive(Default)]
struct Schemas {
    places: BTreeMap<(u64, u64), (usize, &'static str)>,
}

impl Schemas {
    fn add(&mut self, schema: &Ident) {
        let name = if schema.quote_style.is_some() { schema.value.clone() } else { schema.value.to_lowercase() };
        let Some((_, next)) = NEXT.iter().find(|(layer, _)| *layer == name) else { return };
        let Location { line, column } = schema.span.start;
        if line == 0 {
            return;
        }
        let length = (schema.span.end.column - column) as usize;
        self.places.insert((line, column), (length, next));
    }
}

impl Visitor for Schemas {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(schema), _] = relation.0.as_slice() {
            self.add(schema);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        // `layer.table.column` and `layer.table.*`
        match expr {
            Expr::CompoundIdentifier(parts) if parts.len() == 3 => self.add(&parts[0]),
            Expr::QualifiedWildcard(ObjectName(parts), _) => {
                if let [ObjectNamePart::Identifier(schema), _] = parts.as_slice() {
                    self.add(schema);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_schemas_and_nothing_else() {
        let sql = "-- output.x in a comment\nSELECT a.code, 'output.x' AS é, output.y.name\nFROM abstraction.countries \
                   AS a -- ü\n  JOIN output.y ON output.y.k = a.k, input.z";
        let rewritten = read_from_next(sql).unwrap();
        assert_eq!(
            rewritten,
            "-- output.x in a comment\nSELECT a.code, 'output.x' AS é, output_next.y.name\nFROM \
             abstraction_next.countries AS a -- ü\n  JOIN output_next.y ON output_next.y.k = a.k, input.z"
        );
    }

    #[test]
    fn reaches_into_subqueries_and_ctes() {
        let sql = "WITH w AS (SELECT * FROM \"abstraction\".t) SELECT (SELECT count(*) FROM Output.u) FROM w";
        assert_eq!(
            read_from_next(sql).unwrap(),
            "WITH w AS (SELECT * FROM abstraction_next.t) SELECT (SELECT count(*) FROM output_next.u) FROM w"
        );
    }
}
