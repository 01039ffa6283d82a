//! Graphs: turns a supergraph into something that runs operations, with its caches.

use crate::config::Limits;
use crate::config::{DemandMode, IntrospectionConfig, PolicyMode};
use crate::demand::{Estimate, NotSliced, Weights};
use crate::gateway::GatewaySettings;
use crate::limits::{check_document, check_variables as check_size};
use crate::policy::{Access, GraphPolicy, VariableCheck, check_arguments, check_variables};
use crate::subscriptions::{Subscriptions, source_clients};
use crate::traffic::{guard, masked};
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::OperationType;
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticList, Valid};
use http::HeaderMap;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terrane_execute::cache::AnswerCache;
use terrane_execute::subscribe::SourceClient;
use terrane_execute::transport::along;
use terrane_execute::{Executor, HttpTransport, Program, Response, SubgraphClient};
use terrane_graphql::{Document, GraphqlError, Request};
use terrane_plan::{PlanOptions, QueryPlan, Source, Supergraph};
use terrane_policy::Caller;
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
    /// By subgraph: how its events are asked for.
    event_sources: Vec<SourceClient>,
    policy: GraphPolicy,
    mode: PolicyMode,
    programs: Cache<ProgramKey, Arc<Prepared>>,
    limits: Limits,
    meters: PlanMeters,
    introspection: IntrospectionConfig,
    /// Where costs are estimated.
    weights: Option<Weights>,
}

/// An operation, ready to run for callers with the same decisions.
#[derive(Debug)]
pub(crate) struct Prepared {
    program: Arc<Program>,
    access: Arc<Access>,
    /// Variables whose values could speak of what is denied.
    checks: Vec<VariableCheck>,
    introspects: bool,
    /// Where costs are estimated.
    estimate: Option<Estimate>,
}

/// What a compiled operation depends on. Callers with the same decisions share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProgramKey {
    document: Document,
    name: Option<String>,
    /// The number of the decisions.
    pub(crate) access: u64,
    incremental: bool,
}

