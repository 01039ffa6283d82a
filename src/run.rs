//! `terrane run`: turns a product's id into a run of its pipeline in a running mesh, and prints its steps.

use crate::mesh::token_secret;
use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use terrane_auth::{TokenRequest, issue};
use terrane_gateway::HttpTransport;

const OPERATION: &str = "mutation Run($product: ID!, $pull: Boolean!) { runPipeline(product: $product, pull: $pull) { state \
                         version milliseconds errorCode error steps { kind name state milliseconds rows detail } } }";

const PLAN: &str = "query Plan($pull: Boolean!) { pipelinePlan(pull: $pull) { level kind name action detail } }";

/// Run a pipeline.
#[derive(Args)]
pub struct RunArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The mesh's address
    #[arg(long, default_value = "http://127.0.0.1:4000", env = "TERRANE_URL", value_name = "URL")]
    url: String,
    /// Take the input layer as it is instead of pulling the sources
    #[arg(long)]
    no_pull: bool,
    /// Show the stages of a run, and which models it would build and why, without running it
    #[arg(long)]
    explain: bool,
    /// A token with a role that may run pipelines; made from the state directory's secret by default
    #[arg(long, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The state directory of the mesh on this machine
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
}

/// Ask, wait, print; a failed run is a failure.
pub fn run(arguments: &RunArguments) -> Result<()> {
    let token = match &arguments.token {
        Some(token) => token.clone(),
        None => {
            let request = TokenRequest {
                subject: "terrane run".to_owned(),
                roles: vec!["steward".to_owned()],
                lifetime_seconds: 3600,
                ..TokenRequest::default()
            };
            issue(&token_secret(&arguments.state)?, &request)?
        }
    };
    let base = arguments.url.trim_end_matches('/');
    if arguments.explain {
        let variables = json!({"pull": !arguments.no_pull});
        let address = format!("{base}/products/{}/graphql", arguments.product);
        let answer = ask(arguments, &token, &address, PLAN, &variables)?;
        return print_plan(&answer["data"]["pipelinePlan"]);
    }
    let variables = json!({"product": arguments.product, "pull": !arguments.no_pull});
    eprintln!("running the pipeline of {} …", arguments.product);
    let answer = ask(arguments, &token, &format!("{base}/graphql"), OPERATION, &variables)?;
    print_run(&answer["data"]["runPipeline"])
}

/// Send an operation; what came back, where it has no errors.
fn ask(arguments: &RunArguments, token: &str, address: &str, query: &str, variables: &Value) -> Result<Value> {
    let body = json!({"query": query, "variables": variables}).to_string();
    let request = http::Request::post(address)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::from(body))
        .context("--url is no address")?;
    let transport = HttpTransport::new(16 * 1024 * 1024).transport(&arguments.url);
    let response =
        runtime()?.block_on(async { tower::ServiceExt::oneshot(transport, request).await }).with_context(|| {
            format!("no mesh answers at {}; start it with `terrane`, or name it with --url", arguments.url)
        })?;
    let answer: Value = serde_json::from_slice(response.body()).context("the answer is no GraphQL response")?;
    if let Some(error) = answer["errors"].get(0) {
        bail!("{}", error["message"].as_str().unwrap_or("the mesh refused"));
    }
    Ok(answer)
}

fn print_plan(stages: &Value) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    for stage in stages.as_array().context("the answer has no plan")? {
        let text = |key: &str| stage[key].as_str().unwrap_or_default();
        let line = format!(
            "{:>2}  {:<8} {:<32} {:<16} {}",
            stage["level"],
            text("kind"),
            text("name"),
            text("action"),
            text("detail")
        );
        writeln!(out, "{}", line.trim_end()).context("write the plan")?;
    }
    Ok(())
}

fn print_run(run: &Value) -> Result<()> {
    for step in run["steps"].as_array().into_iter().flatten() {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| step[key].as_i64().map_or_else(String::new, |n| n.to_string());
        eprintln!(
            "  {:<8} {:<32} {:<10} {:>7} ms {:>9} rows  {}",
            text("kind"),
            text("name"),
            text("state"),
            number("milliseconds"),
            number("rows"),
            text("detail")
        );
    }
    if run["state"] != "succeeded" {
        bail!("the run failed: {}", run["error"].as_str().unwrap_or("no cause was given"));
    }
    eprintln!("version {} published in {} ms", run["version"], run["milliseconds"]);
    Ok(())
}
