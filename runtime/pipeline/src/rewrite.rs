//! Rewriting: turns a model's SELECT into the same statement over the tables that are being built.

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use terrane_manifest::{Layer, TableRef};

/// Replace the schema of every table for which `schema_of` has another one. Only those words change: the rest of the text,
/// comments and spacing included, stays as it was written.
///
/// # Errors
/// The parser's word, where the text is no SQL (the manifest has checked it, so that is rare).
pub fn read_from(sql: &str, schema_of: &dyn Fn(&TableRef) -> Option<&'static str>) -> Result<String, String> {
    let places = schemas_in(sql, schema_of)?;
    let mut text = String::with_capacity(sql.len() + 32);
    for (number, line) in sql.split_inclusive('\n').enumerate() {
        let mut column = 0;
        let line_number = number as u64 + 1;
        let chars: Vec<char> = line.chars().collect();
        for ((_, start), (length, replacement)) in places.range((line_number, 0)..(line_number + 1, 0)) {
            let start = *start as usize - 1;
            text.extend(&chars[column..start]);
            text.push_str(replacement);
            column = start + length;
        }
        text.extend(&chars[column..]);
    }
    Ok(text)
}

/// Where the character `at` (from 0) of what [`read_from`] makes of `sql` was written: line and column, from 1.
pub fn written_at(sql: &str, schema_of: &dyn Fn(&TableRef) -> Option<&'static str>, at: usize) -> Option<(u32, u32)> {
    let before: String = read_from(sql, schema_of).ok()?.chars().take(at).collect();
    let line = before.matches('\n').count() as u64 + 1;
    let mut column = before.rsplit('\n').next()?.chars().count();
    for ((_, start), (length, replacement)) in schemas_in(sql, schema_of).ok()?.range((line, 0)..(line + 1, 0)) {
        let start = *start as usize - 1;
        if column < start + replacement.len() {
            column = column.min(start);
            break;
        }
        column = column - replacement.len() + length;
    }
    Some((u32::try_from(line).ok()?, u32::try_from(column).ok()? + 1))
}

/// Places (line, column) of schema names that are to be others, with their length in characters and what is to stand there.
type Places = BTreeMap<(u64, u64), (usize, &'static str)>;

fn schemas_in(sql: &str, schema_of: &dyn Fn(&TableRef) -> Option<&'static str>) -> Result<Places, String> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|e| e.to_string())?;
    let mut found = Schemas { schema_of, places: Places::new() };
    // the visitor never breaks
    let _ = statements.visit(&mut found);
    Ok(found.places)
}

/// Where tables of a layer are while a run builds them; of the inputs, views that show them as they were when it began.
pub fn next_schema(layer: Layer) -> &'static str {
    match layer {
        Layer::Input => "input_next",
        Layer::Abstraction => "abstraction_next",
        Layer::Output => "output_next",
    }
}

struct Schemas<'a> {
    schema_of: &'a dyn Fn(&TableRef) -> Option<&'static str>,
    places: Places,
}

fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl Schemas<'_> {
    fn add(&mut self, schema: &Ident, table: &Ident) {
        let Some(layer) = Layer::parse(&fold(schema)) else { return };
        let Some(next) = (self.schema_of)(&TableRef { layer, table: fold(table) }) else { return };
        let Location { line, column } = schema.span.start;
        if line == 0 {
            return;
        }
        let length = (schema.span.end.column - column) as usize;
        self.places.insert((line, column), (length, next));
    }
}

impl Visitor for Schemas<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = relation.0.as_slice() {
            self.add(schema, table);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = name.0.as_slice()
            {
                self.add(schema, table);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        // `layer.table.column` and `layer.table.*`
        match expr {
            Expr::CompoundIdentifier(parts) if parts.len() == 3 => self.add(&parts[0], &parts[1]),
            Expr::QualifiedWildcard(ObjectName(parts), _) => {
                if let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = parts.as_slice() {
                    self.add(schema, table);
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

    fn read_from_next(sql: &str, is_next: impl Fn(&TableRef) -> bool) -> String {
        read_from(sql, &|table| is_next(table).then(|| next_schema(table.layer))).unwrap()
    }

    #[test]
    fn changes_schemas_and_nothing_else() {
        let sql = "-- output.x in a comment\nSELECT a.code, 'output.x' AS é, output.y.name\nFROM abstraction.countries \
                   AS a -- ü\n  JOIN output.y ON output.y.k = a.k, input.z";
        let rewritten = read_from_next(sql, |_| true);
        assert_eq!(
            rewritten,
            "-- output.x in a comment\nSELECT a.code, 'output.x' AS é, output_next.y.name\nFROM \
             abstraction_next.countries AS a -- ü\n  JOIN output_next.y ON output_next.y.k = a.k, input_next.z"
        );
    }

    #[test]
    fn a_place_in_what_was_made_is_one_in_what_was_written() {
        let sql = "SELECT é.x\nFROM \"abstraction\".t AS é, input.z AS z, output.u AS u WHERE wrong";
        let schema_of = |table: &TableRef| Some(next_schema(table.layer));
        let rewritten = read_from(sql, &schema_of).unwrap();
        for (word, column) in [("wrong", 62), ("AS z", 36), ("t AS", 20), ("bstraction_next", 6)] {
            let at = rewritten[..rewritten.find(word).unwrap()].chars().count();
            assert_eq!(written_at(sql, &schema_of, at), Some((2, column)), "{word}");
        }
        assert_eq!(written_at(sql, &schema_of, 7), Some((1, 8)));
    }

    #[test]
    fn what_has_not_changed_is_read_where_it_is() {
        let sql = "SELECT a.x, output.b.* FROM abstraction.a, output.b, abstraction.c";
        let is_next = |table: &TableRef| table.table != "a";
        assert_eq!(
            read_from_next(sql, is_next),
            "SELECT a.x, output_next.b.* FROM abstraction.a, output_next.b, abstraction_next.c"
        );
    }

    #[test]
    fn reaches_into_subqueries_and_ctes() {
        let sql = "WITH w AS (SELECT * FROM \"abstraction\".t) SELECT (SELECT count(*) FROM Output.u) FROM w";
        assert_eq!(
            read_from_next(sql, |_| true),
            "WITH w AS (SELECT * FROM abstraction_next.t) SELECT (SELECT count(*) FROM output_next.u) FROM w"
        );
    }
}
