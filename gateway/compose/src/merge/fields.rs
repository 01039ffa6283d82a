//! Fields: turns the fields of an object type or interface in several subgraphs into merged fields with their joins.

use super::references::Position;
use super::{Merge, Source};
use crate::names::Symbol;
use crate::schema::{Field, Kind, Map, Subgraph, Type};
use crate::supergraph::{ContextArgument, JoinField, MergedField, MergedType};
use std::sync::Arc;

/// A field in one subgraph with what overriding makes of it.
pub struct FieldSource<'a> {
    pub subgraph: &'a Subgraph,
    pub ty: &'a Type,
    pub field: &'a Field,
    pub state: Overridden,
    /// The label of the progressive override that takes it over.
    pub label: Option<Arc<str>>,
}

impl<'a> FieldSource<'a> {
    /// A field of a source, if it has it.
    pub fn of((subgraph, ty): Source<'a>, name: Symbol) -> Option<Self> {
        let field = ty.fields.get(&name)?;
        Some(Self { subgraph, ty, field, state: Overridden::No, label: None })
    }
}

/// What other subgraphs' `@override`s do to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overridden {
    /// Nothing.
    No,
    /// Another subgraph takes it over for some requests.
    Partly,
    /// Another subgraph took it over, and this one has no use for it.
    Unused,
    /// Another subgraph took it over, but keys or other directives here still need it.
    Used,
}

