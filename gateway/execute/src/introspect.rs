//! Introspection: turns `__schema` and `__type` fields into JSON texts, by the API schema.

use crate::error::ExecuteError;
use crate::program::Program;
use crate::variables::Variables;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, introspection};
use std::sync::{Arc, OnceLock};
use terrane_plan::Source;

/// What a program's introspection is answered from; the answers are kept where variables can't change them.
#[derive(Debug)]
pub(crate) struct Introspection {
    document: Arc<Valid<ExecutableDocument>>,
    operation_name: Option<String>,
    kept: OnceLock<Vec<Vec<u8>>>,
}

impl Introspection {
    pub fn new(document: Arc<Valid<ExecutableDocument>>, operation_name: Option<&str>) -> Self {
        Self { document, operation_name: operation_name.map(str::to_owned), kept: OnceLock::new() }
    }
}

/// The JSON text of each root slot that is introspection; empty texts for others.
///
/// # Errors
/// [`ExecuteError::Introspection`] when the query nests lists deeper than is safe.
pub(crate) fn introspect(program: &Program, variables: &Variables) -> Result<Vec<Vec<u8>>, ExecuteError> {
    let Some(memory) = &program.introspection else { return Ok(Vec::new()) };
    if let Some(kept) = memory.kept.get() {
        return Ok(kept.clone());
    }
    let texts = answer(program, memory, variables)?;
    if program.plan.variables.is_empty() {
        return Ok(memory.kept.get_or_init(|| texts).clone());
    }
    Ok(texts)
}

fn answer(program: &Program, memory: &Introspection, variables: &Variables) -> Result<Vec<Vec<u8>>, ExecuteError> {
    let too_deep = |e: apollo_compiler::request::RequestError| ExecuteError::Introspection(e.message().to_string());
    let operation = memory.document.operations.get(memory.operation_name.as_deref()).map_err(too_deep)?;
    introspection::check_max_depth(&memory.document, operation).map_err(too_deep)?;
    let schema = program.supergraph.api_schema();
    let response = introspection::partial_execute(
        schema,
        &schema.implementers_map(),
        &memory.document,
        operation,
        &variables.coerced,
    )
    .map_err(too_deep)?;
    let slots = &program.plan.nodes.node(program.plan.root).slots;
    let text = |slot: &terrane_plan::Slot| {
        let value = response.data.as_ref().and_then(|data| data.get(slot.key.as_str()));
        match (slot.source, value) {
            (Source::Introspection, Some(value)) => serde_json::to_vec(value).expect("a JSON value becomes JSON text"),
            _ => Vec::new(),
        }
    };
    Ok(slots.iter().map(text).collect())
}
