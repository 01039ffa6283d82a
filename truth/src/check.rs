//! Checking: turns a world and an operation into a failure, where the federated answer is not the true one.
//!
//! Two responses are equal when
//!
//! 1. their `data` is the same text: the same fields in the same order with the same values. Where the operation has
//!    directives, which may leave out the first of several occurrences of a field, the order does not count; and
//! 2. their errors surface at the same places. An error surfaces at the shortest prefix of its path where `data` is null:
//!    that is where clients see it. Which of several errors below one such null are listed, and how often, is left to the
//!    implementation (GraphQL, section 6.4.4).
//!
//! In addition no subgraph may be asked anything that its schema or its part of the graph does not allow, and every error
//! must surface somewhere.

use crate::evaluate::{Response, evaluate};
use crate::operation::Operation;
use crate::print::{LABEL, graph_name};
use crate::resolve::{Log, Monolith, Part};
use crate::value::Object;
use crate::world::{GraphId, TypeId, World};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use terrane_compose::{Subgraph, compose};
use terrane_execute::{Executor, Program, SubgraphClient, Transport};
use terrane_plan::{PlanOptions, Supergraph, plan};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind of failure: shrinking keeps it.
    pub kind: Kind,
    /// The details.
    pub text: String,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The monolith's own schema is not valid: a mistake of the generator.
    Monolith,
    /// The subgraphs don't compose; the code says why.
    Composition(&'static str),
    /// The supergraph's API is another one than the monolith's.
    Api,
    /// There is no plan.
    Plan,
    /// A subgraph was asked what it can't answer.
    Request,
    /// Other data.
    Data,
    /// Errors elsewhere.
    Errors,
    /// An incremental response that is none, or makes other data.
    Parts,
}

/// A world with everything that does not depend on the operation.
pub struct Bench {
    world: Arc<World>,
    log: Arc<Log>,
    monolith: Valid<Schema>,
    supergraph: Arc<Supergraph>,
    executor: Executor,
    runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("world", &self.world).finish_non_exhaustive()
    }
}

/// What a checked operation exercised.
#[derive(Debug, Default, Clone, Copy)]
pub struct Exercise {
    /// Requests to subgraphs.
    pub requests: usize,
    /// Errors in the true response.
    pub errors: usize,
}

fn fail<T>(kind: Kind, text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { kind, text: text.into() })
}

