//! Graphs: turns a supergraph into something that runs operations, with its caches.

use crate::config::Limits;
use crate::headers::HeaderRules;
use crate::limits::check_limits;
use crate::policy::{DeniedFields, MeshPolicy};
use crate::subgraph::SubgraphSource;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::OperationType;
use apollo_compiler::parser::Parser;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::{DiagnosticList, Valid};
use bytes::Bytes;
use http::HeaderMap;
use moka::sync::Cache;
use std::hash::{BuildHasher as _, BuildHasherDefault};
use std::sync::Arc;
use std::time::{Duration, Instant};
use terrane_execute::transport::along;
use terrane_execute::{Executor, HttpTransport, Program, SubgraphClient};
use terrane_graphql::{Document, GraphqlError, Request};
use terrane_plan::{PlanOptions, QueryPlan, Supergraph};
use terrane_policy::RoleSet;
use terrane_telemetry::meters::PlanMeters;
use terrane_telemetry::trace;
use tokio::sync::mpsc;

/// Errors in one response at most.
const MOST_ERRORS: usize = 500;

/// Parts of a response that may wait for the client to take them.
const PARTS_WAITING: usize = 4;

/// A response in parts: the first one, and those that follow.
#[derive(Debug)]
pub struct Parts {
    /// The first part, as JSON.
    pub first: Vec<u8>,
    /// Those that follow; it ends with the last.
    pub parts: mpsc::Receiver<Vec<u8>>,
}

/// A supergraph being served.
pub struct Graph {
    sdl: String,
    supergraph: Arc<Supergraph>,
    executor: Arc<Executor>,
    policy: MeshPolicy,
    programs: Cache<ProgramKey, Arc<Program>>,
    limits: Limits,
    meters: PlanMeters,
}

/// What a compiled operation depends on. Role sets that the mesh treats alike share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ProgramKey {
    document: Document,
    name: Option<String>,
    denied: u64,
    incremental: bool,
}

impl Graph {
    /// Serve `sdl`. Subgraphs that are among `sources` are reached by their transports, the others over HTTP at the
    /// address that the supergraph names; `headers` says what each is sent of the client's.
    ///
    /// # Errors
    /// What is wrong with the supergraph, its addresses or the mesh's policy.
    pub fn new(
        sdl: String,
        sources: &[SubgraphSource],
        mesh_policy: Option<&str>,
        limits: Limits,
        headers: &HeaderRules,
    ) -> Result<Self, String> {
        let supergraph = Arc::new(Supergraph::parse(&sdl).map_err(|e| e.to_string())?);
        let pool = HttpTransport::new(limits.subgraph_body_bytes);
        let mut clients = Vec::new();
        for subgraph in supergraph.subgraphs() {
            let source = sources.iter().find(|s| s.name == subgraph.name);
            let url = source.map_or(subgraph.url.as_str(), |s| s.url.as_str());
            let transport = source.map_or_else(|| pool.transport(url), |s| s.transport.clone());
            clients.push(SubgraphClient {
                name: subgraph.name.clone(),
                uri: url
                    .parse()
                    .map_err(|_| format!("the address of subgraph `{}` is no URL: {url}", subgraph.name))?,
                transport: headers.wrap(&subgraph.name, transport),
                timeout: Duration::from_secs(limits.subgraph_timeout_seconds),
            });
        }
        let policy = MeshPolicy::new(mesh_policy, object_fields(&supergraph)).map_err(|e| e.to_string())?;
        let programs = Cache::builder()
            .weigher(|key: &ProgramKey, program: &Arc<Program>| {
                u32::try_from(key.document.len() + program.weight()).unwrap_or(u32::MAX)
            })
            .max_capacity(limits.plan_cache_bytes)
            .build();
        let executor = Arc::new(Executor::new(clients, MOST_ERRORS));
        Ok(Self { sdl, supergraph, executor, policy, programs, limits, meters: PlanMeters::new("gateway") })
    }

