//! Running: turns a program and variables into a response, by sending each request as soon as what it needs is there.

mod prepare;

use crate::cache::{AnswerCache, Cached, Freshness};
use crate::deliver::{Delivery, Grouping, Source};
use crate::error::ExecuteError;
use crate::introspect::introspect;
use crate::lookup::{Found, Sender};
use crate::program::{Program, RequestCode};
use crate::read::{self, Answer, Target};
use crate::respond::respond;
use crate::store::{Failure, Store, Value};
use crate::subgraph::{Subgraph, SubgraphClient};
use crate::targets::Guard;
use crate::transport::{Answered, Executed, Headers, Identity, QueryIdentity, Received, Shares, compared};
use crate::variables::Variables;
use apollo_compiler::ast::OperationType;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::HeaderMap;
use metrics::Counter;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Runs programs of one supergraph against its subgraphs.
#[derive(Debug)]
pub struct Executor {
    subgraphs: Vec<Arc<Subgraph>>,
    /// Requests to subgraphs under way.
    requests: Arc<Shares<Identity, Answered>>,
    /// Queries under way.
    queries: Arc<Shares<QueryIdentity, Executed>>,
    /// Queries that were not run, because an equal one was under way.
    joined: Counter,
    max_errors: usize,
    /// Answers that subgraphs allow to keep.
    cache: Option<Arc<AnswerCache>>,
    /// The last event that was responded to.
    last_event: AtomicU64,
}

/// The response to an operation.
#[derive(Debug, Clone)]
pub struct Response {
    /// `{"data":…,"errors":…}`
    pub body: Bytes,
    /// For how long it may be kept, and for whom: the least that the answers in it allow. None where one of them may not be
    /// kept, something failed, or nobody was asked.
    pub freshness: Option<Freshness>,
}

/// What a request under way was for.
pub(crate) struct Sent {
    pub request: usize,
    /// By fetch of the request, or by repetition of one: its targets.
    pub targets: Vec<Vec<Target>>,
    /// The response keys of repetitions.
    pub keys: Option<Vec<String>>,
    pub guards: Vec<Guard>,
    /// What was kept of former answers.
    pub found: Option<Found>,
    /// None where all was.
    pub answered: Option<Answered>,
}

pub(crate) struct Run<'a> {
    executor: &'a Executor,
    program: &'a Program,
    variables: &'a Variables,
    headers: Headers,
    holds: Vec<bool>,
    store: Store,
    pub root: u32,
    introspection: Vec<Vec<u8>>,
    done: Vec<bool>,
    pub started: Vec<bool>,
    lasts: Lasts,
}

/// For how long all answers so far may be kept.
#[derive(Debug, Clone, Copy)]
enum Lasts {
    /// Nobody was asked.
    Unknown,
    Kept(Freshness),
    Never,
}

impl Lasts {
    /// With one answer more.
    fn and(self, freshness: Option<Freshness>) -> Self {
        match (self, freshness) {
            (Self::Never, _) | (_, None) => Self::Never,
            (Self::Unknown, Some(other)) => Self::Kept(other),
            (Self::Kept(least), Some(other)) => Self::Kept(least.and(other)),
        }
    }
}

impl Executor {
    /// An executor for the subgraphs of a supergraph, in the order of their ids. At most `max_errors` errors are in a
    /// response.
    pub fn new(subgraphs: Vec<SubgraphClient>, max_errors: usize) -> Self {
        let subgraphs = subgraphs.into_iter().map(|client| Arc::new(Subgraph::new(client))).collect();
        Self {
            subgraphs,
            requests: Arc::default(),
            queries: Arc::default(),
            joined: metrics::counter!("terrane_operations_joined_total"),
            max_errors,
            cache: None,
            last_event: AtomicU64::new(0),
        }
    }

    /// The same, with answers kept in `cache` where subgraphs allow it (RFC 9111).
    pub fn with_cache(mut self, cache: Arc<AnswerCache>) -> Self {
        for subgraph in &mut self.subgraphs {
            let mut kept = Subgraph::clone(subgraph);
            kept.cached = Some(cache.of(&kept.client.name));
            *subgraph = Arc::new(kept);
        }
        self.cache = Some(cache);
        self
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
        Ok(self.run(program, variables, headers).await?.0)
    }

