//! Running: turns a program and variables into a response, by sending each request as soon as what it needs is there.

use crate::contexts::{self, Group};
use crate::deliver::{Delivery, Grouping, Source};
use crate::error::ExecuteError;
use crate::introspect::introspect;
use crate::program::{Program, RequestCode};
use crate::read::{self, Answer, Target};
use crate::respond::respond;
use crate::store::{Failure, Store, Value};
use crate::subgraph::{Subgraph, SubgraphClient};
use crate::targets::{Guard, collect, objects_at};
use crate::transport::{Answered, Executed, Headers, Identity, QueryIdentity, Shares, compared};
use crate::variables::Variables;
use apollo_compiler::ast::OperationType;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::HeaderMap;
use metrics::Counter;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use terrane_graphql::json::write_str;
use tokio::sync::mpsc;

/// Runs programs of one supergraph against its subgraphs.
pub struct Executor {
    subgraphs: Vec<Arc<Subgraph>>,
    /// Requests to subgraphs under way.
    requests: Arc<Shares<Identity, Answered>>,
    /// Queries under way.
    queries: Arc<Shares<QueryIdentity, Executed>>,
    /// Queries that were not run, because an equal one was under way.
    joined: Counter,
    max_errors: usize,
}

/// What a request under way was for.
struct Sent {
    request: usize,
    /// By fetch of the request, or by repetition of one: its targets.
    targets: Vec<Vec<Target>>,
    /// The response keys of repetitions.
    keys: Option<Vec<String>>,
    guards: Vec<Guard>,
    answered: Answered,
}

struct Run<'a> {
    executor: &'a Executor,
    program: &'a Program,
    variables: &'a Variables,
    headers: Headers,
    holds: Vec<bool>,
    store: Store,
    root: u32,
    introspection: Vec<Vec<u8>>,
    done: Vec<bool>,
    started: Vec<bool>,
}

impl Executor {
    /// An executor for the subgraphs of a supergraph, in the order of their ids. At most `max_errors` errors are in a
    /// response.
    pub fn new(subgraphs: Vec<SubgraphClient>, max_errors: usize) -> Self {
        let subgraphs = subgraphs.into_iter().map(|client| Arc::new(Subgraph::new(client))).collect();
        let joined = metrics::counter!("terrane_operations_joined_total");
        Self { subgraphs, requests: Arc::default(), queries: Arc::default(), joined, max_errors }
    }

    /// Run a program. `headers` are sent to subgraphs as they are.
    ///
    /// Returns the body of the response: `{"data":…,"errors":…}`.
    ///
    /// # Errors
    /// [`ExecuteError`] when the operation can't run at all: the response then has no `data`.
    pub async fn execute(
        &self,
        program: &Program,
        variables: Option<&Map<String, Json>>,
        headers: &HeaderMap,
    ) -> Result<Vec<u8>, ExecuteError> {
        let variables = self.variables(program, variables)?;
        let mut run = Run::new(self, program, &variables, headers)?;
        run.all().await;
        Ok(respond(run.source()))
    }

