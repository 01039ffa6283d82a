//! Enums: turns the values of one enum in several subgraphs into all, the common, or the agreed ones, by its use.

use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Directive, Set};
use crate::supergraph::{MergedType, MergedValue};

impl Merge<'_> {
    /// Merges values: answered only, any subgraph's; taken only, the common ones; both, all must agree.
    pub fn merge_enum(&mut self, sources: &[Source<'_>], merged: &mut MergedType) {
        let all: Set<Symbol> = sources.iter().flat_map(|(_, ty)| ty.values.keys().copied()).collect();
        let taken = self.inputs.contains(&merged.name);
        let answered = self.outputs.contains(&merged.name);
        for name in all {
            let present: Vec<_> =
                sources.iter().filter_map(|(subgraph, ty)| Some((*subgraph, ty.values.get(&name)?))).collect();
            let coordinate = format!("{}.{}", &self.names[merged.name], &self.names[name]);
            let applied = self
                .applied(&coordinate, present.iter().map(|(subgraph, value)| (subgraph.id, value.applied.as_slice())));
            let hidden = applied.iter().any(|applied| applied.directive == Directive::Inaccessible);
            if present.len() < sources.len() && !hidden {
                let at: Vec<_> = present.iter().map(|(subgraph, value)| (subgraph.id, value.at)).collect();
                let without: Vec<&str> = sources
                    .iter()
                    .filter(|(_, ty)| !ty.values.contains_key(&name))
                    .map(|(subgraph, _)| subgraph.name.as_str())
                    .collect();
                let without = without.join(", ");
                match (taken, answered) {
                    (true, true) => {
                        let message = format!(
                            "enum value `{coordinate}` is missing in [{without}], but the enum is used as input and output"
                        );
                        let hint = "add the value in all subgraphs, or mark it @inaccessible";
                        self.report.error("ENUM_VALUE_MISMATCH", message, hint, &at);
                    }
                    (true, false) => {
                        let message = format!("enum value `{coordinate}` is left out, as [{without}] does not take it");
                        let hint = "add the value in all subgraphs";
                        self.report.warning("INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM", message, hint, &at);
                        continue;
                    }
                    (false, _) => {
                        let message = format!("enum value `{coordinate}` is missing in [{without}]");
                        let hint = "this is fine if these subgraphs never answer with it";
                        self.report.warning("INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM", message, hint, &at);
                    }
                }
            }
            let value = MergedValue {
                description: self.description(&coordinate, present.iter().map(|(_, value)| value.description.as_ref())),
                joins: present.iter().map(|(subgraph, _)| subgraph.id).collect(),
                applied,
            };
            merged.values.insert(name, value);
        }
        if merged.values.is_empty() {
            let message = format!("no value of enum `{}` is in all subgraphs that define it", &self.names[merged.name]);
            let at: Vec<_> = sources.iter().map(|(subgraph, ty)| (subgraph.id, ty.at)).collect();
            let hint = "an enum that arguments take is merged as the intersection: give it a common value";
            self.report.error("EMPTY_MERGED_ENUM_TYPE", message, hint, &at);
        } else if !taken && !answered {
            let message = format!("enum `{}` is not used", &self.names[merged.name]);
            self.report.warning("UNUSED_ENUM_TYPE", message, "remove it", &[]);
        }
    }
}