impl Merge<'_> {
    /// Merges all fields of a type into `merged`.
    pub fn merge_fields(&mut self, sources: &[Source<'_>], merged: &mut MergedType) {
        let mut by_name: Map<Symbol, Vec<FieldSource<'_>>> = Map::default();
        for (subgraph, ty) in sources {
            for field in ty.fields.values() {
                by_name.entry(field.name).or_default().extend(FieldSource::of((*subgraph, *ty), field.name));
            }
        }
        self.check_value_type(sources, merged, &by_name);
        for (name, mut fields) in by_name {
            self.mark_overridden(&mut fields);
            if let Some(field) = self.merge_field(sources, merged, &fields) {
                merged.fields.insert(name, field);
            }
        }
    }

    fn mark_overridden(&mut self, fields: &mut [FieldSource<'_>]) {
        for index in 0..fields.len() {
            let Some(overrides) = &fields[index].field.overrides else { continue };
            let by = fields[index].subgraph.name.clone();
            let Some(target) = fields.iter().position(|other| *other.subgraph.name == *overrides.from) else {
                continue;
            };
            let label = overrides.label.clone();
            let state = match (&overrides.label, needed_here(&fields[target])) {
                (Some(_), _) => Overridden::Partly,
                (None, true) => Overridden::Used,
                (None, false) => Overridden::Unused,
            };
            fields[target].state = state;
            fields[target].label = label;
            let FieldSource { subgraph, ty, field, .. } = &fields[target];
            let coordinate = format!("{}.{}", &self.names[ty.name], &self.names[field.name]);
            if field.external {
                let message = format!(
                    "[{by}] @override on `{coordinate}` can be removed: [{}] does not answer it",
                    subgraph.name
                );
                let at = &[(fields[index].subgraph.id, fields[index].field.at)];
                self.report.warning("OVERRIDE_DIRECTIVE_CAN_BE_REMOVED", message, "remove it", at);
                continue;
            }
            let (code, what) = match state {
                Overridden::Partly => ("OVERRIDE_MIGRATION_IN_PROGRESS", "is being migrated to"),
                _ => ("OVERRIDDEN_FIELD_CAN_BE_REMOVED", "is overridden by"),
            };
            let message = format!("[{}] `{coordinate}` {what} [{by}]", subgraph.name);
            let hint = if state == Overridden::Used {
                "mark it @external: it is still used here"
            } else {
                "remove it here once done"
            };
            self.report.warning(code, message, hint, &[(subgraph.id, field.at)]);
        }
    }

    fn merge_field(
        &mut self,
        parents: &[Source<'_>],
        parent: &MergedType,
        fields: &[FieldSource<'_>],
    ) -> Option<MergedField> {
        let name = fields[0].field.name;
        let coordinate = format!("{}.{}", &self.names[parent.name], &self.names[name]);
        let (external, resolved): (Vec<_>, Vec<_>) = fields.iter().partition(|source| source.field.external);
        if resolved.is_empty() {
            let at: Vec<_> = external.iter().map(|source| (source.subgraph.id, source.field.at)).collect();
            let message = format!("`{coordinate}` is @external in every subgraph that has it");
            let hint = "remove @external in the subgraph that answers the field";
            self.report.error("EXTERNAL_MISSING_ON_BASE", message, hint, &at);
            return None;
        }
        let pairs: Vec<(&Subgraph, &Field)> = resolved.iter().map(|source| (source.subgraph, source.field)).collect();
        let types: Vec<_> = pairs.iter().map(|(subgraph, field)| (subgraph.id, field.at, field.ty)).collect();
        let (ty, mut equal) = self.reference(&coordinate, Position::Output, "FIELD_TYPE_MISMATCH", &types);
        equal &= external.iter().all(|source| source.field.ty == ty);
        let args = self.arguments(&coordinate, &pairs);
        let mut merged = MergedField {
            name,
            description: self.description(&coordinate, pairs.iter().map(|(_, field)| field.description.as_ref())),
            ty,
            args,
            default: None,
            joins: Vec::new(),
            applied: self
                .applied(&coordinate, pairs.iter().map(|(subgraph, field)| (subgraph.id, field.applied.as_slice()))),
        };
        for source in &external {
            self.check_external(&coordinate, source, &merged);
        }
        if parent.kind == Kind::Object {
            self.check_sharing(&coordinate, fields);
        }
        if !equal || self.needs_join(parents, fields) {
            let kept = fields.iter().filter(|source| source.state != Overridden::Unused);
            merged.joins = kept.map(|source| self.join_field(source, (!equal).then_some(source.field.ty))).collect();
        }
        Some(merged)
    }

    /// An external field must look like the field it stands for.
    fn check_external(&mut self, coordinate: &str, source: &FieldSource<'_>, merged: &MergedField) {
        let name = &source.subgraph.name;
        let at = &[(source.subgraph.id, source.field.at)];
        if source.field.ty != merged.ty {
            let message = format!(
                "the @external `{coordinate}` has type `{}` in [{name}], but `{}` where it is answered",
                source.field.ty.print(self.names),
                merged.ty.print(self.names)
            );
            self.report.error("EXTERNAL_TYPE_MISMATCH", message, "give it the same type", at);
        }
        for (arg_name, merged_arg) in &merged.args {
            let place = format!("{coordinate}({}:)", &self.names[*arg_name]);
            let Some(arg) = source.field.args.get(arg_name) else {
                let message = format!("the @external `{coordinate}` in [{name}] lacks the argument `{place}`");
                self.report.error("EXTERNAL_ARGUMENT_MISSING", message, "declare the argument here, too", at);
                continue;
            };
            if !merged_arg.ty.is_subtype(arg.ty, &|_, _| false) {
                let message = format!("the @external argument `{place}` has another type in [{name}]");
                self.report.error("EXTERNAL_ARGUMENT_TYPE_MISMATCH", message, "give it the same type", at);
            }
            if arg.default != merged_arg.default {
                let message = format!("the @external argument `{place}` has another default value in [{name}]");
                self.report.error("EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", message, "give it the same default value", at);
            }
        }
    }

    /// Whether the joins say more than "every subgraph that has the type answers the field".
    fn needs_join(&self, parents: &[Source<'_>], fields: &[FieldSource<'_>]) -> bool {
        let exists = |name: &str| self.subgraph_names.contains(name);
        fields.len() < parents.len()
            || fields.iter().any(|source| {
                let field = source.field;
                field.external
                    || field.requires.is_some()
                    || field.provides.is_some()
                    || field.overrides.as_ref().is_some_and(|overrides| exists(&overrides.from))
                    || source.state != Overridden::No
                    || field.args.values().any(|arg| arg.from_context.is_some())
            })
    }

    fn join_field(&self, source: &FieldSource<'_>, ty: Option<crate::schema::Ty>) -> JoinField {
        let field = source.field;
        JoinField {
            graph: Some(source.subgraph.id),
            requires: field.requires.as_ref().map(|set| set.text.clone()),
            provides: field.provides.as_ref().map(|set| set.text.clone()),
            ty,
            external: field.external,
            overrides: field.overrides.as_ref().map(|overrides| overrides.from.clone()),
            used_overridden: source.state == Overridden::Used && !field.external,
            label: field
                .overrides
                .as_ref()
                .and_then(|overrides| overrides.label.clone())
                .or_else(|| source.label.clone()),
            context_arguments: context_arguments(source),
        }
    }
}

/// Whether the subgraph needs a field although another subgraph answers it now.
fn needed_here(source: &FieldSource<'_>) -> bool {
    let field = source.field;
    let mut interfaces = source.ty.interfaces.iter().filter_map(|name| source.subgraph.types.get(name));
    field.in_key
        || field.required
        || field.provided
        || interfaces.any(|interface| interface.fields.contains_key(&field.name))
}

fn context_arguments(source: &FieldSource<'_>) -> Vec<ContextArgument> {
    let with_context = source.field.args.values().filter_map(|arg| Some((arg, arg.from_context.as_ref()?)));
    with_context
        .filter_map(|(arg, (text, _))| {
            let (context, selection) = crate::validate::split_context(text)?;
            Some(ContextArgument {
                context: format!("{}__{context}", source.subgraph.name),
                name: arg.name,
                ty: arg.ty,
                selection: selection.to_owned(),
            })
        })
        .collect()
}
