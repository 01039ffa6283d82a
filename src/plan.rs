//! `terrane plan`: turns a supergraph, or a product folder, and an operation into the plan, as text or JSON.

use crate::product_plan::ProductPlanArguments;
use anyhow::{Context as _, Result, anyhow};
use apollo_compiler::ExecutableDocument;
use clap::Args;
use std::path::{Path, PathBuf};
use terrane_plan::{PlanOptions, Supergraph};

/// Show a plan.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("text").required(true).args(["operation", "file"]))]
pub struct PlanArguments {
    /// The composed supergraph: the plan is the gateway's
    #[arg(long, value_name = "FILE", required_unless_present = "product", conflicts_with = "product")]
    supergraph: Option<PathBuf>,
    #[command(flatten)]
    product: ProductPlanArguments,
    /// The operation's text
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,
    /// A file with the operation
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which operation of the document
    #[arg(long, value_name = "NAME")]
    operation_name: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Say why each fetch is there, and what the ways to resolve its fields take
    #[arg(long, conflicts_with = "product")]
    explain: bool,
}

/// Plan and print.
pub fn run(arguments: &PlanArguments) -> Result<()> {
    let text = match (&arguments.operation, &arguments.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => std::fs::read_to_string(path).with_context(|| format!("operation {}", path.display()))?,
        (None, None) => return Err(anyhow!("give an operation or -f FILE")),
    };
    let shown = match &arguments.supergraph {
        Some(path) => gateway_plan(arguments, path, &text)?,
        None => arguments.product.plan(text, arguments.operation_name.clone(), arguments.json)?,
    };
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{}", shown.trim_end()).context("write the plan")
}

fn gateway_plan(arguments: &PlanArguments, path: &Path, text: &str) -> Result<String> {
    let sdl = std::fs::read_to_string(path).with_context(|| format!("supergraph {}", path.display()))?;
    let supergraph = Supergraph::parse(&sdl)?;
    let document = ExecutableDocument::parse_and_validate(supergraph.api_schema(), text, "operation")
        .map_err(|e| anyhow!("the operation is not valid:\n{}", e.errors))?;
    let options = PlanOptions { explain: arguments.explain, incremental: true, ..PlanOptions::default() };
    let plan = terrane_plan::plan(&supergraph, &document, arguments.operation_name.as_deref(), &options)?;
    Ok(match (arguments.json, arguments.explain) {
        (true, _) => serde_json::to_string_pretty(&plan.to_json())?,
        (false, true) => plan.explained(),
        (false, false) => plan.to_string(),
    })
}