    /// The supergraph's text.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// Say how large the cache of plans is.
    pub(crate) fn measure(&self) {
        self.programs.run_pending_tasks();
        self.meters.measure(self.programs.entry_count(), self.programs.weighted_size());
    }

    /// The parsed supergraph.
    pub fn supergraph(&self) -> &Supergraph {
        &self.supergraph
    }

    /// Whether a field is there and the mesh lets `roles` select it, by type and field.
    pub(crate) fn selectable(&self, roles: &RoleSet) -> impl Fn(&str, &str) -> bool {
        let denied = self.policy.denied(roles);
        move |of, field| {
            let there = self.supergraph.api_schema().type_field(of, field).is_ok();
            there && !denied.contains(&(of.to_owned(), field.to_owned()))
        }
    }

    /// Run an operation; the body of the response. Equal queries that are under way at the same time run once.
    ///
    /// # Errors
    /// The errors of an operation that did not run.
    pub async fn run(
        &self,
        request: &Request,
        roles: &RoleSet,
        forwarded: &HeaderMap,
        allow_mutations: bool,
    ) -> Result<Bytes, RunError> {
        let document = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        let program = self.program(document, request.operation_name.as_deref(), roles, false)?;
        if !allow_mutations && program.plan().kind != OperationType::Query {
            return Err(RunError::NotAQuery);
        }
        let executed = self.executor.execute_once(&program, request.variables.as_ref(), forwarded).await;
        executed.map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))
    }

    /// Run an operation for a client that takes its response in parts; the parts, as they come. `None` where nothing is
    /// deferred: then [`Self::run`] it.
    ///
    /// # Errors
    /// The errors of an operation that did not run.
    pub async fn run_in_parts(
        self: &Arc<Self>,
        request: &Request,
        roles: &RoleSet,
        forwarded: HeaderMap,
    ) -> Result<Option<Parts>, RunError> {
        let document = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        if !document.contains("@defer") {
            return Ok(None);
        }
        let program = self.program(document, request.operation_name.as_deref(), roles, true)?;
        if program.plan().deferred.groups().len() < 2 {
            return Ok(None);
        }
        let (sender, mut parts) = mpsc::channel(PARTS_WAITING);
        let (graph, variables) = (Arc::clone(self), request.variables.clone());
        let running = tokio::spawn(along::with(along::current(), async move {
            graph.executor.execute_incrementally(&program, variables.as_ref(), &forwarded, &sender).await
        }));
        if let Some(first) = parts.recv().await {
            return Ok(Some(Parts { first, parts }));
        }
        let why = running.await.map_err(|error| error.to_string()).and_then(|ran| match ran {
            Ok(()) => Err("no part came".to_owned()),
            Err(error) => Ok(error),
        });
        match why {
            Ok(error) => Err(RunError::one(GraphqlError::new(error.code(), error.to_string()))),
            Err(internal) => {
                tracing::error!(error = internal, "an incremental response ended before it began");
                Err(RunError::one(GraphqlError::new("INTERNAL_SERVER_ERROR", "the operation could not be run")))
            }
        }
    }

    /// The plan of an operation as readable text.
    ///
    /// # Errors
    /// The operation's errors.
    pub fn explain(&self, text: &str, name: Option<&str>, roles: &RoleSet) -> Result<String, RunError> {
        Ok(self.planned(text, name, &self.policy.denied(roles), false)?.1.to_string())
    }

    fn program(
        &self,
        document: &Document,
        name: Option<&str>,
        roles: &RoleSet,
        incremental: bool,
    ) -> Result<Arc<Program>, RunError> {
        let denied = self.policy.denied(roles);
        let fingerprint = fingerprint(&denied);
        let name = name.map(str::to_owned);
        let key = ProgramKey { document: document.clone(), name, denied: fingerprint, incremental };
        if let Some(known) = self.programs.get(&key) {
            self.meters.hit();
            return Ok(known);
        }
        let started = Instant::now();
        let compiled = self.compile(document, key.name.as_deref(), &denied, incremental);
        self.meters.miss(started);
        let program = Arc::new(compiled?);
        self.programs.insert(key, program.clone());
        Ok(program)
    }

    fn compile(
        &self,
        text: &str,
        name: Option<&str>,
        denied: &DeniedFields,
        incremental: bool,
    ) -> Result<Program, RunError> {
        let (document, plan) = self.planned(text, name, denied, incremental)?;
        Ok(Program::compile(self.supergraph.clone(), Arc::new(document), name, plan).compact())
    }

    fn planned(
        &self,
        text: &str,
        name: Option<&str>,
        denied: &DeniedFields,
        incremental: bool,
    ) -> Result<(Valid<ExecutableDocument>, QueryPlan), RunError> {
        let document = {
            let _span = trace::span("parse");
            self.parse(text)?
        };
        let _span = trace::span("plan");
        let operation = document
            .operations
            .get(name)
            .map_err(|e| RunError::one(GraphqlError::new("OPERATION_RESOLUTION_FAILURE", e.message().to_string())))?;
        check_limits(&document, operation, &self.limits).map_err(RunError::one)?;
        let is_denied = |of: &str, field: &str| denied.contains(&(of.to_owned(), field.to_owned()));
        let denied: Option<&dyn terrane_plan::Denied> = if denied.is_empty() { None } else { Some(&is_denied) };
        let options = PlanOptions { denied, incremental, ..PlanOptions::default() };
        let plan = terrane_plan::plan(&self.supergraph, &document, name, &options)
            .map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        Ok((document, plan))
    }

    fn parse(&self, text: &str) -> Result<Valid<ExecutableDocument>, RunError> {
        let schema = self.supergraph.api_schema();
        let mut parser = Parser::new().token_limit(self.limits.tokens).recursion_limit(self.limits.depth * 4);
        let document = parser
            .parse_ast(text, "operation.graphql")
            .map_err(|e| RunError::Request(errors("GRAPHQL_PARSE_FAILED", &e.errors)))?;
        let valid = document.to_executable_validate(schema);
        valid.map_err(|e| RunError::Request(errors("GRAPHQL_VALIDATION_FAILED", &e.errors)))
    }
}