impl Bench {
    /// Compose a world's subgraphs.
    ///
    /// # Errors
    /// A [`Failure`] when they don't compose, or not to the monolith's schema.
    pub fn new(world: World) -> Result<Self, Failure> {
        let monolith = match Schema::parse_and_validate(world.monolith_sdl(), "monolith.graphql") {
            Ok(schema) => schema,
            Err(error) => return fail(Kind::Monolith, error.errors.to_string()),
        };
        let subgraph = |graph| Subgraph {
            name: graph_name(graph),
            url: format!("http://{}/", graph_name(graph)),
            sdl: world.subgraph_sdl(graph, true),
        };
        let subgraphs: Vec<Subgraph> = world.graph_ids().map(subgraph).collect();
        let composition = match compose(&subgraphs) {
            Ok(composition) => composition,
            Err(found) => return fail(Kind::Composition(found[0].code), terrane_diagnostics::render_all(&found)),
        };
        let supergraph = match Supergraph::parse(&composition.supergraph) {
            Ok(supergraph) => Arc::new(supergraph),
            Err(error) => return fail(Kind::Composition(error.code()), format!("{error}\n{}", composition.supergraph)),
        };
        let (world, log) = (Arc::new(world), Arc::new(Log::default()));
        let mut clients = Vec::new();
        for known in supergraph.subgraphs() {
            let graph = world.graph_ids().find(|graph| graph_name(*graph) == known.name).expect("it is one of ours");
            let transport = transport(&world, graph, &log)?;
            let uri = known.url.parse().expect("it is a URL");
            clients.push(SubgraphClient { name: known.name.clone(), uri, transport, timeout: Duration::from_secs(30) });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        Ok(Self { world, log, monolith, supergraph, executor: Executor::new(clients, 10_000), runtime })
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Answer an operation in both ways and compare; `None` when the operation is not valid.
    ///
    /// # Errors
    /// A [`Failure`] when the answers differ.
    pub fn check(&self, operation: &Operation) -> Result<Option<Exercise>, Failure> {
        let text = operation.text();
        let Ok(document) = ExecutableDocument::parse_and_validate(&self.monolith, &text, "operation.graphql") else {
            return Ok(None);
        };
        self.log.clear();
        let variables = operation.values();
        let truth = self.truth(&document, &variables, operation);
        self.log.clear();
        let ours = self.federated(&text, &variables)?;
        let faults = std::mem::take(&mut *self.log.faults.lock().expect("nothing panics while it is held"));
        let requests = self.log.requests.lock().expect("nothing panics while it is held").clone();
        let told =
            || format!("{}\ntruth {}\nours  {ours}\n{}", self.plan_text(&text), truth.body(), requests.join("\n"));
        if let Some(fault) = faults.first() {
            return fail(Kind::Request, format!("{fault}\n{}", told()));
        }
        let ordered = !text.contains(" @");
        if ours["data"] != truth.data || (ordered && ours["data"].to_string() != truth.data.to_string()) {
            return fail(Kind::Data, told());
        }
        let (expected, found) = (surfaces(&truth), surfaces(&read(&ours)));
        if expected != found {
            return fail(Kind::Errors, format!("errors surface at {found:?}, not at {expected:?}\n{}", told()));
        }
        if text.contains("@defer") && !operation.mutation {
            self.check_parts(&text, &variables, &truth)?;
        }
        Ok(Some(Exercise { requests: requests.len(), errors: truth.errors.len() }))
    }

    /// Answer an operation in parts: they must follow the protocol, and make the true response where that has no errors.
    /// (Where it has, a null goes no further up than its fragment, and the responses differ.)
    fn check_parts(&self, text: &str, variables: &Map<String, Value>, truth: &Response) -> Result<(), Failure> {
        self.log.clear();
        let program = self.program(text, true)?;
        let headers = http::HeaderMap::new();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        let outcome =
            self.runtime.block_on(self.executor.execute_incrementally(&program, Some(variables), &headers, &sender));
        drop(sender);
        if let Err(error) = outcome {
            return fail(Kind::Plan, error.to_string());
        }
        let mut parts = Vec::new();
        while let Some(part) = receiver.blocking_recv() {
            match serde_json::from_slice::<Value>(&part) {
                Ok(part) => parts.push(part),
                Err(error) => return fail(Kind::Parts, format!("{error}: {}", String::from_utf8_lossy(&part))),
            }
        }
        let told = || {
            let shown: Vec<String> = parts.iter().map(ToString::to_string).collect();
            format!("{}\ntruth {}\nparts\n{}", program.plan(), truth.body(), shown.join("\n"))
        };
        if let Some(fault) = self.log.faults.lock().expect("nothing panics while it is held").first() {
            return fail(Kind::Request, format!("{fault}\n{}", told()));
        }
        let data = match merge(&parts) {
            Ok(data) => data,
            Err(what) => return fail(Kind::Parts, format!("{what}\n{}", told())),
        };
        if truth.errors.is_empty() && data != truth.data { fail(Kind::Parts, told()) } else { Ok(()) }
    }

    fn truth(&self, document: &ExecutableDocument, variables: &Map<String, Value>, operation: &Operation) -> Response {
        let resolver = Monolith { world: &self.world, schema: &self.monolith, log: &self.log };
        let root = Object::of(TypeId(u32::from(operation.mutation)), 0);
        evaluate(&self.monolith, document, variables, &resolver, &root)
    }

    fn options(&self, incremental: bool) -> PlanOptions<'static> {
        let mut options = PlanOptions { incremental, ..PlanOptions::default() };
        if self.world.label {
            options.labels.insert(LABEL.to_owned());
        }
        options
    }

    fn program(&self, text: &str, incremental: bool) -> Result<Program, Failure> {
        let api = self.supergraph.api_schema();
        let document = match ExecutableDocument::parse_and_validate(api, text, "operation.graphql") {
            Ok(document) => document,
            Err(error) => return fail(Kind::Api, error.errors.to_string()),
        };
        let planned = match plan(&self.supergraph, &document, None, &self.options(incremental)) {
            Ok(planned) => planned,
            Err(error) => return fail(Kind::Plan, error.to_string()),
        };
        Ok(Program::compile(Arc::clone(&self.supergraph), Arc::new(document), None, planned))
    }

    fn federated(&self, text: &str, variables: &Map<String, Value>) -> Result<Value, Failure> {
        let program = self.program(text, false)?;
        let headers = http::HeaderMap::new();
        let answer = self.runtime.block_on(self.executor.execute(&program, Some(variables), &headers));
        match answer {
            Ok(body) => serde_json::from_slice(&body).or_else(|error| {
                fail(Kind::Data, format!("the response is not JSON: {error}\n{}", String::from_utf8_lossy(&body)))
            }),
            Err(error) => fail(Kind::Plan, error.to_string()),
        }
    }

    fn plan_text(&self, text: &str) -> String {
        let document = ExecutableDocument::parse_and_validate(self.supergraph.api_schema(), text, "operation.graphql");
        let planned =
            document.ok().and_then(|document| plan(&self.supergraph, &document, None, &self.options(false)).ok());
        planned.map(|planned| planned.to_string()).unwrap_or_default()
    }

    /// Everything that a reader needs to see a failure: the schemas, the operation and its variables.
    pub fn describe(world: &World, operation: &Operation) -> String {
        let mut text = String::new();
        for graph in world.graph_ids() {
            let _ = writeln!(text, "#>> {}\n{}", graph_name(graph), world.subgraph_sdl(graph, true));
        }
        let values = Value::Object(operation.values());
        let _ = write!(text, "operation (label active: {}):\n{}variables {values}\n", world.label, operation.text());
        text
    }
}

/// A subgraph in this process. It refuses what its schema does not allow.
fn transport(world: &Arc<World>, graph: GraphId, log: &Arc<Log>) -> Result<Transport, Failure> {
    let sdl = world.subgraph_sdl(graph, false);
    let schema = match Schema::parse_and_validate(sdl, "subgraph.graphql") {
        Ok(schema) => Arc::new(schema),
        Err(error) => return fail(Kind::Monolith, error.errors.to_string()),
    };
    let (world, log) = (Arc::clone(world), Arc::clone(log));
    Ok(Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let body = answer(&world, graph, &log, &schema, request.body());
        async move { Ok(http::Response::new(Bytes::from(body))) }
    })))
}

