//! Contexts: turns `@context` and `contextArguments` (join v0.5) into arguments and what objects above give for them.

use super::field_set::FieldSets;
use super::join::{JoinNames, bad};
use super::{ContextArgument, Supergraph};
use crate::error::PlanError;
use crate::ids::TypeId;
use apollo_compiler::ast::{Definition, Document, Selection, Type, Value};
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashMap;

/// Which types set which context.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    setters: FxHashMap<String, Vec<TypeId>>,
}

impl Contexts {
    /// Read `@context(name:)` of all types.
    pub fn read(graph: &Supergraph, schema: &Schema, names: &JoinNames) -> Self {
        let mut contexts = Self::default();
        for i in 0..graph.types.len() {
            let ty = TypeId::new(i);
            for directive in schema.types[graph.type_name(ty)].directives().get_all(&names.context) {
                if let Some(name) = directive.specified_argument_by_name("name").and_then(|name| name.as_str()) {
                    contexts.setters.entry(name.to_owned()).or_default().push(ty);
                }
            }
        }
        contexts
    }

    /// The arguments of a `contextArguments: [{context, name, type, selection}]`.
    ///
    /// # Errors
    /// [`PlanError::Supergraph`] when an entry lacks one of these, or no type sets its context.
    pub fn arguments(
        &self,
        graph: &mut Supergraph,
        sets: &mut FieldSets<'_>,
        value: &Value,
    ) -> Result<Vec<ContextArgument>, PlanError> {
        let mut arguments = Vec::new();
        for entry in value.as_list().unwrap_or_default() {
            let text = |key: &str| {
                let fields = entry.as_object().unwrap_or_default();
                let found = fields.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_str());
                found.ok_or_else(|| bad(format!("an entry of `contextArguments` has no text `{key}`")))
            };
            let (context, name, ty, selection) = (text("context")?, text("name")?, text("type")?, text("selection")?);
            let setters = self.setters.get(context).ok_or_else(|| bad(format!("no type sets context `{context}`")))?;
            let mut read = Vec::with_capacity(setters.len());
            for &setter in setters {
                let fields = selection_for(graph, setter, selection)?;
                if !fields.is_empty() {
                    read.push((setter, sets.read(graph, setter, &fields)?));
                }
            }
            arguments.push(ContextArgument {
                name: Name::new(name).map_err(|e| bad(format!("argument of context `{context}`: {e}")))?,
                ty: Type::parse(ty, "contextArguments.graphql").map_err(|e| bad(format!("type `{ty}`: {e}")))?,
                sets: read,
            });
        }
        Ok(arguments)
    }
}

/// What a selection says of objects of the type that sets the context: fragments on other setters are not about it.
fn selection_for(graph: &Supergraph, setter: TypeId, selection: &str) -> Result<String, PlanError> {
    let document = Document::parse(selection, "selection.graphql")
        .map_err(|e| bad(format!("selection `{selection}` of a context: {}", e.errors.to_string().trim_end())))?;
    let mut texts = Vec::new();
    for definition in &document.definitions {
        let Definition::OperationDefinition(operation) = definition else { continue };
        for selected in &operation.selection_set {
            match selected {
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().and_then(|name| graph.type_by_name(name));
                    let possible = &graph.ty(setter).possible;
                    if on.is_none_or(|on| !graph.ty(on).possible.and(possible).is_empty()) {
                        texts.push(selected.to_string());
                    }
                }
                other => texts.push(other.to_string()),
            }
        }
    }
    Ok(texts.join(" "))
}
