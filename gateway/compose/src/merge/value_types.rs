//! Value types: finds types that are an entity, or have a field, in some of their subgraphs only.

use super::fields::FieldSource;
use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Kind, Map};
use crate::supergraph::MergedType;

impl Merge<'_> {
    /// A hint on a type that is an entity in some subgraphs only, or, where it is none, for each field that some
    /// subgraphs lack: without a key, nobody can go on to where the field is.
    pub fn check_value_type(
        &mut self,
        sources: &[Source<'_>],
        merged: &MergedType,
        fields: &Map<Symbol, Vec<FieldSource<'_>>>,
    ) {
        if [Symbol::QUERY, Symbol::MUTATION, Symbol::SUBSCRIPTION].contains(&merged.name) {
            return;
        }
        let coordinate = self.names[merged.name].to_owned();
        let with_key = sources.iter().filter(|(_, ty)| !ty.keys.is_empty()).count();
        if with_key > 0 {
            if with_key < sources.len() && merged.kind == Kind::Object {
                let without = names(sources.iter().filter(|(_, ty)| ty.keys.is_empty()));
                let message = format!("`{coordinate}` has a @key in some subgraphs, but none in [{without}]");
                let at: Vec<_> = sources.iter().map(|(subgraph, ty)| (subgraph.id, ty.at)).collect();
                let hint = "this is fine if these subgraphs don't need to be entered there";
                self.report.warning("INCONSISTENT_ENTITY", message, hint, &at);
            }
            return;
        }
        let code = match merged.kind {
            Kind::Object => "INCONSISTENT_OBJECT_VALUE_TYPE_FIELD",
            _ => "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD",
        };
        for (name, having) in fields.iter().filter(|(_, having)| having.len() < sources.len()) {
            if having.iter().any(|source| source.ty.interface_object) {
                continue;
            }
            let lacks = |(_, ty): &&Source<'_>| {
                let all_external = ty.fields.values().all(|field| field.external);
                !ty.interface_object && !ty.fields.contains_key(name) && !all_external
            };
            let without = names(sources.iter().filter(lacks));
            if !without.is_empty() {
                let message =
                    format!("`{coordinate}.{}` is not in [{without}], which has the type", &self.names[*name]);
                let at: Vec<_> = having.iter().map(|source| (source.subgraph.id, source.field.at)).collect();
                let hint = "add the field there, or give the type a @key";
                self.report.warning(code, message, hint, &at);
            }
        }
    }
}

fn names<'s>(sources: impl Iterator<Item = &'s Source<'s>>) -> String {
    sources.map(|(subgraph, _)| subgraph.name.as_str()).collect::<Vec<_>>().join(", ")
}