    /// The same; equal queries that are under way at the same time run once. What the response depends on is the program,
    /// the variables and the headers. Mutations always run, and who asks after one has ended gets no result of before.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_once(
        self: &Arc<Self>,
        program: &Arc<Program>,
        variables: Option<&Map<String, Json>>,
        headers: &HeaderMap,
    ) -> Result<Bytes, ExecuteError> {
        if program.plan.kind != OperationType::Query {
            return Ok(self.execute(program, variables, headers).await?.into());
        }
        let text = variables
            .filter(|variables| !variables.is_empty())
            .map(|variables| serde_json::to_vec(variables).expect("a JSON value becomes JSON text").into())
            .unwrap_or_default();
        let identity = QueryIdentity::new(Arc::clone(program), text, compared(headers));
        let mut joined = true;
        let start = || {
            joined = false;
            let (executor, program) = (Arc::clone(self), Arc::clone(program));
            let (variables, headers) = (variables.cloned(), headers.clone());
            async move { Ok(executor.execute(&program, variables.as_ref(), &headers).await?.into()) }
        };
        let executed = self.queries.join(identity, start);
        if joined {
            self.joined.increment(1);
        }
        executed.await
    }

    /// Data was changed: nobody joins reading that began before.
    fn changed(&self) {
        self.queries.forget();
        self.requests.forget();
    }

    /// Run a program whose plan was made for a client that takes the response in parts
    /// ([`terrane_plan::PlanOptions::incremental`]), and send the parts: `{"data":…,"pending":…,"hasNext":true}` first, then
    /// `{"incremental":…,"completed":…,"hasNext":…}` (incremental delivery RFC). It ends early when nobody receives them.
    ///
    /// # Errors
    /// [`ExecuteError`] when the operation can't run at all; then no part was sent.
    pub async fn execute_incrementally(
        &self,
        program: &Program,
        variables: Option<&Map<String, Json>>,
        headers: &HeaderMap,
        parts: &mpsc::Sender<Vec<u8>>,
    ) -> Result<(), ExecuteError> {
        let variables = self.variables(program, variables)?;
        let mut run = Run::new(self, program, &variables, headers)?;
        let mut delivery = Delivery::new(Grouping::new(program, |name| variables.is_true(name)));
        let mut under_way = FuturesUnordered::new();
        run.start(&under_way);
        loop {
            while let Some(part) = delivery.next(run.source()) {
                if parts.send(part).await.is_err() {
                    return Ok(());
                }
            }
            if delivery.is_over() {
                return Ok(());
            }
            let Some(sent) = under_way.next().await else { return Ok(()) };
            run.finish(sent);
            run.start(&under_way);
        }
    }

    fn variables(&self, program: &Program, given: Option<&Map<String, Json>>) -> Result<Variables, ExecuteError> {
        if program.plan.kind == OperationType::Subscription {
            let message = "subscriptions need a streaming connection; send this operation over one";
            return Err(ExecuteError::Unsupported(message.to_owned()));
        }
        Variables::coerce(program.supergraph.api_schema(), &program.operation, given)
    }
}

impl<'a> Run<'a> {
    fn new(
        executor: &'a Executor,
        program: &'a Program,
        variables: &'a Variables,
        headers: &'a HeaderMap,
    ) -> Result<Self, ExecuteError> {
        let holds = program.conditions.iter().map(|c| c.holds(|name| variables.is_true(name))).collect();
        let mut store = program.sizes.store();
        let root_node = program.plan.root;
        let root_ty = program.plan.nodes.node(root_node).ty;
        let root = store.add_object(root_node.0, root_ty.0, program.slot_counts[root_node.index()]);
        let count = program.requests.len();
        let introspection = introspect(program, variables)?;
        let (done, started) = (vec![false; count], vec![false; count]);
        let headers = compared(headers);
        Ok(Run { executor, program, variables, headers, holds, store, root, introspection, done, started })
    }

    fn source(&self) -> Source<'_> {
        Source {
            program: self.program,
            store: &self.store,
            root: self.root,
            holds: &self.holds,
            introspection: &self.introspection,
            max_errors: self.executor.max_errors,
            done: &self.done,
        }
    }
}

