//! Times the gateway's executor: turns operations over three subgraphs that answer from memory into times of an operation.

mod world;

use crate::{measure, say};
use anyhow::{Context as _, Result, anyhow, ensure};
use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use clap::ValueEnum;
use http::HeaderMap;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use terrane_compose::{Subgraph, compose};
use terrane_execute::{Executor, Program, SubgraphClient, Transport, TransportError};
use terrane_plan::{PlanOptions, Supergraph, plan};
use tokio::runtime::Runtime;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Asked {
    /// 248 objects in nested lists, and two waves of entities
    Heavy,
    /// One object of one subgraph
    Light,
}

impl Asked {
    /// Runs that are timed together, so that taking the time costs nothing beside them.
    fn batch(self) -> u32 {
        match self {
            Self::Heavy => 50,
            Self::Light => 2_000,
        }
    }
}

/// Print the times of an operation, and the bytes of answers and response that go through the executor in a second.
///
/// With `times` nothing is timed; the operation runs that often, for a profiler.
///
/// # Errors
/// When a response is not the expected one, to the byte.
pub fn time(asked: Asked, times: Option<u32>) -> Result<()> {
    let bench = Bench::new(asked)?;
    let (requests, answers) = bench.traffic();
    if let Some(times) = times {
        bench.run(times)?;
        return say(&format!("{answers} bytes of answers, {} of the response", bench.expected.len()));
    }
    let batch = asked.batch();
    let times = measure(|| bench.run(batch))?;
    let [median, least, processor] = [times.median, times.least, times.processor].map(|time| time / batch);
    let rate = |bytes: usize| bytes as f64 / processor.as_secs_f64() / 1e6;
    let name = asked.to_possible_value().context("it has a name")?;
    say(&format!("execute {}: median {median:.2?}, least {least:.2?}, processor {processor:.2?}", name.get_name()))?;
    say(&format!(
        "{requests} requests; {answers} bytes of answers ({:.0} MB/s), {} of the response ({:.0} MB/s)",
        rate(answers),
        bench.expected.len(),
        rate(bench.expected.len())
    ))
}

/// Requests to a subgraph with their answers, as they were the first time.
type Known = Arc<Mutex<Vec<(Bytes, Bytes)>>>;

struct Bench {
    executor: Executor,
    program: Program,
    runtime: Runtime,
    known: Vec<Known>,
    expected: String,
}

impl Bench {
    /// Compose, plan and compile, and run once.
    fn new(asked: Asked) -> Result<Self> {
        let subgraphs: Vec<Subgraph> = world::SUBGRAPHS.iter().map(|(name, sdl)| subgraph(name, sdl)).collect();
        let composed = compose(&subgraphs).map_err(|found| anyhow!(found[0].message.clone()))?;
        let supergraph = Arc::new(Supergraph::parse(&composed.supergraph)?);
        let (text, expected) = match asked {
            Asked::Heavy => (world::HEAVY, world::heavy()),
            Asked::Light => (world::LIGHT, world::light()),
        };
        let document = ExecutableDocument::parse_and_validate(supergraph.api_schema(), text, "operation.graphql")
            .map_err(|error| anyhow!(error.errors.to_string()))?;
        let planned = plan(&supergraph, &document, None, &PlanOptions::default())?;
        let mut known = Vec::new();
        let clients = supergraph.subgraphs().iter().map(|subgraph| {
            let answers = Known::default();
            known.push(Arc::clone(&answers));
            SubgraphClient {
                name: subgraph.name.clone(),
                uri: http::Uri::from_static("http://subgraph/"),
                transport: from_memory(&subgraph.name, answers),
                timeout: Duration::from_secs(10),
            }
        });
        let executor = Executor::new(clients.collect(), 500);
        let program = Program::compile(supergraph, Arc::new(document), None, planned);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bench = Self { executor, program, runtime, known, expected };
        bench.run(1)?;
        Ok(bench)
    }

    /// Run the operation this often, and compare each response.
    fn run(&self, times: u32) -> Result<()> {
        let headers = HeaderMap::new();
        self.runtime.block_on(async {
            for _ in 0..times {
                let response = self.executor.execute(&self.program, None, &headers).await?;
                ensure!(
                    response == self.expected.as_bytes(),
                    "another response than expected:\n{}\n{}",
                    String::from_utf8_lossy(&response),
                    self.expected
                );
            }
            Ok(())
        })
    }

    /// Requests of an operation, and the bytes of their answers.
    fn traffic(&self) -> (usize, usize) {
        let all = self.known.iter().map(|known| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            (known.len(), known.iter().map(|(_, answer)| answer.len()).sum::<usize>())
        });
        all.fold((0, 0), |(requests, bytes), (more, longer)| (requests + more, bytes + longer))
    }
}

fn subgraph(name: &str, sdl: &str) -> Subgraph {
    let sdl = format!("{}{sdl}", world::LINK);
    Subgraph { name: name.to_owned(), url: format!("http://{name}/graphql"), sdl }
}

/// A subgraph in this process. It answers a request that it knows with what it answered before, and makes other answers.
fn from_memory(name: &str, known: Known) -> Transport {
    let name: Arc<str> = name.into();
    Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let answer = answer(&name, &known, request.body());
        std::future::ready(answer.map(http::Response::new))
    }))
}

fn answer(name: &str, known: &Known, body: &Bytes) -> Result<Bytes, TransportError> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, answer)) = known.iter().find(|(request, _)| request == body) {
        return Ok(answer.clone());
    }
    let broken = |error: serde_json::Error| TransportError::Unreachable(error.to_string());
    let request: Value = serde_json::from_slice(body).map_err(broken)?;
    let answer = Bytes::from(world::answer(name, &request));
    known.push((body.clone(), answer.clone()));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_answer_what_is_expected() {
        for (asked, requests) in [(Asked::Heavy, 3), (Asked::Light, 1)] {
            let bench = Bench::new(asked).unwrap();
            bench.run(2).unwrap();
            // the answers came from memory
            assert_eq!(bench.traffic().0, requests, "{asked:?}");
        }
    }
}
