//! Measures the federation compiler and the executor: turns synthetic meshes into times of composition, planning and
//! execution, and memory.
//!
//! `README.md` says how, and what came out.

mod execute;
mod files;
mod mesh;

use anyhow::{Context as _, Result, anyhow};
use apollo_compiler::ExecutableDocument;
use clap::{Parser, Subcommand};
use execute::Asked;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use terrane_compose::{Composer, Subgraph, compose};
use terrane_plan::{PlanOptions, Supergraph, plan};

#[derive(Parser)]
#[command(name = "terrane-bench", about = "Measures composition, planning and execution")]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Time to compose meshes of these sizes
    Compose {
        #[arg(default_values_t = [10, 100, 1000])]
        products: Vec<usize>,
    },
    /// Time to compose again after a change of one of this many products
    Recompose {
        #[arg(default_values_t = [100, 1000])]
        products: Vec<usize>,
    },
    /// Time to plan, cold, over a mesh of 100 products
    Plan,
    /// Time to plan, cold, an operation over a supergraph that was composed elsewhere
    PlanFile {
        /// The supergraph's SDL
        #[arg(long)]
        supergraph: PathBuf,
        /// The operation
        #[arg(short = 'f', long = "operation")]
        operation: PathBuf,
        /// Only plan this often, without taking times, for a profiler
        #[arg(long)]
        times: Option<usize>,
    },
    /// Time to execute a planned operation over three subgraphs that answer from memory
    Execute {
        /// What is asked
        operation: Asked,
        /// Only run it this often, without taking times, for a profiler
        #[arg(long)]
        times: Option<u32>,
    },
    /// Memory of a parsed supergraph
    Memory {
        #[arg(default_values_t = [10, 100, 1000])]
        products: Vec<usize>,
    },
    /// Write a mesh as a JSON list of subgraphs, for other composers
    Write {
        /// How many products
        products: usize,
        /// Where to
        file: PathBuf,
    },
    /// Print the operation of about 500 fields over a mesh
    Operation {
        /// How many products the mesh has
        #[arg(default_value_t = 100)]
        products: usize,
    },
}

fn main() -> Result<()> {
    match Command::parse().what {
        What::Compose { products } => products.iter().try_for_each(|count| time_composition(*count)),
        What::Recompose { products } => products.iter().try_for_each(|count| time_recomposition(*count)),
        What::Plan => time_planning(),
        What::PlanFile { supergraph, operation, times } => files::time(&supergraph, &operation, times),
        What::Execute { operation, times } => execute::time(operation, times),
        What::Memory { products } => products.iter().try_for_each(|count| measure_memory(*count)),
        What::Write { products, file } => write_mesh(products, &file),
        What::Operation { products } => say(&mesh::wide(products)),
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("stdout")
}

/// What a task took: wall times, and processor time of one run.
struct Times {
    median: Duration,
    least: Duration,
    processor: Duration,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, least, processor } = self;
        write!(f, "median {median:.2?}, least {least:.2?}, processor {processor:.2?}")
    }
}

/// The times of a task, which runs for about two seconds and at least five times.
fn measure(mut task: impl FnMut() -> Result<()>) -> Result<Times> {
    let (started, used) = (Instant::now(), processor_time()?);
    let mut times = Vec::new();
    while times.len() < 5 || (started.elapsed() < Duration::from_secs(2) && times.len() < 10_000) {
        let begun = Instant::now();
        task()?;
        times.push(begun.elapsed());
    }
    let processor = (processor_time()? - used) / u32::try_from(times.len())?;
    times.sort_unstable();
    Ok(Times { median: times[times.len() / 2], least: times[0], processor })
}

/// How long this thread has been on a processor (Linux).
fn processor_time() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("this measurement needs Linux")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default().parse().context("schedstat holds no number")?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn composed(subgraphs: &[Subgraph]) -> Result<String> {
    let composition = compose(subgraphs).map_err(|found| anyhow!(found[0].message.clone()))?;
    Ok(composition.supergraph)
}

fn time_composition(count: usize) -> Result<()> {
    let subgraphs = mesh::products(count);
    let bytes: usize = subgraphs.iter().map(|subgraph| subgraph.sdl.len()).sum();
    let times = measure(|| composed(&subgraphs).map(|supergraph| drop(black_box(supergraph))))?;
    say(&format!("compose {count} products ({} KB): {times}", bytes / 1024))
}

/// Each run changes a product, so that none of them finds its own text.
fn time_recomposition(count: usize) -> Result<()> {
    let mut subgraphs = mesh::products(count);
    let whole = measure(|| composed(&subgraphs).map(|supergraph| drop(black_box(supergraph))))?;
    let mut composer = Composer::default();
    let mut run = 0;
    let again = measure(|| {
        let changed = &mut subgraphs[run % count];
        writeln!(changed.sdl, "extend type Query {{ change{run}: Int }}")?;
        run += 1;
        let composition = composer.compose(&subgraphs).map_err(|found| anyhow!(found[0].message.clone()))?;
        drop(black_box(composition));
        Ok(())
    })?;
    say(&format!("compose {count} products: {whole}"))?;
    say(&format!("compose them again after one changed: {again}"))
}

fn time_planning() -> Result<()> {
    let count = 100;
    let supergraph = Supergraph::parse(&composed(&mesh::products(count))?)?;
    for (name, text) in [("chain of 5", mesh::chain(count, 5)), ("500 fields", mesh::wide(count))] {
        let document = ExecutableDocument::parse_and_validate(supergraph.api_schema(), &text, "operation.graphql")
            .map_err(|error| anyhow!(error.errors.to_string()))?;
        let planned = plan(&supergraph, &document, None, &PlanOptions::default())?;
        let times = measure(|| {
            let planned = plan(&supergraph, &document, None, &PlanOptions::default())?;
            drop(black_box(planned));
            Ok(())
        })?;
        let requests = planned.requests.len();
        say(&format!("plan {name}: {times}, {requests} requests"))?;
    }
    Ok(())
}

/// How much memory the process has of its own, in KB (Linux).
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status").context("this measurement needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon is missing")?;
    line.trim().trim_end_matches(" kB").parse().context("RssAnon is no number")
}

fn measure_memory(count: usize) -> Result<()> {
    const COPIES: usize = 5;
    let text = composed(&mesh::products(count))?;
    // The first copy takes what the allocator kept of composing.
    let warm = Supergraph::parse(&text)?;
    let before = resident()?;
    let copies: Vec<Supergraph> = (0..COPIES).map(|_| Supergraph::parse(&text)).collect::<Result<_, _>>()?;
    let each = resident()?.saturating_sub(before) / COPIES;
    drop(black_box((warm, copies)));
    say(&format!("memory of {count} products: {each} KB parsed, {} KB as text", text.len() / 1024))
}

fn write_mesh(count: usize, file: &PathBuf) -> Result<()> {
    let entry = |s: &Subgraph| serde_json::json!({ "name": s.name, "url": s.url, "sdl": s.sdl });
    let list: Vec<serde_json::Value> = mesh::products(count).iter().map(entry).collect();
    std::fs::write(file, serde_json::to_string(&list)?).with_context(|| file.display().to_string())
}