    async fn run(
        &self,
        program: &Program,
        variables: Option<&Map<String, Json>>,
        headers: &HeaderMap,
    ) -> Result<(Vec<u8>, Option<Freshness>), ExecuteError> {
        let variables = self.variables(program, variables)?;
        let mut run = Run::new(self, program, &variables, headers)?;
        run.all().await;
        let (body, has_errors) = respond(run.source());
        let freshness = match run.lasts {
            Lasts::Kept(freshness) if !has_errors => Some(freshness),
            _ => None,
        };
        Ok((body, freshness))
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
    ) -> Result<Response, ExecuteError> {
        if program.plan.kind != OperationType::Query {
            return Ok(Response { body: self.execute(program, variables, headers).await?.into(), freshness: None });
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
            async move {
                let (body, freshness) = executor.run(&program, variables.as_ref(), &headers).await?;
                Ok(Response { body: body.into(), freshness })
            }
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

    /// An event says that data was changed: what adds to it must not have been read before. Those who respond to the same
    /// event share what they read.
    pub(crate) fn not_before(&self, event: u64) {
        if self.last_event.fetch_max(event, Ordering::Relaxed) < event {
            self.changed();
        }
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
    pub fn new(
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
        let (headers, lasts) = (compared(headers), Lasts::Unknown);
        Ok(Run { executor, program, variables, headers, holds, store, root, introspection, done, started, lasts })
    }

    pub fn source(&self) -> Source<'_> {
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
    pub async fn all(&mut self) {
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

    /// Read an answer into the store; where it failed, its fields did.
    pub fn finish(&mut self, sent: Sent) {
        let program = self.program;
        let request = &program.requests[sent.request];
        let subgraph = &self.executor.subgraphs[request.subgraph];
        let name = &subgraph.client.name;
        self.done[sent.request] = true;
        if !request.shareable {
            self.executor.changed();
            subgraph.cached.iter().for_each(|cached| cached.change());
        }
        let mut keys = Vec::new();
        if let Some(Found { kept, freshness, keys: wanted }) = sent.found {
            keys = wanted;
            if freshness.is_some() {
                self.lasts = self.lasts.and(freshness);
            }
            kept.iter().for_each(|(target, text)| self.finish_kept(target, text));
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
        let answer = Answer { program, subgraph: name, parts, keeps: !keys.is_empty() };
        match &sent.answered {
            None => {}
            Some(Ok(received)) => self.lasts = self.lasts.and(received.freshness),
            Some(Err(_)) => self.lasts = Lasts::Never,
        }
        let outcome = match sent.answered {
            None => Ok(()),
            Some(Err(error)) => {
                tracing::warn!(subgraph = name, %error, "subgraph request failed");
                Err(Failure::new(error.code(), Some(name), error.public_message(name)))
            }
            Some(Ok(Received { status, body, freshness })) => match read::read(&answer, &body, &mut self.store) {
                Err(_) if !status.is_success() => {
                    let message = format!("subgraph `{name}` answered with HTTP status {}", status.as_u16());
                    Err(Failure::new("SUBGRAPH_HTTP_ERROR", Some(name), message))
                }
                Err(failure) => Err(failure),
                Ok(read) => {
                    if let (Some(freshness), Some(cache)) = (freshness, &self.executor.cache) {
                        read.keep(cache, &body, keys, freshness);
                    }
                    Ok(())
                }
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

    /// Read an entity that was kept into the store.
    fn finish_kept(&mut self, target: &Target, text: &Bytes) {
        read::read_kept(self.program, target, text, &mut self.store);
        self.copy(target);
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
        self.sender(request).send(body, headers)
    }

    fn sender(&self, request: &RequestCode) -> Sender {
        Sender {
            number: request.subgraph,
            subgraph: Arc::clone(&self.subgraphs[request.subgraph]),
            requests: Arc::clone(&self.requests),
            shareable: request.shareable,
        }
    }

    /// Where to look for answers of a query's request, where its subgraph lets them be kept.
    fn kept_answers(&self, program: &Program, request: &RequestCode) -> Option<(&Arc<AnswerCache>, &Arc<Cached>)> {
        let cache = self.cache.as_ref()?;
        let cached = self.subgraphs[request.subgraph].cached.as_ref()?;
        (program.plan.kind == OperationType::Query && cached.allows()).then_some((cache, cached))
    }
}
