//! Input objects: turns the fields of one input object in several subgraphs into those that all of them take.

use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Field, Set, Subgraph};
use crate::supergraph::{JoinField, MergedType};

impl Merge<'_> {
    /// Merges fields: the intersection. A field that is required somewhere and missing elsewhere is an error.
    pub fn merge_input(&mut self, sources: &[Source<'_>], merged: &mut MergedType) {
        let all: Set<Symbol> = sources.iter().flat_map(|(_, ty)| ty.fields.keys().copied()).collect();
        let mut refused = false;
        for name in all {
            let present: Vec<(&Subgraph, &Field)> =
                sources.iter().filter_map(|(subgraph, ty)| Some((*subgraph, ty.fields.get(&name)?))).collect();
            let coordinate = format!("{}.{}", &self.names[merged.name], &self.names[name]);
            if present.len() < sources.len() {
                refused |= self.missing_field(&coordinate, &present, sources);
                continue;
            }
            let codes = ("FIELD_TYPE_MISMATCH", "INPUT_FIELD_DEFAULT_MISMATCH");
            let (mut field, equal) = self.input_value(&coordinate, &present, codes);
            if !equal {
                field.joins = present
                    .iter()
                    .map(|(subgraph, field)| JoinField {
                        graph: Some(subgraph.id),
                        ty: Some(field.ty),
                        ..JoinField::default()
                    })
                    .collect();
            }
            merged.fields.insert(name, field);
        }
        if merged.fields.is_empty() && !refused {
            let message =
                format!("no field of input object `{}` is in all subgraphs that define it", &self.names[merged.name]);
            let at: Vec<_> = sources.iter().map(|(subgraph, ty)| (subgraph.id, ty.at)).collect();
            let hint = "input objects are merged as the intersection: give them a common field";
            self.report.error("EMPTY_MERGED_INPUT_TYPE", message, hint, &at);
        }
    }

    /// Reports a field that some sources lack; answers whether that is an error.
    fn missing_field(&mut self, coordinate: &str, present: &[(&Subgraph, &Field)], sources: &[Source<'_>]) -> bool {
        let at: Vec<_> = present.iter().map(|(subgraph, field)| (subgraph.id, field.at)).collect();
        let without: Vec<&str> = sources
            .iter()
            .filter(|(subgraph, _)| !present.iter().any(|(other, _)| other.id == subgraph.id))
            .map(|(subgraph, _)| subgraph.name.as_str())
            .collect();
        let without = without.join(", ");
        let required: Vec<&str> = present
            .iter()
            .filter(|(_, field)| field.ty.is_non_null() && field.default.is_none())
            .map(|(subgraph, _)| subgraph.name.as_str())
            .collect();
        if required.is_empty() {
            let message =
                format!("input field `{coordinate}` is left out of the supergraph, as [{without}] does not take it");
            let hint = "add the field in all subgraphs";
            self.report.warning("INCONSISTENT_INPUT_OBJECT_FIELD", message, hint, &at);
            return false;
        }
        let message =
            format!("input field `{coordinate}` is required in [{}] but missing in [{without}]", required.join(", "));
        let hint = "make it optional, or add it in all subgraphs";
        self.report.error("REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH", message, hint, &at);
        true
    }
}
