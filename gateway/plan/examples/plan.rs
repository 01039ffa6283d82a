//! Prints the plan of an operation: `plan SUPERGRAPH_FILE OPERATION [--json]`.

use apollo_compiler::ExecutableDocument;
use terrane_plan::{PlanOptions, Supergraph};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: plan SUPERGRAPH_FILE OPERATION [--json]")?;
    let operation = arguments.next().ok_or("an operation is missing")?;
    let supergraph = Supergraph::parse(&std::fs::read_to_string(file)?)?;
    let document = ExecutableDocument::parse_and_validate(supergraph.api_schema(), operation, "operation.graphql")
        .map_err(|e| e.to_string())?;
    let plan = terrane_plan::plan(&supergraph, &document, None, &PlanOptions::default())?;
    if arguments.next().as_deref() == Some("--json") {
        println!("{:#}", plan.to_json());
    } else {
        print!("{plan}");
        for request in &plan.requests {
            println!("{}", request.operation);
        }
    }
    Ok(())
}
