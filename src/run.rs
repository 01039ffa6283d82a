//! `terrane run`: turns a product's id into a run of its pipeline in a running mesh, and prints its steps while they go on.

use crate::ask::Mesh;
use crate::mesh::token_secret;
use crate::progress::Progress;
use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use terrane_auth::{TokenRequest, issue};

const RUN: &str = "mutation Run($product: ID!, $pull: Boolean!) { runPipeline(product: $product, pull: $pull, wait: \
                   false) { id state } }";
const FOLLOW: &str = "query Follow($product: ID!, $id: ID!) { product(id: $product) { run(id: $id) { id state version \
                      milliseconds errorCode error attempt dueAt steps { kind name state milliseconds rows bytes detail } \
                      } } }";
const CANCEL: &str = "mutation Cancel($product: ID!, $id: ID!) { cancelRun(product: $product, id: $id) { id state } }";
/// How often a run is looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a mesh that does not answer is asked again: a gateway may be replaced while a run goes on.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Follow this run, which was asked for before, instead of asking for one
    #[arg(long, value_name = "RUN", conflicts_with_all = ["no_pull", "cancel", "explain"])]
    follow: Option<String>,
    /// Cancel this run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["no_pull", "explain"])]
    cancel: Option<String>,
    /// A token with a role that may run pipelines; made from the state directory's secret by default
    #[arg(long, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The state directory of the mesh on this machine
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
}

/// Ask, follow, print; a failed run is a failure.
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
    let mesh = Mesh { url: arguments.url.trim_end_matches('/').to_owned(), token };
    runtime()?.block_on(ask_and_follow(arguments, &mesh))
}

async fn ask_and_follow(arguments: &RunArguments, mesh: &Mesh) -> Result<()> {
    let product = &arguments.product;
    if arguments.explain {
        let address = format!("{}/products/{product}/graphql", mesh.url);
        let answer = mesh.ask_at(&address, PLAN, &json!({"pull": !arguments.no_pull})).await?;
        return print_plan(&answer["pipelinePlan"]);
    }
    if let Some(id) = &arguments.cancel {
        let answer = mesh.ask(CANCEL, &json!({"product": product, "id": id})).await?;
        eprintln!("run {id}: {}", answer["cancelRun"]["state"].as_str().unwrap_or_default());
        return Ok(());
    }
    let id = match &arguments.follow {
        Some(id) => id.clone(),
        None => {
            let answer = mesh.ask(RUN, &json!({"product": product, "pull": !arguments.no_pull})).await?;
            answer["runPipeline"]["id"].as_str().context("the mesh gave the run no id")?.to_owned()
        }
    };
    eprintln!(
        "run {id} of {product}; Ctrl-C leaves it running, --follow {id} looks at it again, --cancel {id} ends it"
    );
    let variables = json!({"product": product, "id": id});
    let mut steps = Steps::new();
    let mut answered = Instant::now();
    loop {
        let run = match mesh.ask(FOLLOW, &variables).await {
            Ok(answer) => {
                answered = Instant::now();
                answer["product"]["run"].clone()
            }
            Err(_) if answered.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        if run.is_null() {
            bail!("the mesh knows no run {id} of {product}");
        }
        steps.show(&run);
        if !matches!(run["state"].as_str(), Some("queued" | "running")) {
            steps.progress.clear();
            return report(&run);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The steps of a run: a line for each that has ended, and what goes on now.
struct Steps {
    progress: Progress,
    /// Places of the steps that were shown: models end in any order.
    shown: BTreeSet<usize>,
    current: String,
}

impl Steps {
    fn new() -> Self {
        Self { progress: Progress::new(), shown: BTreeSet::new(), current: String::new() }
    }

    fn show(&mut self, run: &Value) {
        let steps = run["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (place, step) in steps.iter().enumerate() {
            if step["state"] != "running" && self.shown.insert(place) {
                self.progress.line(&step_line(step));
            }
        }
        let current = match steps.iter().find(|step| step["state"] == "running") {
            Some(step) => format!("{} {}", text(step, "kind"), text(step, "name")),
            None if run["state"] == "queued" => match run["dueAt"].as_str() {
                Some(due) => format!("waits for its turn, from {due} on"),
                None => "waits for its turn".to_owned(),
            },
            None => text(run, "state"),
        };
        if current != self.current {
            self.progress.say(&current);
            self.current = current;
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn step_line(step: &Value) -> String {
    let number = |key: &str| step[key].as_i64().map_or_else(String::new, |n| n.to_string());
    format!(
        "  {:<8} {:<32} {:<10} {:>7} ms {:>9} rows  {}",
        text(step, "kind"),
        text(step, "name"),
        text(step, "state"),
        number("milliseconds"),
        number("rows"),
        text(step, "detail")
    )
}

fn report(run: &Value) -> Result<()> {
    match run["state"].as_str() {
        Some("succeeded") => {
            eprintln!("version {} published in {} ms", run["version"], run["milliseconds"]);
            Ok(())
        }
        Some("cancelled") => bail!("the run was cancelled: {}", run["error"].as_str().unwrap_or_default()),
        _ => bail!("the run failed: {}", run["error"].as_str().unwrap_or("no cause was given")),
    }
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
