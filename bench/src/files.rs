//! Times one operation over one supergraph, both from files: turns their texts into times of each stage of planning.

use crate::{measure, say};
use anyhow::{Context as _, Result, anyhow};
use apollo_compiler::ExecutableDocument;
use apollo_compiler::validation::Valid;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use terrane_plan::{PlanOptions, Supergraph, plan};

/// Print the times of parsing with validation, of planning, and of both, without any cache.
///
/// With `times` nothing is printed; the operation, parsed once, is planned that often, for a profiler.
///
/// # Errors
/// When a file can't be read, or the supergraph or the operation is not valid.
pub fn time(supergraph: &Path, operation: &Path, times: Option<usize>) -> Result<()> {
    let supergraph = Supergraph::parse(&read(supergraph)?)?;
    let text = read(operation)?;
    let document = parse(&supergraph, &text)?;
    if let Some(times) = times {
        for _ in 0..times {
            black_box(plan(&supergraph, &document, None, &PlanOptions::default())?);
        }
        return Ok(());
    }
    let requests = plan(&supergraph, &document, None, &PlanOptions::default())?.requests.len();
    let planned = |document: &Valid<ExecutableDocument>| -> Result<()> {
        black_box(plan(&supergraph, document, None, &PlanOptions::default())?);
        Ok(())
    };
    let (parsed, planned, both) = (
        measure(|| parse(&supergraph, &text).map(|made| drop(black_box(made))))?,
        measure(|| planned(&document))?,
        measure(|| planned(&parse(&supergraph, &text)?))?,
    );
    for (stage, times) in [("parse and validate", parsed), ("plan", planned), ("both", both)] {
        say(&format!("{stage}: {times}"))?;
    }
    say(&format!("{requests} requests"))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn parse(supergraph: &Supergraph, text: &str) -> Result<Valid<ExecutableDocument>> {
    ExecutableDocument::parse_and_validate(supergraph.api_schema(), text, "operation.graphql")
        .map_err(|error| anyhow!(error.errors.to_string()))
}
