//! Arguments: turns the arguments of one field in several subgraphs into those that all of them take.

use super::Merge;
use super::references::Position;
use crate::names::Symbol;
use crate::schema::{Field, Map, Set, Subgraph};
use crate::supergraph::MergedField;
use apollo_compiler::Node;
use apollo_compiler::ast::Value;

impl Merge<'_> {
    /// Merges arguments: the intersection. An argument that is required somewhere and missing elsewhere is an error.
    pub fn arguments(&mut self, coordinate: &str, sources: &[(&Subgraph, &Field)]) -> Map<Symbol, MergedField> {
        let all: Set<Symbol> = sources.iter().flat_map(|(_, field)| field.args.keys().copied()).collect();
        let mut merged = Map::default();
        for name in all {
            let present: Vec<(&Subgraph, &Field)> =
                sources.iter().filter_map(|(subgraph, field)| Some((*subgraph, field.args.get(&name)?))).collect();
            if present.iter().any(|(_, arg)| arg.from_context.is_some()) {
                self.check_contextual(coordinate, name, &present, sources.len());
                continue;
            }
            let place = format!("{coordinate}({}:)", &self.names[name]);
            if present.len() < sources.len() {
                self.missing_argument(&place, &present, sources);
                continue;
            }
            let codes = ("FIELD_ARGUMENT_TYPE_MISMATCH", "FIELD_ARGUMENT_DEFAULT_MISMATCH");
            merged.insert(name, self.input_value(&place, &present, codes).0);
        }
        merged
    }

    /// Merges one argument or input field that all sources have; also says whether their types are equal.
    pub fn input_value(
        &mut self,
        place: &str,
        present: &[(&Subgraph, &Field)],
        (type_code, default_code): (&'static str, &'static str),
    ) -> (MergedField, bool) {
        let types: Vec<_> = present.iter().map(|(subgraph, arg)| (subgraph.id, arg.at, arg.ty)).collect();
        let (ty, equal) = self.reference(place, Position::Input, type_code, &types);
        let merged = MergedField {
            name: present[0].1.name,
            description: self.description(place, present.iter().map(|(_, arg)| arg.description.as_ref())),
            ty,
            args: Map::default(),
            default: self.default_value(place, present, default_code),
            joins: Vec::new(),
            applied: self.applied(place, present.iter().map(|(subgraph, arg)| (subgraph.id, arg.applied.as_slice()))),
        };
        (merged, equal)
    }

    /// The default all sources have. Different defaults are an error; a default in some only is dropped with a warning.
    fn default_value(
        &mut self,
        place: &str,
        present: &[(&Subgraph, &Field)],
        code: &'static str,
    ) -> Option<Node<Value>> {
        let mut given = present.iter().filter_map(|(subgraph, arg)| Some((subgraph, arg, arg.default.as_ref()?)));
        let (_, _, first) = given.next()?;
        let at: Vec<_> = present.iter().map(|(subgraph, arg)| (subgraph.id, arg.at)).collect();
        if given.any(|(_, _, other)| !same_value(first, other)) {
            let mut seen = Vec::new();
            for (subgraph, arg) in present {
                let text =
                    arg.default.as_ref().map_or("none".to_owned(), |value| value.serialize().no_indent().to_string());
                seen.push(format!("{text} in [{}]", subgraph.name));
            }
            let message = format!("`{place}` has different default values: {}", seen.join(", "));
            self.report.error(code, message, "give it the same default value in all subgraphs", &at);
            return None;
        }
        if present.iter().any(|(_, arg)| arg.default.is_none()) {
            let message =
                format!("`{place}` has a default value in some subgraphs only, so it has none in the supergraph");
            let hint = "give it the same default value in all subgraphs";
            self.report.warning("INCONSISTENT_DEFAULT_VALUE_PRESENCE", message, hint, &at);
            return None;
        }
        Some(first.clone())
    }

    fn missing_argument(&mut self, place: &str, present: &[(&Subgraph, &Field)], sources: &[(&Subgraph, &Field)]) {
        let at: Vec<_> = present.iter().map(|(subgraph, arg)| (subgraph.id, arg.at)).collect();
        let without: Vec<&str> = sources
            .iter()
            .filter(|(subgraph, _)| !present.iter().any(|(other, _)| other.id == subgraph.id))
            .map(|(subgraph, _)| subgraph.name.as_str())
            .collect();
        let required: Vec<&str> = present
            .iter()
            .filter(|(_, arg)| arg.ty.is_non_null() && arg.default.is_none())
            .map(|(subgraph, _)| subgraph.name.as_str())
            .collect();
        let without = without.join(", ");
        if required.is_empty() {
            let message = format!("argument `{place}` is left out of the supergraph, as [{without}] does not take it");
            let hint = "add the argument to the field in all subgraphs";
            self.report.warning("INCONSISTENT_ARGUMENT_PRESENCE", message, hint, &at);
            return;
        }
        let message = format!("argument `{place}` is required in [{}] but missing in [{without}]", required.join(", "));
        let hint = "make it optional, or add it to the field in all subgraphs";
        self.report.error("REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", message, hint, &at);
    }

    /// A contextual argument is no part of the supergraph, so no client may be needed to pass it anywhere.
    fn check_contextual(&mut self, coordinate: &str, name: Symbol, present: &[(&Subgraph, &Field)], sources: usize) {
        let open: Vec<_> = present.iter().filter(|(_, arg)| arg.from_context.is_none()).collect();
        let at: Vec<_> = present.iter().map(|(subgraph, arg)| (subgraph.id, arg.at)).collect();
        let place = format!("{coordinate}({}:)", &self.names[name]);
        if open.iter().any(|(_, arg)| arg.ty.is_non_null() && arg.default.is_none()) {
            let message = format!("argument `{place}` is contextual in one subgraph and required in another");
            let hint = "make it contextual or optional in all subgraphs";
            self.report.error("CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS", message, hint, &at);
        } else if !open.is_empty() || present.len() < sources {
            let message = format!("argument `{place}` is contextual in some subgraphs only, so clients can't pass it");
            let code = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS";
            self.report.warning(code, message, "make it contextual in all subgraphs", &at);
        }
    }
}

/// Whether two constants mean the same: the order of an object's fields does not count.
pub fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let find = |name| b.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            a.len() == b.len() && a.iter().all(|(name, value)| find(name).is_some_and(|other| same_value(value, other)))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (a, b) => a == b,
    }
}