impl Graph {
    /// Serve `sdl`. Subgraphs that are among the settings' sources are reached by their transports, the others over HTTP at
    /// the address that the supergraph names.
    ///
    /// # Errors
    /// What is wrong with the supergraph or its addresses.
    pub(crate) fn new(
        sdl: String,
        settings: &GatewaySettings,
        subscriptions: &Subscriptions,
        cache: Option<Arc<AnswerCache>>,
    ) -> Result<Self, String> {
        let (sources, limits, mode) = (&settings.sources, settings.limits, settings.policy_mode);
        let supergraph = Arc::new(Supergraph::parse(&sdl).map_err(|e| e.to_string())?);
        let pool = HttpTransport::new(limits.subgraph_body_bytes);
        let (mut clients, mut gates) = (Vec::new(), Vec::new());
        for subgraph in supergraph.subgraphs() {
            let source = sources.iter().find(|s| s.name == subgraph.name);
            let url = source.map_or(subgraph.url.as_str(), |s| s.url.as_str());
            let transport = source.map_or_else(|| pool.transport(url), |s| s.transport.clone());
            let transport = settings.headers.wrap(&subgraph.name, transport);
            let transport = masked(transport, &subgraph.name, settings.errors.of(&subgraph.name));
            let usual = Duration::from_secs(limits.subgraph_timeout_seconds);
            let guarded = guard(transport, &subgraph.name, &settings.traffic.of(&subgraph.name), usual);
            gates.push(guarded.gate);
            clients.push(SubgraphClient {
                name: subgraph.name.clone(),
                uri: url
                    .parse()
                    .map_err(|_| format!("the address of subgraph `{}` is no URL: {url}", subgraph.name))?,
                transport: guarded.transport,
                timeout: guarded.timeout,
            });
        }
        let event_sources = source_clients(&supergraph, sources, &limits, subscriptions, gates)?;
        let policy = GraphPolicy::new(settings.rules.clone(), &supergraph);
        let programs = Cache::builder()
            .weigher(|key: &ProgramKey, prepared: &Arc<Prepared>| {
                u32::try_from(key.document.len() + prepared.program.weight()).unwrap_or(u32::MAX)
            })
            .max_capacity(limits.plan_cache_bytes)
            .build();
        let executor = Executor::new(clients, MOST_ERRORS);
        let executor = Arc::new(match cache {
            Some(cache) => executor.with_cache(cache),
            None => executor,
        });
        let weighs = settings.demand.mode != DemandMode::Off;
        let weights = weighs.then(|| Weights::new(supergraph.costs(), settings.demand.list_size));
        let introspection = settings.introspection.clone();
        let meters = PlanMeters::new("gateway");
        Ok(Self {
            sdl,
            supergraph,
            executor,
            event_sources,
            policy,
            mode,
            programs,
            limits,
            meters,
            introspection,
            weights,
        })
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

    pub(crate) fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    /// How the events of a subgraph are asked for.
    pub(crate) fn event_source(&self, subgraph: usize) -> &SourceClient {
        &self.event_sources[subgraph]
    }

    /// Whether a field is there and `caller` may select it, by type and field.
    pub(crate) fn selectable(&self, caller: &Caller) -> impl Fn(&str, &str) -> bool {
        let access = self.policy.access(caller);
        move |of, field| self.supergraph.api_schema().type_field(of, field).is_ok() && !access.denies(of, field)
    }

    /// The kind of a request's operation.
    ///
    /// # Errors
    /// The errors of an operation that can't run.
    pub(crate) fn kind(&self, request: &Request, caller: &Caller) -> Result<OperationType, RunError> {
        Ok(self.program_of(request, caller)?.plan().kind)
    }

    /// A number that differs where the decisions about what a caller may see do.
    pub(crate) fn access(&self, caller: &Caller) -> u64 {
        self.policy.access(caller).number
    }

    /// The compiled operation of a request, which the caller may run.
    ///
    /// # Errors
    /// The errors of an operation that can't run.
    pub(crate) fn program_of(&self, request: &Request, caller: &Caller) -> Result<Arc<Program>, RunError> {
        let document = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        check_size(request.variables.as_ref(), &self.limits).map_err(RunError::one)?;
        let prepared = self.prepared(document, request.operation_name.as_deref(), caller, false)?;
        self.check(&prepared, request, caller)?;
        Ok(Arc::clone(&prepared.program))
    }

    /// The plan of a request's operation, as it is run for `caller`: what is denied to the caller is not in it.
    ///
    /// # Errors
    /// The errors of an operation that can't run.
    pub(crate) fn explain(&self, request: &Request, caller: &Caller) -> Result<(String, serde_json::Value), RunError> {
        // whether it can run, the program says; what of a plan is only for people is not kept in it
        self.program_of(request, caller)?;
        let text = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        let (document, access) = (self.parse(text)?, self.policy.access(caller));
        let is_denied = &*access;
        let denied: Option<&dyn terrane_plan::Denied> = if access.is_open() { None } else { Some(&is_denied) };
        let options = PlanOptions { denied, explain: true, ..PlanOptions::default() };
        let plan = terrane_plan::plan(&self.supergraph, &document, request.operation_name.as_deref(), &options)
            .map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        Ok((plan.explained(), plan.to_json()))
    }

    /// Run an operation. Equal queries that are under way at the same time run once.
    ///
    /// # Errors
    /// The errors of an operation that did not run.
    pub async fn run(
        &self,
        request: &Request,
        caller: &Caller,
        forwarded: &HeaderMap,
        allow_mutations: bool,
    ) -> Result<Response, RunError> {
        let program = &self.program_of(request, caller)?;
        if !allow_mutations && program.plan().kind != OperationType::Query {
            return Err(RunError::NotAQuery);
        }
        let executed = self.executor.execute_once(program, request.variables.as_ref(), forwarded).await;
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
        caller: &Caller,
        forwarded: HeaderMap,
    ) -> Result<Option<Parts>, RunError> {
        let document = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        if !document.contains("@defer") {
            return Ok(None);
        }
        check_size(request.variables.as_ref(), &self.limits).map_err(RunError::one)?;
        let prepared = self.prepared(document, request.operation_name.as_deref(), caller, true)?;
        self.check(&prepared, request, caller)?;
        let program = Arc::clone(&prepared.program);
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

    /// What an operation costs by the estimate; nothing where costs are not estimated.
    ///
    /// # Errors
    /// The errors of an operation that can't run.
    pub(crate) fn cost(&self, request: &Request, caller: &Caller) -> Result<Result<f64, NotSliced>, RunError> {
        let Some(weights) = &self.weights else { return Ok(Ok(0.0)) };
        let document = request.document().map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        check_size(request.variables.as_ref(), &self.limits).map_err(RunError::one)?;
        let prepared = self.prepared(document, request.operation_name.as_deref(), caller, false)?;
        let Some(estimate) = &prepared.estimate else { return Ok(Ok(0.0)) };
        Ok(estimate.cost(self.supergraph.api_schema(), weights, request.variables.as_ref()))
    }

    /// Check a request against what the caller may ask for.
    fn check(&self, prepared: &Prepared, request: &Request, caller: &Caller) -> Result<(), RunError> {
        if prepared.introspects && !self.introspection.allows(caller) {
            let message = "the schema can't be asked for here; ask the operator of the gateway for it";
            return Err(RunError::one(GraphqlError::new("INTROSPECTION_DISABLED", message)));
        }
        if prepared.checks.is_empty() {
            return Ok(());
        }
        let schema = self.supergraph.api_schema();
        check_variables(schema, &prepared.access, &prepared.checks, request.variables.as_ref()).map_err(RunError::one)
    }

    pub(crate) fn policy(&self) -> &GraphPolicy {
        &self.policy
    }

    pub(crate) fn programs(&self) -> &Cache<ProgramKey, Arc<Prepared>> {
        &self.programs
    }

    /// Have an operation of another graph ready for callers with these decisions; whether it is valid here.
    pub(crate) fn prepare_as(&self, key: &ProgramKey, access: Arc<Access>) -> bool {
        let ProgramKey { document, name, incremental, .. } = key.clone();
        let key = ProgramKey { document, name, access: access.number, incremental };
        match self.prepare(&key.document, key.name.as_deref(), access, incremental) {
            Ok(prepared) => self.programs.insert(key, Arc::new(prepared)),
            Err(_) => return false,
        }
        true
    }

    fn prepared(
        &self,
        document: &Document,
        name: Option<&str>,
        caller: &Caller,
        incremental: bool,
    ) -> Result<Arc<Prepared>, RunError> {
        let access = self.policy.access(caller);
        let name = name.map(str::to_owned);
        let key = ProgramKey { document: document.clone(), name, access: access.number, incremental };
        if let Some(known) = self.programs.get(&key) {
            self.meters.hit();
            return Ok(known);
        }
        let started = Instant::now();
        let prepared = self.prepare(document, key.name.as_deref(), access, incremental);
        self.meters.miss(started);
        let prepared = Arc::new(prepared?);
        self.programs.insert(key, prepared.clone());
        Ok(prepared)
    }

    fn prepare(
        &self,
        text: &str,
        name: Option<&str>,
        access: Arc<Access>,
        incremental: bool,
    ) -> Result<Prepared, RunError> {
        let document = {
            let _span = trace::span("parse");
            self.parse(text)?
        };
        let _span = trace::span("plan");
        let operation = document
            .operations
            .get(name)
            .map_err(|e| RunError::one(GraphqlError::new("OPERATION_RESOLUTION_FAILURE", e.message().to_string())))?;
        let schema = self.supergraph.api_schema();
        let checks = check_arguments(schema, &access, &document, operation).map_err(RunError::Request)?;
        let is_denied = &*access;
        let denied: Option<&dyn terrane_plan::Denied> = if access.is_open() { None } else { Some(&is_denied) };
        let options = PlanOptions { denied, incremental, ..PlanOptions::default() };
        let plan = terrane_plan::plan(&self.supergraph, &document, name, &options)
            .map_err(|e| RunError::one(GraphqlError::new(e.code(), e.to_string())))?;
        if self.mode == PolicyMode::Reject {
            let errors = denied_errors(&self.supergraph, &plan);
            if !errors.is_empty() {
                return Err(RunError::Request(errors));
            }
        }
        let estimate = self.weights.as_ref().map(|weights| Estimate::compile(schema, weights, &document, operation));
        let root = plan.nodes.node(plan.root);
        let introspects = root.slots.iter().any(|slot| slot.source == Source::Introspection);
        let program = Program::compile(self.supergraph.clone(), Arc::new(document), name, plan).compact();
        Ok(Prepared { program: Arc::new(program), access, checks, introspects, estimate })
    }

    fn parse(&self, text: &str) -> Result<Valid<ExecutableDocument>, RunError> {
        let schema = self.supergraph.api_schema();
        let mut parser = Parser::new().token_limit(self.limits.tokens).recursion_limit(self.limits.depth * 4);
        let document = parser
            .parse_ast(text, "operation.graphql")
            .map_err(|e| RunError::Request(errors("GRAPHQL_PARSE_FAILED", &e.errors)))?;
        check_document(&document, &self.limits).map_err(RunError::one)?;
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

/// An error for each field of a plan that the caller may not see.
fn denied_errors(supergraph: &Supergraph, plan: &QueryPlan) -> Vec<GraphqlError> {
    let denied = plan.nodes.nodes().iter().flat_map(|node| &node.slots).filter(|slot| slot.denied);
    let mut coordinates: Vec<String> = denied
        .filter_map(|slot| match slot.source {
            Source::Field(field) => Some(format!("{}.{}", supergraph.type_name(slot.on), supergraph.field_name(field))),
            _ => None,
        })
        .collect();
    coordinates.sort();
    coordinates.dedup();
    let refuse = |coordinate| format!("you may not see `{coordinate}`; leave it out, or ask its owner for access");
    coordinates.iter().map(|coordinate| GraphqlError::new("FORBIDDEN", refuse(coordinate))).collect()
}