impl Run<'_> {
    async fn all(&mut self) {
        let mut under_way: FuturesUnordered<BoxFuture<'static, Sent>> = FuturesUnordered::new();
        self.start(&under_way);
        while let Some(sent) = under_way.next().await {
            self.finish(sent);
            self.start(&under_way);
        }
        self.program.sizes.keep(&self.store);
    }

    /// Start every request whose predecessors are done. One that has nothing to ask is done at once, which may let
    /// others start.
    fn start(&mut self, under_way: &FuturesUnordered<BoxFuture<'static, Sent>>) {
        let mut progress = true;
        while progress {
            progress = false;
            for i in 0..self.program.requests.len() {
                let ready = !self.started[i] && self.program.requests[i].after.iter().all(|&before| self.done[before]);
                if !ready {
                    continue;
                }
                self.started[i] = true;
                progress = true;
                match self.prepare(i) {
                    Some(future) => under_way.push(future),
                    None => self.done[i] = true,
                }
            }
        }
    }

    /// The request on its way, or nothing when there is nothing to ask.
    fn prepare(&mut self, number: usize) -> Option<BoxFuture<'static, Sent>> {
        let program = self.program;
        let request = &program.requests[number];
        if request.contextual {
            return self.prepare_contextual(number);
        }
        let mut body = Vec::with_capacity(request.head.len() + 256);
        body.extend_from_slice(&request.head);
        let mut targets = Vec::with_capacity(request.fetches.len());
        let mut guards = Vec::new();
        let mut first = true;
        for (&fetch, name) in request.fetches.iter().zip(&request.inputs) {
            let code = &program.fetches[fetch];
            let active = self.holds[code.condition];
            if !program.plan.fetches[fetch].is_entity {
                let objects = if active { objects_at(&self.store, self.root, &code.paths) } else { Vec::new() };
                let read = code.branches[0];
                targets.push(if objects.is_empty() {
                    Vec::new()
                } else {
                    vec![Target { read, objects: objects.into() }]
                });
                continue;
            }
            if !first {
                body.push(b',');
            }
            first = false;
            body.extend_from_slice(name);
            body.push(b'[');
            if active {
                let collected = collect(program, fetch, &self.holds, &mut self.store, self.root);
                body.extend_from_slice(&collected.bytes);
                targets.push(collected.targets);
                guards.extend(collected.guards);
            } else {
                targets.push(Vec::new());
            }
            body.push(b']');
        }
        if targets.iter().all(Vec::is_empty) {
            return None;
        }
        self.variables.write(&mut body, &request.variables, first);
        body.extend_from_slice(b"}}");
        let answer = self.executor.send(request, body.into(), &self.headers);
        Some(async move { Sent { request: number, targets, keys: None, guards, answered: answer.await } }.boxed())
    }

    /// The same for a request with values from objects above: each of its fetches is there once per group of objects
    /// with equal values.
    fn prepare_contextual(&mut self, number: usize) -> Option<BoxFuture<'static, Sent>> {
        let program = self.program;
        let request = &program.requests[number];
        let mut groups: Vec<Group> = Vec::new();
        let mut counts = Vec::with_capacity(request.fetches.len());
        for &fetch in &request.fetches {
            let before = groups.len();
            if !self.holds[program.fetches[fetch].condition] {
                counts.push(0);
                continue;
            }
            if program.plan.fetches[fetch].contexts.is_empty() {
                let collected = collect(program, fetch, &self.holds, &mut self.store, self.root);
                if !collected.targets.is_empty() {
                    groups.push(Group { values: Vec::new(), collected });
                }
            } else {
                groups.extend(contexts::groups(program, fetch, &self.holds, &mut self.store, self.root));
            }
            counts.push(groups.len() - before);
        }
        if groups.is_empty() {
            return None;
        }
        let (text, repetitions) = program.plan.repeated(&program.plan.requests[number], &counts);
        let mut body = b"{\"query\":".to_vec();
        write_str(&mut body, &text);
        body.extend_from_slice(b",\"variables\":{");
        let (mut targets, mut keys, mut guards) = (Vec::new(), Vec::new(), Vec::new());
        for (i, (group, repetition)) in groups.into_iter().zip(repetitions).enumerate() {
            body.extend_from_slice(if i == 0 { b"" } else { b"," });
            write_str(&mut body, &repetition.variable);
            body.extend_from_slice(b":[");
            body.extend_from_slice(&group.collected.bytes);
            body.push(b']');
            for (name, value) in repetition.contexts.iter().zip(&group.values) {
                body.push(b',');
                write_str(&mut body, name);
                body.push(b':');
                body.extend_from_slice(value);
            }
            targets.push(group.collected.targets);
            keys.push(repetition.key);
            guards.extend(group.collected.guards);
        }
        self.variables.write(&mut body, &request.variables, false);
        body.extend_from_slice(b"}}");
        let answer = self.executor.send(request, body.into(), &self.headers);
        let keys = Some(keys);
        Some(async move { Sent { request: number, targets, keys, guards, answered: answer.await } }.boxed())
    }

    /// Read an answer into the store; where it failed, its fields did.
    fn finish(&mut self, sent: Sent) {
        let program = self.program;
        let request = &program.requests[sent.request];
        let subgraph = &self.executor.subgraphs[request.subgraph].client.name;
        self.done[sent.request] = true;
        if !request.shareable {
            self.executor.changed();
        }
        let mut parts = Vec::with_capacity(sent.targets.len());
        if let Some(keys) = &sent.keys {
            parts.extend(keys.iter().map(|key| Some(key.as_bytes())).zip(sent.targets.iter().cloned()));
        }
        let plain = if sent.keys.is_some() { Vec::new() } else { sent.targets };
        for (&fetch, targets) in request.fetches.iter().zip(plain) {
            if !targets.is_empty() {
                let key = program.plan.fetches[fetch].is_entity.then_some(&*program.fetches[fetch].key);
                parts.push((key, targets));
            }
        }
        let answer = Answer { program, subgraph, parts };
        let outcome = match sent.answered {
            Err(error) => {
                tracing::warn!(subgraph, %error, "subgraph request failed");
                Err(Failure::new(error.code(), Some(subgraph), error.public_message(subgraph)))
            }
            Ok((status, body)) => match read::read(&answer, &body, &mut self.store) {
                Err(_) if !status.is_success() => {
                    let message = format!("subgraph `{subgraph}` answered with HTTP status {}", status.as_u16());
                    Err(Failure::new("SUBGRAPH_HTTP_ERROR", Some(subgraph), message))
                }
                other => other,
            },
        };
        if let Err(failure) = outcome {
            let failure = self.store.add_failure(failure);
            for (_, targets) in &answer.parts {
                targets.iter().for_each(|target| self.fail(target, failure));
            }
        }
        for target in answer.parts.iter().flat_map(|(_, targets)| targets) {
            self.copy(target);
        }
        for guard in &sent.guards {
            self.store.set_slot(guard.object, guard.slot, guard.value);
        }
    }

    /// All fields of a target failed, also those that the broken answer had.
    fn fail(&mut self, target: &Target, failure: u32) {
        for field in &self.program.reads[target.read].fields {
            self.store.set_slot(target.objects[0], field.slot, Value::Error(failure));
        }
    }

    /// Objects with the same representation have the same values.
    fn copy(&mut self, target: &Target) {
        let Some((&first, others)) = target.objects.split_first() else { return };
        let ty = self.store.objects[first as usize].ty;
        for &other in others {
            for field in &self.program.reads[target.read].fields {
                let mut value = self.store.slot(first, field.slot);
                if self.program.contextual {
                    value = self.store.duplicate(value);
                }
                self.store.set_slot(other, field.slot, value);
            }
            self.store.objects[other as usize].ty = ty;
        }
    }
}

impl Executor {
    /// Send a body to a subgraph; equal queries under way are one.
    fn send(&self, request: &RequestCode, body: Bytes, headers: &Headers) -> BoxFuture<'static, Answered> {
        let subgraph = Arc::clone(&self.subgraphs[request.subgraph]);
        if !request.shareable {
            return subgraph.post(body, Arc::clone(headers), true).boxed();
        }
        let identity = Identity::new(request.subgraph, body.clone(), Arc::clone(headers));
        let mut joined = true;
        let asked = self.requests.join(identity, || {
            joined = false;
            Arc::clone(&subgraph).post(body, Arc::clone(headers), false)
        });
        if joined {
            subgraph.meters.joined();
        }
        asked.boxed()
    }
}