/// Why an operation did not run.
#[derive(Debug)]
pub enum RunError {
    /// Errors of the request.
    Request(Vec<GraphqlError>),
    /// Something else than a query, where only queries are taken.
    NotAQuery,
}

impl RunError {
    fn one(error: GraphqlError) -> Self {
        Self::Request(vec![error])
    }
}

/// The findings of the parser or validator as response errors.
fn errors(code: &str, list: &DiagnosticList) -> Vec<GraphqlError> {
    list.iter()
        .map(|diagnostic| {
            let json = diagnostic.to_json();
            json.locations
                .iter()
                .fold(GraphqlError::new(code, json.message.clone()), |error, at| error.at(at.line, at.column))
        })
        .collect()
}

/// A number that differs where sets differ; 0 for the empty one.
fn fingerprint(denied: &DeniedFields) -> u64 {
    let hasher = BuildHasherDefault::<rustc_hash::FxHasher>::default();
    denied.iter().map(|pair| hasher.hash_one(pair)).fold(0, u64::wrapping_add)
}

/// Every field of every object and interface type that clients see.
fn object_fields(supergraph: &Supergraph) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, of) in &supergraph.api_schema().types {
        let names: Vec<_> = match of {
            ExtendedType::Object(object) => object.fields.keys().collect(),
            ExtendedType::Interface(interface) => interface.fields.keys().collect(),
            _ => continue,
        };
        if !of.is_built_in() {
            fields.extend(names.into_iter().map(|field| (name.to_string(), field.to_string())));
        }
    }
    fields
}