fn answer(world: &World, graph: GraphId, log: &Log, schema: &Valid<Schema>, body: &[u8]) -> String {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = request["query"].as_str().unwrap_or_default();
    let variables = request["variables"].as_object().cloned().unwrap_or_default();
    let document = match ExecutableDocument::parse_and_validate(schema, text, "operation.graphql") {
        Ok(document) => document,
        Err(error) => {
            let fault = format!("subgraph {} got an invalid operation: {}", graph_name(graph), error.errors);
            log.faults.lock().expect("nothing panics while it is held").push(fault.clone());
            return json!({ "errors": [{ "message": fault }] }).to_string();
        }
    };
    let part = Part { world, graph, log };
    let mutation = document.operations.iter().any(|operation| operation.is_mutation());
    let root = Object::of(TypeId(u32::from(mutation)), 0);
    let response = evaluate(schema, &document, &variables, &part, &root).body();
    let line = format!("{} {} -> {response}", graph_name(graph), String::from_utf8_lossy(body));
    log.requests.lock().expect("nothing panics while it is held").push(line);
    response
}

/// Put the parts of an incremental response together, and check that they follow the protocol.
fn merge(parts: &[Value]) -> Result<Value, String> {
    let Some((first, rest)) = parts.split_first() else { return Err("there are no parts".to_owned()) };
    let mut data = first["data"].clone();
    let mut pending: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (i, part) in std::iter::once(first).chain(rest).enumerate() {
        let list = |key: &str| part[key].as_array().into_iter().flatten();
        let id = |entry: &Value| entry["id"].as_str().map(str::to_owned).ok_or("an entry has no id");
        for entry in list("pending") {
            let (id, path) = (id(entry)?, entry["path"].as_array().cloned().ok_or("a fragment has no path")?);
            if at(&mut data, &path).is_none_or(|value| !value.is_object()) && list("incremental").next().is_none() {
                return Err(format!("{entry} is at no object"));
            }
            if !seen.insert(id.clone()) {
                return Err(format!("{entry} is announced twice"));
            }
            pending.insert(id, path);
        }
        for entry in list("incremental") {
            let mut path = pending.get(&id(entry)?).cloned().ok_or(format!("{entry} is not pending"))?;
            path.extend(entry["subPath"].as_array().cloned().unwrap_or_default());
            let target = at(&mut data, &path).ok_or(format!("{entry} is nowhere"))?;
            put(target, &entry["data"])?;
        }
        for entry in list("completed") {
            pending.remove(&id(entry)?).ok_or(format!("{entry} is not pending"))?;
        }
        let has_next = part["hasNext"].as_bool().ok_or("a part does not say whether another one comes")?;
        if has_next != (i + 1 < parts.len()) || (!has_next && !pending.is_empty()) {
            return Err(format!("{part} is or is not the last one"));
        }
    }
    Ok(data)
}

fn at<'v>(data: &'v mut Value, path: &[Value]) -> Option<&'v mut Value> {
    path.iter().try_fold(data, |value, step| match step {
        Value::String(key) => value.get_mut(key),
        index => value.get_mut(usize::try_from(index.as_u64()?).ok()?),
    })
}

/// Add fields to an object: none that it has, but for objects and lists of them.
fn put(target: &mut Value, data: &Value) -> Result<(), String> {
    match (target, data) {
        (Value::Object(target), Value::Object(fields)) => {
            for (key, value) in fields {
                match target.get_mut(key) {
                    Some(known) => put(known, value).map_err(|_| format!("{key} is delivered twice"))?,
                    None => drop(target.insert(key.clone(), value.clone())),
                }
            }
            Ok(())
        }
        _ => Err("not an object".to_owned()),
    }
}

fn read(response: &Value) -> Response {
    let errors = response["errors"].as_array().into_iter().flatten();
    let error = |error: &Value| {
        let path = error["path"].as_array().cloned().unwrap_or_default();
        (error["message"].as_str().unwrap_or_default().to_owned(), path)
    };
    Response { data: response["data"].clone(), errors: errors.map(error).collect() }
}

/// Where errors surface. One that surfaces nowhere is there as its whole path with a mark.
fn surfaces(response: &Response) -> BTreeSet<String> {
    let surface = |(_, path): &(String, Vec<Value>)| {
        let mut value = &response.data;
        for (at, segment) in path.iter().enumerate() {
            if value.is_null() {
                return Value::from(&path[..at]).to_string();
            }
            let next = match segment {
                Value::String(key) => value.get(key),
                index => index.as_u64().and_then(|index| value.get(usize::try_from(index).ok()?)),
            };
            let Some(next) = next else { return format!("nowhere: {}", Value::from(&path[..])) };
            value = next;
        }
        if value.is_null() {
            Value::from(&path[..]).to_string()
        } else {
            format!("nowhere: {}", Value::from(&path[..]))
        }
    };
    response.errors.iter().map(surface).collect()
}
